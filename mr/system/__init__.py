"""First set-up, sign-in, and what the server says of itself."""
