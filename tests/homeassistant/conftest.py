"""Fixtures: a real Home Assistant in a process, and the simulated home."""

import os
import subprocess
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from hassette_core.simulation.home import SimulatedHome
from support.home_assistant import SIMULATED_NAMES, VERSIONS, Endpoint, RealHomeAssistant, home_assistant_folder
from support.service_queries import add_demo_entities
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


@pytest.fixture(scope="session")
def recording_home_assistant() -> Iterator[RealHomeAssistant]:
    """Start another Home Assistant. It records its history, has the helpers of the recipes, and plants causes."""
    packages = [Path(__file__).with_name(name) for name in ("recipes.yaml", "planted.yaml")]
    options = [option for package in packages for option in ("--package", package)]
    real = RealHomeAssistant(home_assistant_folder(), "--recorder", *options)
    yield real
    real.close()


@pytest.fixture
def real(home_assistant_process: RealHomeAssistant) -> RealHomeAssistant:
    """Return the real Home Assistant, and start it again if an earlier test has killed it."""
    if not home_assistant_process.up:
        home_assistant_process.bring_back()
    return home_assistant_process


@asynccontextmanager
async def simulating(version: str) -> AsyncGenerator[Endpoint]:
    """Start a simulated home without activity, with the entities of Home Assistant's demo."""
    async with SimulatedHome(speed=0, version=version) as home:
        home.registries.add_device("Contract device")
        add_demo_entities(home)
        yield Endpoint(home.url, home.token, SIMULATED_NAMES, version)


@pytest.fixture
async def simulated() -> AsyncIterator[Endpoint]:
    """Start a simulated home that behaves like the version that HASS_VERSION names."""
    async with simulating(VERSIONS[os.environ.get("HASS_VERSION", "2025.4.4")]) as home:
        yield home


@pytest.fixture(params=[*VERSIONS.values(), pytest.param("real", marks=pytest.mark.homeassistant)])
async def home(request: pytest.FixtureRequest) -> AsyncIterator[Endpoint]:
    if request.param == "real":
        yield request.getfixturevalue("real").home
        return
    async with simulating(request.param) as home:
        yield home
