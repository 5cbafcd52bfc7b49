"""Who somebody is and what they may do: passwords, sessions, the caller of a request, permission rules."""
