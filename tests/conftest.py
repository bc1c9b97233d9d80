"""Fixtures for a ``hassette`` process and its history file; time limits that grow with HASSETTE_TEST_PATIENCE."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from support.history_file import HistoryFile
from support.processes import Ask, Start, starting, telemetry
from support.waiting import patience

# The duration of one example depends on the load of the machine. Each test has its own time limit.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


def pytest_configure(config: pytest.Config) -> None:
    """Scale the general time limit; pytest-timeout reads the option after this.

    A worker of pytest-xdist scales the limit itself, because it parses the command line again.
    """
    limit = config.getoption("timeout")
    config.option.timeout = patience(float(config.getini("timeout") if limit is None else limit))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Scale the time limits of tests that have their own."""
    for item in items:
        if marker := item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(patience(*marker.args), **marker.kwargs), append=False)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    with starting(tmp_path) as start:
        yield start


@pytest.fixture
def history(tmp_path: Path) -> HistoryFile:
    return HistoryFile(tmp_path / "data" / "hassette.db")


@pytest.fixture
def ask() -> Ask:
    return telemetry
