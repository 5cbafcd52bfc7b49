"""Strategies that values of an application share."""
