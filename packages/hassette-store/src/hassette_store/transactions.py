"""Write transactions."""

import sqlite3
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def write_transaction(db: sqlite3.Connection) -> Generator[None]:
    """Run the statements of a ``with`` block in one transaction. After an error, roll it back.

    Example::

        with write_transaction(db):
            db.execute("DELETE FROM temp.newest")

    Args:
        db: A connection for writing, in autocommit mode.

    Raises:
        sqlite3.Error: A statement failed. Nothing was changed, unless COMMIT failed: the result is then unknown.
    """
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        # A full disk may have ended the transaction already.
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
