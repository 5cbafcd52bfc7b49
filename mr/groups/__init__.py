"""Groups of people, and the roles they give."""
