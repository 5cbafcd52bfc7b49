"""Asking what somebody would get, and why."""
