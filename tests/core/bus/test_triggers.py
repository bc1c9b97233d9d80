"""Triggers on a bus without a connection to Home Assistant."""

from typing import Any

import pytest

from hassette_core.errors import RegistrationError, UnreadableEventError
from hassette_core.events import parse_trigger
from support.home import NOON, Home
from support.records import nothing

DOOR = {"trigger": "mqtt", "topic": "door"}


async def test_registration_does_not_wait_without_a_connection(home: Home) -> None:
    subscription = await home.bus.on_trigger(nothing, DOOR)
    (report,) = home.bus_service.triggers.reports()
    assert (report.status, report.topic) == ("waiting", subscription.registration.topic)
    subscription.cancel()
    subscription.cancel()
    assert home.bus_service.triggers.wanted == {}


async def test_listener_of_an_ended_app_is_refused(home: Home) -> None:
    home.bus.end()
    with pytest.raises(RegistrationError, match="has ended"):
        await home.bus.on_trigger(nothing, DOOR)
    assert home.bus_service.triggers.wanted == {}


@pytest.mark.parametrize(
    ("config", "topic"),
    [
        (DOOR, "trigger.mqtt.door"),
        ([DOOR, {"platform": "time", "at": ["07:00", "08:00"]}], "trigger.mqtt.door, time.07:00, 08:00"),
        ({"trigger": "light.turned_on", "target": {"area_id": "hall"}}, "trigger.light.turned_on.hall"),
        ({"trigger": "template", "value_template": "{{ true }}"}, "trigger.template"),
        ({"trigger": "webhook", "webhook_id": "secret"}, "trigger.webhook"),
        ({"trigger": "mqtt", "topic": "x" * 300}, f"trigger.mqtt.{'x' * 186}…"),
    ],
)
async def test_topic_names_the_triggers(home: Home, config: Any, topic: str) -> None:
    subscription = await home.bus.on_trigger(nothing, config)
    assert subscription.registration.topic == topic


@pytest.mark.parametrize(
    "raw", [None, {}, {"variables": {}}, {"variables": {"trigger": {}}}, {"variables": {"trigger": {"platform": 5}}}]
)
def test_firing_of_unknown_shape_is_an_error(raw: Any) -> None:
    with pytest.raises(UnreadableEventError):
        parse_trigger(raw, "{}", NOON, 0)
