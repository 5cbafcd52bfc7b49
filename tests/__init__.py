"""Tests, by how much of the world they need."""
