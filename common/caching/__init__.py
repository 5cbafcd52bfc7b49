"""A cache of environments and accounts that the change log keeps true, for any owner of the data.

Dacha2 is one over MR; Edge's near-cache is one over Dacha2. `open_cache` puts the parts together.
"""
