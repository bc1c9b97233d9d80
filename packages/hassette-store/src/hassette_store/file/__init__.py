"""The database file: how it is opened and created, who owns it, and its schema revision."""
