"""Persons who change a home, next to a framework with apps that writes its history."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from hassette_core import Hassette, HassetteConfig, MemorySink
from hassette_core.api import Api
from hassette_core.link import HomeAssistantLink
from hassette_core.states import StateCache
from hassette_store import DatabaseService
from support.home_assistant import Endpoint
from support.waiting import eventually


@dataclass(frozen=True)
class PlantingHome:
    """A home with the entities that plant causes.

    Attributes:
        endpoint: Address and token.
        restart: Restarts it, and waits until it is ready.
        anna: Access token of another user, whose name is Anna.
        is_real: Whether it is a real Home Assistant.
    """

    endpoint: Endpoint
    restart: Callable[[], Awaitable[None]]
    anna: str
    is_real: bool = False


class Person:
    """A client of the home with a token, next to the framework.

    Args:
        home: The home.
        token: The token; None for the token of the framework.
    """

    def __init__(self, home: Endpoint, token: str | None = None) -> None:
        cache = StateCache()
        self.states = cache.states
        self.link = HomeAssistantLink(home.url, token or home.token, cache=cache, on_event=lambda event: None)
        self.api = Api(self.link)

    async def __aenter__(self) -> Self:
        await self.link.__aenter__()
        await self.link.wait_ready()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.link.stop()

    async def turn(self, entity_id: str, state: str) -> None:
        await self.api.call_service(entity_id.partition(".")[0], f"turn_{state}", target=entity_id)


@asynccontextmanager
async def framework(
    home: Endpoint, folder: Path, *apps: str, rehearsing: str = "", memory: MemorySink | None = None
) -> AsyncGenerator[Hassette]:
    """Run the framework with apps of the module ``planted``, and a store that writes its history.

    The names of the home are recorded before the ``with`` block runs. A quick stop may otherwise precede them.

    Args:
        home: The home.
        folder: The directory of the module and of the history.
        apps: Classes of the module.
        rehearsing: Class of an app that rehearses.
        memory: Another sink, in which a test can see the runs.
    """
    config = HassetteConfig.model_validate(
        {
            "hassette": {"app_dir": str(folder), "data_dir": str(folder / "data")},
            "home_assistant": {"url": home.url, "token": home.token},
            "apps": {
                name.lower(): {"module": "planted", "class": name, "rehearse": name == rehearsing}
                for name in (*apps, rehearsing)
                if name
            },
        }
    )
    store, memory = DatabaseService(folder / "hassette.db"), memory or MemorySink()
    async with Hassette(config, sinks=[store, memory], plugins=False) as hassette:
        await hassette.wait_ready()
        await eventually(lambda: any(batch.home_names for batch in memory.batches), within_s=20)
        yield hassette


async def until(hassette: Hassette, entity_id: str, state: str) -> None:
    """Wait until the framework has received a state."""
    await eventually(lambda: hassette.states[entity_id].state == state, within_s=20)
