"""Sends what endpoints outside are owed: at least once, each endpoint for itself."""
