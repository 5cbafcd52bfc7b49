"""The types and bytes that Burgee's processes agree on; no I/O and no policy of one service."""
