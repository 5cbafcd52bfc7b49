"""Edge: what SDKs talk to, by stream, by poll and by PUT.

Imports `common` alone; must not know a database.
"""
