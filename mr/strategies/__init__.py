"""Rollout strategies: how they are written, checked and kept."""
