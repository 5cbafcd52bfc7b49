"""Searching the audit."""
