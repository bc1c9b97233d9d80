"""Clocks of the store: reading them, and the check of the wall clock before a deletion."""
