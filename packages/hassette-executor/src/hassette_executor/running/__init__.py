"""A run in progress: what it collects, its deadline, its thread, how its end is classified, its error hook."""
