"""hassette-store."""
