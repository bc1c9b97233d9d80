"""`HomeSnapshot`: the entities and services of the real home."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import Any, NamedTuple

from hassette_core.config import HassetteConfig
from hassette_core.errors import LinkError
from hassette_core.home.entries import parse_areas
from hassette_core.link import Connection, HomeAssistantLink, WebTransport, parse_address
from hassette_core.states import StateCache


class HomeSnapshot(NamedTuple):
    """The entities and services of a real home, as Home Assistant reported them.

    Attributes:
        url: The address of Home Assistant.
        version: The version of Home Assistant.
        states: The answer to ``get_states``, by entity id.
        services: The answer to ``get_services``: the services by domain and name.
        areas: The names of the areas, by id.
    """

    url: str
    version: str
    states: Mapping[str, Mapping[str, Any]]
    services: Mapping[str, Mapping[str, Any]]
    areas: Mapping[str, str] = MappingProxyType({})


@asynccontextmanager
async def connected_home(
    config: HassetteConfig, timeout_s: float, cache: StateCache | None = None
) -> AsyncGenerator[Connection]:
    """Connect to Home Assistant, and wait until it is ready.

    Args:
        config: Contains the address and the token.
        timeout_s: Time limit in seconds, also for the code in the block.
        cache: Receives the states.

    Raises:
        AuthenticationError: Home Assistant refused the token.
        LinkError: Home Assistant was not ready in time. The message contains the reason.
    """
    link = HomeAssistantLink(
        config.home_assistant.url,
        config.require_token(),
        cache=cache or StateCache(),
        on_event=lambda _: None,
        transport=WebTransport.for_settings(config.home_assistant),
    )
    try:
        async with link, asyncio.timeout(timeout_s):
            await link.wait_ready()
            yield link.require_connection("read the home")
    except TimeoutError:
        reason = (
            "it is still starting, or its states are not loaded"
            if link.connected
            else link.problem or "it does not answer"
        )
        raise LinkError(
            f"Home Assistant at {link.url} was not ready within {timeout_s:g} s: {reason}."
            " Check that the address is right and that Home Assistant is running."
        ) from None


async def read_home(config: HassetteConfig, timeout_s: float) -> HomeSnapshot:
    """Connect to Home Assistant, and return its entities and services.

    Args:
        config: Contains the address and the token.
        timeout_s: Time limit in seconds.

    Raises:
        AuthenticationError: Home Assistant refused the token.
        LinkError: Home Assistant was not ready in time. The message contains the reason.
    """
    cache = StateCache()
    async with connected_home(config, timeout_s, cache) as connection:
        url = parse_address(config.home_assistant.url).url
        version: dict[str, Any] = await connection.command("read the version", "get_config")
        states: list[dict[str, Any]] = await connection.command("read the states", "get_states")
        services: dict[str, dict[str, Any]] = await connection.command("read the services", "get_services")
        registry = await connection.command("read the areas", "config/area_registry/list")
        areas = {area.id: area.name for area in parse_areas(registry).values()}
        by_id = {state["entity_id"]: state for state in states if state.get("entity_id") in cache.states}
        return HomeSnapshot(url, version["version"], by_id, services, areas)
