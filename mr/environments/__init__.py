"""Environments: the stages of an application."""
