"""Management Repository: the admin API, sign-in, the database, the outbox and its relay.

Imports `common` alone; must not know how caches and Edges are built, only what they are told.
"""
