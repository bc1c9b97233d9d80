"""Fixtures for a ``hassette`` process and its history file; time limits that grow with HASSETTE_TEST_PATIENCE."""

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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


@settings(max_examples=1, database=None)
@given(st.none())
def run_an_example(value: None) -> None:
    """Let Hypothesis create what it creates at its first example."""
    assert value is None


def pytest_collection_finish() -> None:
    """Exempt the modules of the tests from garbage collections, which some tests start many times.

    With all tests of the core collected, each collection of these objects takes 0.1 s of CPU time. At its first
    example, Hypothesis creates a random generator, and warns if it finds no object that refers to it. A frozen object
    is not found, so the first example runs before.
    """
    run_an_example()
    gc.collect()
    gc.freeze()


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
