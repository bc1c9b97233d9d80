"""Causes that are planted in a home: *why* finds each of them in the history, after the framework has stopped."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from hassette_core import Hassette, HassetteConfig
from hassette_core.api import Api
from hassette_core.link import HomeAssistantLink
from hassette_core.states import StateCache
from hassette_store import DatabaseService
from hassette_sync import DataSyncService
from hassette_sync.answers.explanations import Explained
from support.home_assistant import Endpoint, Names
from support.patient_data import patient_data
from support.waiting import eventually

pytestmark = pytest.mark.timeout(180)

APPS = """
from hassette_core import App, AppConfig, NewState

class First(App[AppConfig]):
    async def on_initialize(self) -> None:
        self.bus.on_state_change(self.follow, "{names.boolean}")

    async def follow(self, new: NewState) -> None:
        if new.state == "on":
            await self.api.call_service("light", "turn_on", target="{names.light}")
        else:
            await self.api.call_service("input_boolean", "turn_off", target="{names.source}")
            self.scheduler.run_in(self.darken, 0.1)

    async def darken(self) -> None:
        await self.api.call_service("light", "turn_off", target="{names.light}")

class Second(App[AppConfig]):
    async def on_initialize(self) -> None:
        self.bus.on_state_change(self.cool, "{names.light}", changed_to="on")

    async def cool(self) -> None:
        await self.api.call_service("climate", "turn_off", target="{names.climate}")
"""


class Person:
    """A client of the home with a token, next to the framework."""

    def __init__(self, home: Endpoint) -> None:
        cache = StateCache()
        self.states = cache.states
        self.link = HomeAssistantLink(home.url, home.token, cache=cache, on_event=lambda event: None)
        self.api = Api(self.link)

    async def turn(self, entity_id: str, state: str) -> None:
        await self.api.call_service(entity_id.partition(".")[0], f"turn_{state}", target=entity_id)


@asynccontextmanager
async def framework(home: Endpoint, folder: Path) -> AsyncGenerator[Hassette]:
    """Run the framework with the apps, and a store that writes its history."""
    config = HassetteConfig.model_validate(
        {
            "hassette": {"app_dir": str(folder), "data_dir": str(folder / "data")},
            "home_assistant": {"url": home.url, "token": home.token},
            "apps": {name.lower(): {"module": "planted", "class": name} for name in ("First", "Second")},
        }
    )
    store = DatabaseService(folder / "hassette.db")
    async with Hassette(config, sinks=[store], plugins=False) as hassette:
        await hassette.wait_ready()
        yield hassette


async def plant(home: Endpoint, folder: Path) -> None:
    """Let a person, two apps, a job and an automation change the home, in two sessions of the framework."""
    names, person = home.names, Person(home)
    (folder / "planted.py").write_text(APPS.format(names=names), encoding="utf-8")
    async with person.link:
        await person.link.wait_ready()
        for entity in (names.boolean, names.light):
            await person.turn(entity, "off")
        # The automation copies the state of the source at each change.
        for state in ("on", "off"):
            await person.turn(names.source, state)
            await eventually(lambda state=state: person.states[names.mirror].state == state, within_s=20)
        await person.api.call_service("climate", "turn_on", target=names.climate)
        await eventually(lambda: person.states[names.climate].state != "off", within_s=20)
        # The framework may receive an event later than the person. It must not stop before.
        async with framework(home, folder) as hassette:
            await person.turn(names.boolean, "on")
            await until(hassette, names.climate, "off")
            await person.turn(names.source, "on")
            await until(hassette, names.mirror, "on")
        async with framework(home, folder) as hassette:
            await person.turn(names.boolean, "off")
            await until(hassette, names.light, "off")
            await until(hassette, names.mirror, "off")


async def until(hassette: Hassette, entity_id: str, state: str) -> None:
    """Wait until the framework has received a state."""
    await eventually(lambda: hassette.states[entity_id].state == state, within_s=20)


def expected(names: Names) -> list[tuple[str, str, list[str]]]:
    """Return the entity, the state and the kinds of the causes of each planted change."""
    return [
        (names.boolean, "on", ["person"]),
        (names.boolean, "off", ["person"]),
        (names.light, "on", ["app", "person"]),
        (names.climate, "off", ["app", "app", "person"]),
        (names.source, "on", ["person"]),
        (names.mirror, "on", ["automation", "person"]),
        (names.source, "off", ["app", "person"]),
        (names.mirror, "off", ["automation", "app", "person"]),
        (names.light, "off", ["scheduled"]),
    ]


async def test_each_planted_cause_is_found_also_after_a_restart(home: Endpoint, tmp_path: Path) -> None:
    await plant(home, tmp_path)

    async with patient_data(tmp_path / "hassette.db") as data:
        found: dict[tuple[str, str], list[str]] = {}
        explained: dict[tuple[str, str], Explained] = {}
        for entity, state, _ in expected(home.names):
            why = await data.why(entity=entity, state=state)
            assert why.found, why
            explained[entity, state] = why.found[0]
            found[entity, state] = [cause.kind for cause in why.found[0].causes]

        assert found == {(entity, state): kinds for entity, state, kinds in expected(home.names)}
        assert all(one.is_complete for one in explained.values())
        names = home.names
        automation = explained[names.mirror, "on"].causes[0]
        assert automation.entity is not None
        assert automation.entity.entity_id == names.automation
        assert bool(automation.link) is (home.version > "2026.11")
        await _names_are_shown(data, names)


async def _names_are_shown(data: DataSyncService, names: Names) -> None:
    why = await data.why(entity=names.light, state="on")
    assert why.entity is not None
    assert why.entity.name
    assert why.found[0].sentence.startswith(f"{why.entity.name} turned on at ")
    assert why.found[0].reactions[0].registration.app == "second"
