"""The table of an application: its features, and their values in every environment."""
