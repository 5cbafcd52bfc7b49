"""Feature groups: one strategy for several features of an environment."""
