"""Dacha2, the lazy cache between the Management Repository and Edge: hits and confirmed misses.

Imports `common` alone; must not know how MR stores anything nor how Edge answers SDKs.
"""
