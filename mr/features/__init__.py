"""Features and their values in each environment."""
