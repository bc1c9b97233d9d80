"""The schema's revisions, as Alembic scripts that run plain SQL."""
