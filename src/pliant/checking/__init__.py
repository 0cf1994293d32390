"""Does a family keep its contract? What is wrong, in words, and how to mend it."""
