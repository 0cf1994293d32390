"""Parts that policies are made of: layers that take stacked parameters, what memories share."""
