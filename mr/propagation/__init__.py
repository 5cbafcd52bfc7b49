"""How far each change has come: what processes report, put beside the log of changes."""
