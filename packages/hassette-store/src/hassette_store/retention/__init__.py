"""Retention: delete old history in small transactions between writes."""
