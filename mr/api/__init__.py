"""What every subject of the management API shares: wire models, bodies, routes, documents."""
