"""What on a page is which: the role of every line, and the order in which lines are read."""
