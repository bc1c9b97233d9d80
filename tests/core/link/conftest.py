"""Fixtures: a simulated home and a link to it."""

from collections.abc import AsyncIterator, Callable

import pytest

from hassette_core.link import LivenessCheck
from hassette_core.simulation.home import SimulatedHome
from support.linked_home import LinkedHome, MakeLinked


@pytest.fixture
async def home() -> AsyncIterator[SimulatedHome]:
    """A simulated home without activity."""
    async with SimulatedHome(speed=0) as home:
        yield home


@pytest.fixture
def make_linked() -> MakeLinked:
    return LinkedHome


@pytest.fixture
async def linked(home: SimulatedHome) -> AsyncIterator[LinkedHome]:
    linked = LinkedHome(home)
    async with linked.link:
        await linked.ready()
        yield linked


@pytest.fixture
def quick_liveness_check() -> Callable[..., LivenessCheck]:
    return lambda ping, received, **_: LivenessCheck(ping, received, interval_s=0.01, max_silent_ticks=5, tick_s=0.02)
