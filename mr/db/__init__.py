"""MR's database: tables, sessions with locks, the projection of what is delivered, and the change log."""
