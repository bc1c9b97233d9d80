"""Triggers of an app that is reloaded, and the events that the framework records about them."""

import asyncio
import gc
from pathlib import Path

import pytest

from hassette_core.bus.home_triggers import HomeTrigger
from hassette_core.bus.listener import Listener
from support.waiting import eventually
from support.whole_home import WholeHome, whole_home

pytestmark = pytest.mark.heavy

APP = """
class App1(App[AppConfig]):
    async def on_initialize(self):
        await self.bus.on_trigger(self.on_call, {"trigger": "webhook", "webhook_id": "doorbell"})

    async def on_call(self, event: TriggerFired):
        self.logger.warning("%s", event.data["json"])
"""
MQTT_APP = """
class App1(App[AppConfig]):
    async def on_initialize(self):
        self.heard = []
        self.bus.on_event(self.on_problem, "hassette_trigger_not_attached")
        self.bus.on_event(self.register, "begin")

    async def register(self):
        await self.bus.on_trigger(self.on_message, {"trigger": "mqtt", "topic": "door"}, name="door")

    async def on_problem(self, event: Event):
        self.heard.append(event.data)

    def on_message(self): ...
"""


def attached(place: WholeHome) -> int:
    return len(place.home.model.attached_triggers)


def objects() -> int:
    """Return the number of listeners and triggers in memory."""
    gc.collect()
    return sum(isinstance(each, HomeTrigger | Listener) for each in gc.get_objects())


async def reload(place: WholeHome) -> None:
    await place.hassette.apps.reload("app1")


async def test_hundred_reloads_leave_one_subscription_and_no_objects(tmp_path: Path) -> None:
    async with whole_home(tmp_path, APP) as place:
        before = objects()
        for _ in range(100):
            await reload(place)
        await eventually(lambda: attached(place) == 1)
        (trigger,) = place.hassette.bus.triggers.wanted.values()
        assert (trigger.status, trigger.kept, len(trigger.listeners)) == ("accepted", 0, 1)
        assert objects() <= before
        assert place.home.webhook("doorbell", 1)
        await place.records(1)


async def test_no_firing_is_lost_during_reloads(tmp_path: Path) -> None:
    async with whole_home(tmp_path, APP) as place:
        reloading = asyncio.create_task(reload(place))
        sent = 0
        while not reloading.done():
            assert place.home.webhook("doorbell", sent)
            sent += 1
            await asyncio.sleep(0)
        await reloading
        records = await place.records(sent)
        logged = [record.effects.log_lines[0].message for record in records if record.effects is not None]
        assert sorted(logged, key=int) == [str(number) for number in range(sent)]


async def test_reload_with_another_trigger_for_the_same_web_hook_succeeds(tmp_path: Path) -> None:
    async with whole_home(tmp_path, APP) as place:
        file = tmp_path / "apps.py"
        text = file.read_text(encoding="utf-8")
        file.write_text(text.replace('"doorbell"}', '"doorbell", "local_only": False}'), encoding="utf-8")
        await reload(place)
        assert await place.lifecycle("app_reload_failed") == []
        await eventually(lambda: attached(place) == 1)
        assert place.home.webhook("doorbell", 1)
        await place.records(1)


async def test_reload_without_the_trigger_ends_its_subscription(tmp_path: Path) -> None:
    async with whole_home(tmp_path, APP) as place:
        file = tmp_path / "apps.py"
        text = file.read_text(encoding="utf-8")
        file.write_text(text.replace("await self.bus.on_trigger(", "print("), encoding="utf-8")
        await reload(place)
        await eventually(lambda: attached(place) == 0)


async def test_end_of_an_app_ends_its_subscriptions(tmp_path: Path) -> None:
    async with whole_home(tmp_path, APP) as place:
        await place.hassette.apps.stop_app("app1")
        await eventually(lambda: attached(place) == 0)
        await place.hassette.apps.start_app("app1")
        await eventually(lambda: attached(place) == 1)


async def test_trigger_without_its_integration_is_recorded_once_and_shown(tmp_path: Path) -> None:
    async with whole_home(tmp_path, MQTT_APP) as place:
        place.home.unload("mqtt")
        place.home.core.fire("begin", {})
        await eventually(lambda: place.app().heard)
        (shown,) = place.hassette.live.snapshot().triggers
        assert (shown.app, shown.name, shown.topic) == ("app1", "door", "trigger.mqtt.door")
        assert (shown.status, shown.detail) == ("not attached", "integration mqtt is not loaded")
        place.home.load("mqtt")
        await eventually(lambda: place.hassette.live.snapshot().triggers[0].status == "accepted")
        (heard,) = place.app().heard
        assert (heard["app"], heard["instance"], heard["subject"]) == ("app1", "app1", "app1.app1")
        (absent,) = await place.lifecycle("trigger_not_attached")
        assert absent == (
            "app1.app1",
            "door on trigger.mqtt.door: integration mqtt is not loaded; it is attached as soon as possible",
        )
        assert await place.lifecycle("trigger_accepted") == [
            ("app1.app1", "door on trigger.mqtt.door: it can fire now")
        ]


async def test_id_of_a_web_hook_is_not_recorded(tmp_path: Path) -> None:
    async with whole_home(tmp_path, APP) as place:
        place.home.webhook("doorbell", 1)
        (record,) = await place.records(1)
        assert record.registration.settings == (("config", '[{"trigger": "webhook", "webhook_id": "•••"}]'),)
        assert "doorbell" not in repr(record.registration.key) + repr(record.trigger)
