"""Fixtures of the tests of hassette-core."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import settings

from support.home import Home

# The duration of one example depends on the load of the machine. Each test has its own time limit.
settings.register_profile("core", deadline=None)
settings.load_profile("core")


@pytest.fixture
async def home() -> AsyncIterator[Home]:
    """Start executor, bus and scheduler."""
    home = Home()
    async with home.executor, home.bus_service, home.scheduler_service:
        yield home


@pytest.fixture
def calls() -> list[Any]:
    """Collect the calls of a handler."""
    return []
