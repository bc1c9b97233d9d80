"""A simulated home, and the demonstration that runs the framework in it."""
