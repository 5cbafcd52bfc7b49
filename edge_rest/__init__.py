"""Edge-REST: Edge's polls and PUTs straight on the database, without a bus.

Imports `edge`, `mr.db` and `common`; has no streams and no cache of its own.
"""
