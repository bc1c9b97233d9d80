"""Fixtures: a real Home Assistant in a process, and the simulated home."""

import subprocess
from collections.abc import AsyncIterator, Iterator

import pytest

from hassette_core.simulation.home import SimulatedHome
from support.home_assistant import SIMULATED_NAMES, Endpoint, RealHomeAssistant, home_assistant_folder
from support.waiting import patience


def pytest_collection_finish(session: pytest.Session) -> None:
    """Install Home Assistant before the first test starts.

    The installation takes minutes on a new machine. In a fixture it would count against the first test's time limit.
    """
    if session.config.option.collectonly or not any(item.get_closest_marker("homeassistant") for item in session.items):
        return
    subprocess.run([home_assistant_folder() / "setup"], check=True, stdout=subprocess.DEVNULL, timeout=patience(900))


@pytest.fixture(scope="session")
def home_assistant_process() -> Iterator[RealHomeAssistant]:
    real = RealHomeAssistant(home_assistant_folder())
    yield real
    real.close()


@pytest.fixture
def real(home_assistant_process: RealHomeAssistant) -> RealHomeAssistant:
    """Return the real Home Assistant, and start it again if an earlier test has killed it."""
    if not home_assistant_process.up:
        home_assistant_process.bring_back()
    return home_assistant_process


@pytest.fixture
async def simulated() -> AsyncIterator[Endpoint]:
    """Start a simulated home without activity."""
    async with SimulatedHome(speed=0) as home:
        yield Endpoint(home.url, home.token, SIMULATED_NAMES)


@pytest.fixture(params=["simulated", pytest.param("real", marks=pytest.mark.homeassistant)])
def home(request: pytest.FixtureRequest) -> Endpoint:
    if request.param == "real":
        return request.getfixturevalue("real").home
    return request.getfixturevalue("simulated")
