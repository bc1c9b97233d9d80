"""The database file: connections, creation, ownership and schema revision."""
