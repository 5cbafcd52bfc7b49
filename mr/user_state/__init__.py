"""What the server remembers for somebody between visits."""
