"""Support for revisions that run a plain SQL file."""

from alembic import op

from hassette_store.file.creation import statements


def run_script(name: str) -> None:
    """Run each statement of a file in ``migrations/sql``, in the transaction of the upgrade."""
    connection = op.get_bind()
    for statement in statements(name):
        connection.exec_driver_sql(statement)
