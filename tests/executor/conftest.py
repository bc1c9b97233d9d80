"""Makes `executor_kit` importable: in pytest's importlib mode, test modules have no package to find it in."""

import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def quiet_outcomes() -> Iterator[None]:
    """Runs that fail say nothing: for tests in which thousands do."""
    logger = logging.getLogger("hassette_executor.outcome")
    logger.setLevel(logging.CRITICAL + 1)
    yield
    logger.setLevel(logging.NOTSET)
