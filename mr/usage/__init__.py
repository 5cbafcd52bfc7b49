"""How much SDKs ask, and how many are connected."""
