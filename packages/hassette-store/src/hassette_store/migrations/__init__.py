"""Revisions of the schema: Alembic scripts that run plain SQL."""
