"""The values of one environment, and one feature in all environments."""
