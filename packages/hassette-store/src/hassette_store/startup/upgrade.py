"""Schema upgrades with Alembic. Importing Alembic takes half a second, so only an upgrade of an older file does it."""

import logging
import sqlite3
import time
import warnings
from importlib.resources import as_file
from pathlib import Path

from hassette_store.file.connections import APPLICATION_ID, connect_to_write
from hassette_store.file.schema import SCHEMA, Schema

logger = logging.getLogger(__name__)


def upgrade(path: Path, *, limit_s: float, schema: Schema = SCHEMA) -> None:
    """Upgrade a file to the newest revision, in one transaction and in the caller's thread.

    Args:
        path: The file; it is created if it is missing.
        limit_s: Time limit in seconds. An upgrade that takes longer is undone.
        schema: The schema to upgrade to.

    Raises:
        sqlite3.Error: A statement failed or took too long; the file is unchanged.
    """
    from alembic import command
    from alembic.config import Config
    from sqlalchemy import create_engine
    from sqlalchemy.exc import DBAPIError
    from sqlalchemy.pool import StaticPool

    ends = time.monotonic() + limit_s
    raw = connect_to_write(path)
    try:
        raw.set_progress_handler(lambda: time.monotonic() > ends, 10_000)
        engine = create_engine("sqlite://", creator=lambda: raw, poolclass=StaticPool)
        with as_file(schema.scripts) as directory, warnings.catch_warnings():
            # A deprecation in a later Alembic must not keep Hassette from starting.
            warnings.simplefilter("ignore", DeprecationWarning)
            config = Config()
            config.set_main_option("script_location", str(directory).replace("%", "%%"))
            config.set_main_option("path_separator", "os")
            try:
                with engine.connect() as connection:
                    # The driver is in autocommit mode, so all statements of all revisions run in the transaction that
                    # this BEGIN starts.
                    connection.exec_driver_sql("BEGIN IMMEDIATE")
                    connection.exec_driver_sql(f"PRAGMA application_id = {APPLICATION_ID}")
                    config.attributes["connection"] = connection
                    command.upgrade(config, schema.revision)
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
    logger.info("Database upgraded to a new schema revision", extra={"path": str(path), "revision": schema.revision})
