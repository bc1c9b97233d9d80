"""Histories to read: written row by row, with no executor and no framework."""

import importlib.util
import shutil
import sqlite3
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from hassette_sync import DataSyncService


def _load_history() -> ModuleType:
    """Import the file beside this one: tests are no packages, so there is no other way."""
    name = "hassette_sync_test_history"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name("history.py"))
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


@pytest.fixture(scope="session")
def _empty_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("empty") / "hassette.db"
    _load_history().History(path).close()
    return path


@pytest.fixture(scope="session")
def _plausible_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("plausible") / "hassette.db"
    _load_history().plausible(path)
    return path


@pytest.fixture
def new_history(tmp_path: Path, _empty_template: Path) -> Callable[..., Any]:
    """Make empty histories to write to, each in a ``with`` of its own."""

    def make(name: str = "hassette.db") -> Any:
        path = tmp_path / name
        shutil.copy(_empty_template, path)
        return _load_history().History(path)

    return make


@pytest.fixture
def plausible(tmp_path: Path, _plausible_template: Path) -> Path:
    """A file with the recent past of a small house, whose heart still beats."""
    path = Path(shutil.copy(_plausible_template, tmp_path / "hassette.db"))
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("UPDATE sessions SET heartbeat_us = ? WHERE ended_us IS NULL", (int(time.time() * 1_000_000),))
    db.close()
    return path


@pytest.fixture
async def data(plausible: Path) -> AsyncIterator[DataSyncService]:
    """A service that reads the plausible file."""
    async with DataSyncService(plausible) as service:
        yield service


@pytest.fixture
def now_us() -> int:
    return int(time.time() * 1_000_000)
