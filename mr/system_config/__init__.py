"""Settings of the whole installation that superusers change while it runs."""
