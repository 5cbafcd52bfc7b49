"""Portfolios: the tenants of an organisation."""
