"""SQL that is too long to stand in Python: read once, from the files beside this module."""

from importlib.resources import files
from typing import Final

WRITE_BATCH: Final = files("hassette_store").joinpath("write_batch.sql").read_text("utf-8")
"""Makes the temporary view and trigger that keep a batch with one statement."""
