"""Text output of the terminal commands."""
