"""Fixtures: a real Home Assistant in a process, and the simulated home."""

import asyncio
import os
import subprocess
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from aiohttp import ClientSession

from hassette_core.simulation.home import SimulatedHome
from support.chained_home import add_chained_entities
from support.home_assistant import SIMULATED_NAMES, VERSIONS, Endpoint, RealHomeAssistant, home_assistant_folder
from support.late_home import add_late_entities
from support.planted_home import add_planted_entities
from support.planting import Person, PlantingHome
from support.service_queries import add_demo_entities
from support.waiting import patience


def pytest_collection_finish(session: pytest.Session) -> None:
    """Install Home Assistant before the first test starts.

    The installation takes minutes on a new machine. In a fixture it would count against the first test's time limit.
    A failure is reported by the fixtures, because an exception of this function would end the worker of pytest-xdist,
    and no test would run.
    """
    if session.config.option.collectonly or not any(item.get_closest_marker("homeassistant") for item in session.items):
        return
    with suppress(pytest.fail.Exception, subprocess.TimeoutExpired):
        folder = home_assistant_folder()
        subprocess.run([folder / "setup"], check=False, stdout=subprocess.DEVNULL, timeout=patience(900))


@pytest.fixture(scope="session")
def home_assistant_process() -> Iterator[RealHomeAssistant]:
    real = RealHomeAssistant(home_assistant_folder())
    yield real
    real.close()


@pytest.fixture(scope="session")
def recording_home_assistant() -> Iterator[RealHomeAssistant]:
    """Start another Home Assistant. It records its history, has the helpers of the recipes, and plants causes."""
    packages = [
        Path(__file__).with_name(name) for name in ("recipes.yaml", "planted.yaml", "late.yaml", "chained.yaml")
    ]
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


async def add_anna(home: Endpoint) -> str:
    """Add a user with the name Anna to a real Home Assistant, and return an access token of this user."""
    username, page = f"anna_{uuid4().hex}", f"{home.url}/"
    async with Person(home) as owner:
        command = owner.api.command
        created = await command("config/auth/create", name="Anna", group_ids=["system-admin"])
        user = {"user_id": created["user"]["id"], "username": username, "password": username}
        await command("config/auth_provider/homeassistant/create", **user)
    flow: Any = {"client_id": page, "handler": ["homeassistant", None], "redirect_uri": page}
    sign_in = {"client_id": page, "username": username, "password": username}
    async with ClientSession(home.url) as session:
        async with session.post("/auth/login_flow", json=flow) as answer:
            flow = await answer.json()
        async with session.post(f"/auth/login_flow/{flow['flow_id']}", json=sign_in) as answer:
            code = (await answer.json())["result"]
        form = {"client_id": page, "grant_type": "authorization_code", "code": code}
        async with session.post("/auth/token", data=form) as answer:
            return (await answer.json())["access_token"]


@pytest.fixture(params=[*VERSIONS.values(), pytest.param("real", marks=pytest.mark.homeassistant)])
async def planting_home(request: pytest.FixtureRequest) -> AsyncIterator[PlantingHome]:
    if request.param == "real":
        real: RealHomeAssistant = request.getfixturevalue("recording_home_assistant")
        yield PlantingHome(real.home, lambda: asyncio.to_thread(real.restart), await add_anna(real.home), is_real=True)
        return
    async with SimulatedHome(speed=0, version=request.param) as home:
        add_planted_entities(home)
        add_late_entities(home)
        add_chained_entities(home)
        endpoint = Endpoint(home.url, home.token, SIMULATED_NAMES, request.param)
        anna = home.add_user("Anna").token
        yield PlantingHome(endpoint, lambda: home.restart(down_s=0.2, startup_s=0.1), anna)


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
