"""What became of chat messages, as clients of the contract ask for it."""
