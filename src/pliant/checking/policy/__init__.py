"""What is asked of a policy: what its module says (`says`), how it acts (`acts`), what it keeps (`keeps`), its gradients."""
