"""hassette-executor."""
