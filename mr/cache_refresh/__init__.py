"""Verify what is delivered against the tables, and repair it."""
