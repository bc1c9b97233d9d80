"""Create the whole history: one file with all tables."""

from hassette_store.migrations.scripts import run_script

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create every table, index and view."""
    run_script("0001_initial.sql")
