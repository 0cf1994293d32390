"""What is asked of a family: what it says (`says`), a trial played in it (`play`), and what may change one (`same`)."""
