"""Fixtures of the executor's tests."""

import logging
from collections.abc import Iterator

import pytest

from support.loops import ManualLoop, manual_loop


@pytest.fixture
def quiet_outcomes() -> Iterator[None]:
    """Switch the outcome log off, for tests in which thousands of runs fail."""
    logger = logging.getLogger("hassette_executor.outcome")
    logger.setLevel(logging.CRITICAL + 1)
    yield
    logger.setLevel(logging.NOTSET)


@pytest.fixture
def loop() -> Iterator[ManualLoop]:
    """Provide an event loop whose clock moves only while a test waits in it."""
    with manual_loop() as loop:
        yield loop
