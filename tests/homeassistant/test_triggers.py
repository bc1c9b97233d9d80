"""Triggers of a real Home Assistant: each kind fires, and the answers to those that cannot fire are understood."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from hassette_core import Hassette, HassetteConfig, RegistrationError, TriggerFired
from hassette_core.bus import AppBus
from hassette_core.config import HomeAssistantSettings
from support.home_assistant import RealHomeAssistant, home_assistant_folder
from support.waiting import eventually

pytestmark = [pytest.mark.homeassistant, pytest.mark.timeout(240)]

BOOLEAN = "input_boolean.test_1"


class Triggers:
    """The framework with the listeners of a test, and a client of Home Assistant."""

    def __init__(self, hassette: Hassette, client: aiohttp.ClientSession) -> None:
        self.hassette = hassette
        self.bus = AppBus(hassette.bus, "app", "app")
        self.seen: list[TriggerFired] = []
        self._client = client

    async def listen(self, *configs: dict[str, Any], name: str = "note") -> None:
        await self.bus.on_trigger(self.note, list(configs), name=name)

    async def note(self, event: TriggerFired) -> None:
        self.seen.append(event)

    async def post(self, path: str, body: object) -> Any:
        """Send a request to Home Assistant, and return its answer."""
        async with self._client.post(path, json=body) as answer:
            answer.raise_for_status()
            return await answer.json() if answer.content_type == "application/json" else None

    async def toggle(self) -> None:
        await self.post("/api/services/input_boolean/toggle", {"entity_id": BOOLEAN})

    async def firing(self, platform: str, count: int = 1) -> TriggerFired:
        """Wait for firings of one kind, and return the newest."""
        return (await eventually(lambda: self._of(platform, count), within_s=20, what=platform))[-1]

    def _of(self, platform: str, count: int) -> list[TriggerFired]:
        found = [event for event in self.seen if event.platform == platform]
        return found if len(found) >= count else []

    def status(self) -> tuple[str, str]:
        """Return status and reason of the only listener."""
        (report,) = self.hassette.live.snapshot().triggers
        return report.status, report.detail


@pytest.fixture(scope="module")
def own() -> Iterator[RealHomeAssistant]:
    """Start a Home Assistant for this module, because a test adds an integration and restarts it."""
    real = RealHomeAssistant(home_assistant_folder())
    yield real
    real.close()


@pytest.fixture
async def triggers(own: RealHomeAssistant, tmp_path: Path) -> AsyncIterator[Triggers]:
    config = HassetteConfig(
        file=tmp_path / "hassette.toml",
        home_assistant=HomeAssistantSettings.model_validate({"url": own.home.url, "token": own.home.token}),
    )
    headers = {"Authorization": f"Bearer {own.home.token}"}
    async with (
        Hassette(config, plugins=False) as hassette,
        aiohttp.ClientSession(own.home.url, headers=headers) as client,
    ):
        await hassette.wait_ready()
        yield Triggers(hassette, client)


async def test_each_kind_of_trigger_fires(triggers: Triggers) -> None:
    await triggers.listen(
        {"trigger": "event", "event_type": "hassette_test", "event_data": {"n": 1}, "id": "mine"},
        {"triggers": [{"platform": "state", "entity_id": BOOLEAN}]},
        {"trigger": "template", "value_template": "{{ is_state('" + BOOLEAN + "', 'on') }}"},
        {"trigger": "time_pattern", "seconds": "/1"},
        {"trigger": "conversation", "command": "run hassette {what}"},
    )
    assert triggers.status() == ("accepted", "")
    await triggers.post("/api/events/hassette_test", {"n": 1})
    await triggers.toggle()
    await triggers.toggle()
    await triggers.post("/api/conversation/process", {"text": "run hassette now"})
    assert (await triggers.firing("event")).id == "mine"
    state = await triggers.firing("state", count=2)
    assert (state.data["entity_id"], len(state.context.id), state.description) == (BOOLEAN, 26, f"state of {BOOLEAN}")
    assert (await triggers.firing("template")).data["to_state"]["state"] == "on"
    assert (await triggers.firing("time_pattern")).context.id == ""
    assert (await triggers.firing("conversation")).data["slots"] == {"what": "now"}


async def test_purpose_specific_trigger_fires_or_is_refused_by_an_old_version(
    own: RealHomeAssistant, triggers: Triggers
) -> None:
    light = own.home.names.light
    config = {"trigger": "light.turned_on", "target": {"entity_id": light}}
    await triggers.post("/api/services/light/turn_off", {"entity_id": light})
    if own.home.version == "2025.4.4":
        with pytest.raises(RegistrationError, match="does not provide trigger support"):
            await triggers.listen(config)
        return
    await triggers.listen(config)
    await triggers.post("/api/services/light/turn_on", {"entity_id": light})
    assert (await triggers.firing("light.turned_on")).data["entity_id"] == light


@pytest.mark.parametrize(
    "config",
    [
        {"trigger": "unheard_of"},
        {"trigger": "event"},
        {"trigger": "state", "entity_id": "no entity id"},
        {"trigger": "template", "value_template": "{{ is_state( "},
        {"trigger": "device", "device_id": "unknown", "domain": "light", "type": "turned_on"},
    ],
)
async def test_invalid_trigger_is_an_error_at_registration(triggers: Triggers, config: dict[str, Any]) -> None:
    with pytest.raises(RegistrationError, match="Home Assistant answers: "):
        await triggers.listen(config)
    assert triggers.hassette.live.snapshot().triggers == ()


async def test_trigger_of_an_absent_integration_is_not_attached(
    triggers: Triggers, caplog: pytest.LogCaptureFixture
) -> None:
    await triggers.listen({"trigger": "mqtt", "topic": "button"})
    status, detail = triggers.status()
    assert (status, detail.partition(";")[0]) == ("not attached", "integration mqtt is not loaded")
    warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert [record.message for record in warnings] == ["Trigger of an app is not attached, so it cannot fire now"]


async def test_web_hook_fires_once_its_integration_is_loaded(own: RealHomeAssistant, triggers: Triggers) -> None:
    hook = {"trigger": "webhook", "webhook_id": "hassette-test", "local_only": True}
    await triggers.listen(hook)
    assert triggers.status() == ("not attached", "integration webhook is not loaded")
    # The integration for GPSLogger depends on the integration for web hooks.
    flow = await triggers.post("/api/config/config_entries/flow", {"handler": "gpslogger"})
    entry = await triggers.post(f"/api/config/config_entries/flow/{flow['flow_id']}", {})
    assert entry["type"] == "create_entry"
    await eventually(lambda: triggers.status() == ("accepted", ""), within_s=20)
    await triggers.post("/api/webhook/hassette-test", {"pressed": True})
    assert (await triggers.firing("webhook")).data["json"] == {"pressed": True}
    # Another listener shares the subscription, because Home Assistant accepts a web hook only once.
    await triggers.listen(hook, name="other")
    await triggers.post("/api/webhook/hassette-test", {"pressed": True})
    await triggers.firing("webhook", count=3)


async def test_triggers_fire_again_after_a_restart_of_home_assistant(
    own: RealHomeAssistant, triggers: Triggers
) -> None:
    await triggers.listen({"trigger": "event", "event_type": "hassette_test"})
    own.request_restart()
    await eventually(lambda: not triggers.hassette.link.ready.is_set(), within_s=60)
    await asyncio.to_thread(own.wait_ready)
    await eventually(lambda: triggers.status() == ("accepted", ""), within_s=60)
    await triggers.post("/api/events/hassette_test", {})
    await triggers.firing("event")
