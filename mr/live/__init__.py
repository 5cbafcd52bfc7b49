"""What changed, told to whoever looks at it just now."""
