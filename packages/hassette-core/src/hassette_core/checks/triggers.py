"""`check_triggers`: let the real home check the triggers to which the apps listen."""

from collections.abc import Sequence
from typing import Any

from hassette_core.checks.findings import Finding, Level
from hassette_core.checks.home import connected_home
from hassette_core.config import HassetteConfig
from hassette_core.link import Connection


async def check_triggers(
    config: HassetteConfig, triggers: Sequence[tuple[str, Any, Sequence[str]]], timeout_s: float
) -> list[Finding]:
    """Return a finding for each configuration that Home Assistant refuses. Nothing is attached.

    A refused configuration whose integration is not loaded is a warning, because it may be valid later.

    Args:
        config: Contains the address and the token.
        triggers: The app instance, the configuration and the integrations of each listener.
        timeout_s: Time limit in seconds.

    Raises:
        AuthenticationError: Home Assistant refused the token.
        LinkError: Home Assistant was not ready in time, or the connection was lost.
    """
    if not triggers:
        return []
    findings: list[Finding] = []
    async with connected_home(config, timeout_s) as connection:
        loaded = await _loaded(connection)
        for subject, trigger, integrations in triggers:
            answer = await connection.command("check a trigger", "validate_config", triggers=trigger)
            absent = [name for name in integrations if name not in loaded]
            if not answer["triggers"]["valid"]:
                text = f"app {subject}: Home Assistant refuses the trigger {trigger!r}: {answer['triggers']['error']}"
                findings.append(Finding(Level.WARNING if absent else Level.FAILED, subject, text))
            elif absent:
                names = ", ".join(absent)
                text = f"app {subject}: the trigger {trigger!r} cannot fire: integration {names} is not loaded"
                findings.append(Finding(Level.WARNING, subject, text))
    return findings


async def _loaded(connection: Connection) -> frozenset[str]:
    configuration: dict[str, Any] = await connection.command("read the loaded integrations", "get_config")
    return frozenset(configuration["components"])
