"""Webhooks: their settings in an environment, their test, and what became of their messages."""
