"""Measurements of real processes; nothing here passes or fails."""
