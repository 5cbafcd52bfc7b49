"""Applications: what environments and features belong to."""
