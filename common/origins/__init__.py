"""Origins of what caches hold, across processes: asked and answered over HTTP and over the bus.

One codec and one dispatcher for both. Must not know databases, caches' insides or NATS.
"""
