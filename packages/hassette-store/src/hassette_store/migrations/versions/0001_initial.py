"""Revision 0001: all tables, indexes and views."""

from hassette_store.migrations.scripts import run_script

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Run the SQL file of this revision."""
    run_script("0001_initial.sql")
