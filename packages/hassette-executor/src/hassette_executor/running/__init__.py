"""A run in progress: effects, deadline, thread, classification of its end, and error hook."""
