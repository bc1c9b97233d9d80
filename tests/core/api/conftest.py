"""An API to a scripted Home Assistant, with a clock that the test moves."""

from collections.abc import AsyncIterator

import pytest

from support.scripted_home import ScriptedApi, ScriptedHome, scripted


@pytest.fixture
async def home() -> AsyncIterator[ScriptedApi]:
    states = {"light.hall": "off", "light.porch": "off", "cover.garage": "closed", "notify.display": "unknown"}
    async with scripted(ScriptedHome(states)) as connected:
        yield connected
