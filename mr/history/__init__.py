"""What values were at each of their versions, and who made them so."""
