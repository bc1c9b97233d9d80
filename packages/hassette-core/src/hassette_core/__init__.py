"""hassette-core."""
