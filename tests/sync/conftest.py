"""Histories to read, written row by row."""

import shutil
import sqlite3
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from hassette_sync import DataSyncService
from support import plausible_history
from support.history import History, NewHistory
from support.patient_data import patient_data
from support.zones import hour_on_this_machine


@pytest.fixture(autouse=True)
def noon() -> Iterator[None]:
    with hour_on_this_machine():
        yield


@pytest.fixture(scope="session")
def empty_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("empty") / "hassette.db"
    History(path).close()
    return path


@pytest.fixture(scope="session")
def plausible_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("plausible") / "hassette.db"
    plausible_history.plausible(path)
    return path


@pytest.fixture
def new_history(tmp_path: Path, empty_template: Path) -> NewHistory:
    """Return a function that creates an empty history. A test writes each history in its own ``with`` block."""

    def make(name: str = "hassette.db") -> History:
        return History(Path(shutil.copy(empty_template, tmp_path / name)))

    return make


@pytest.fixture
def plausible(tmp_path: Path, plausible_template: Path) -> Path:
    """A file with the last hours of a small home. Its last session is still running."""
    path = Path(shutil.copy(plausible_template, tmp_path / "hassette.db"))
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("UPDATE sessions SET heartbeat_us = ? WHERE ended_us IS NULL", (int(time.time() * 1_000_000),))
    db.close()
    return path


@pytest.fixture
async def data(plausible: Path) -> AsyncIterator[DataSyncService]:
    """A service that reads the plausible file."""
    async with patient_data(plausible) as service:
        yield service


@pytest.fixture
def now_us() -> int:
    return int(time.time() * 1_000_000)
