"""Alembic, called with an open connection. Importing it costs half a second: only a file that is behind does so."""

import logging
import sqlite3
import time
import warnings
from importlib.resources import as_file, files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final

from hassette_store.file.connections import APPLICATION_ID, connect_plain
from hassette_store.file.schema import HEAD

logger = logging.getLogger(__name__)

SCRIPTS: Final[Traversable] = files("hassette_store") / "migrations"


def upgrade(path: Path, *, limit_s: float, to: str = HEAD, scripts: Traversable = SCRIPTS) -> None:
    """Bring a file to a schema revision, all or nothing, in the caller's thread.

    Args:
        path: The file; it is made if it is missing.
        limit_s: Seconds after which the upgrade is given up and undone.
        to: The revision to stop at.
        scripts: The directory of the revisions.

    Raises:
        sqlite3.Error: A statement failed or took too long; the file is as it was.
    """
    from alembic import command
    from alembic.config import Config
    from sqlalchemy import create_engine
    from sqlalchemy.exc import DBAPIError
    from sqlalchemy.pool import StaticPool

    ends = time.monotonic() + limit_s
    raw = connect_plain(path)
    try:
        raw.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        raw.set_progress_handler(lambda: time.monotonic() > ends, 10_000)
        engine = create_engine("sqlite://", creator=lambda: raw, poolclass=StaticPool)
        with as_file(scripts) as directory, warnings.catch_warnings():
            # What a later Alembic deprecates must not keep a house from starting.
            warnings.simplefilter("ignore", DeprecationWarning)
            config = Config()
            config.set_main_option("script_location", str(directory).replace("%", "%%"))
            config.set_main_option("path_separator", "os")
            try:
                with engine.connect() as connection:
                    # The driver's autocommit mode is on, so this one BEGIN spans all revisions, DDL included.
                    connection.exec_driver_sql("BEGIN IMMEDIATE")
                    config.attributes["connection"] = connection
                    command.upgrade(config, to)
                    connection.commit()
            except DBAPIError as error:
                if isinstance(error.orig, sqlite3.Error):
                    raise error.orig from error
                raise
    finally:
        raw.set_progress_handler(None, 0)
        if raw.in_transaction:
            raw.rollback()
        raw.close()
    logger.info("The history has a new schema revision", extra={"path": str(path), "revision": to})
