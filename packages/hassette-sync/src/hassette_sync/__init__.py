"""hassette-sync."""
