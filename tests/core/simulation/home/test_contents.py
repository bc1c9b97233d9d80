"""The contents that a test gives to the simulated home: services, failures, registries, triggers, users, a restart."""

import asyncio
import itertools
import json
import re
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from hassette_core.clock import ManualClock
from hassette_core.errors import RefusedError
from hassette_core.simulation.home import RestRequest, SimulatedHome
from support.waiting import eventually

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class MemoryClient:
    """A WebSocket client in the same process."""

    def __init__(self, home: SimulatedHome, token: str) -> None:
        self._home = home
        self._to_home: asyncio.Queue[str | None] = asyncio.Queue()
        self._ids = itertools.count(1)
        self.received: list[Any] = []
        self.closed = False
        self._to_home.put_nowait(json.dumps({"type": "auth", "access_token": token}))
        self.task = asyncio.create_task(home.serve_client(self))

    async def receive(self) -> str | None:
        return await self._to_home.get()

    async def send(self, text: str) -> None:
        self.received.append(json.loads(text))

    async def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True

    def send_command(self, command: str, **fields: Any) -> int:
        message_id = next(self._ids)
        self._to_home.put_nowait(json.dumps({"id": message_id, "type": command, **fields}))
        return message_id

    async def command(self, command: str, **fields: Any) -> Any:
        """Return the result of a command, or its error code."""
        message_id = self.send_command(command, **fields)
        await eventually(lambda: self.answer(message_id) is not None)
        answer = self.answer(message_id)
        assert answer is not None
        return answer["result"] if answer["success"] else answer["error"]["code"]

    def answer(self, message_id: int) -> dict[str, Any] | None:
        found = (each for each in self.received if isinstance(each, dict) and each.get("type") == "result")
        return next((each for each in found if each["id"] == message_id), None)

    def events(self) -> list[Any]:
        return [each["event"] for each in self.received if isinstance(each, dict) and each.get("type") == "event"]

    async def end(self) -> None:
        self._to_home.put_nowait(None)
        await self.task


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def home(clock: ManualClock) -> SimulatedHome:
    return SimulatedHome(speed=0, clock=clock, version="2026.11.0")


@pytest.fixture
async def client(home: SimulatedHome) -> AsyncIterator[MemoryClient]:
    client = MemoryClient(home, home.token)
    yield client
    await client.end()


def state_of(home: SimulatedHome, entity_id: str) -> str:
    return home.core.states[entity_id]["state"]


def test_added_service_receives_each_call_and_returns_its_response(home: SimulatedHome) -> None:
    received: list[Any] = []

    def price(call: Any) -> dict[str, int]:
        received.append(call)
        return {"price": 3}

    home.add_service("shop.price", price, fields={"item": "text", "count": "number"}, required=("item",))
    assert home.call("shop.price", item="milk", count=2, return_response=True) == {"price": 3}
    assert (received[0].data, received[0].time) == ({"item": "milk", "count": 2}, START)
    assert home.calls[-1] is received[0]
    for data in ({}, {"item": "milk", "bogus": 1}, {"item": "milk", "count": "many"}):
        with pytest.raises(RefusedError):
            home.call("shop.price", **data)
    assert home.services.describe()["shop"]["price"]["fields"]["item"] == {
        "required": True,
        "selector": {"text": {}},
    }


@pytest.mark.parametrize(
    ("service", "before", "data", "after"),
    [
        ("heater.turn_on", "off", {}, "on"),
        ("heater.toggle", "on", {}, "off"),
        ("gate.open_gate", "closed", {}, "open"),
        ("gate.lock", "open", {}, "locked"),
        ("dial.set_value", "1", {"value": 5}, "5"),
        ("dial.select_option", "a", {"option": "b"}, "b"),
        ("bell.press", "unknown", {}, START.isoformat()),
    ],
)
def test_added_service_without_a_handler_makes_the_obvious_change(
    home: SimulatedHome, service: str, before: str, data: dict[str, Any], after: str
) -> None:
    entity_id = f"{service.partition('.')[0]}.one"
    home.core.set(entity_id, before)
    home.add_service(service)
    home.call(service, entity_id, **data)
    assert state_of(home, entity_id) == after


def test_service_that_the_home_has_stays_when_it_is_added_without_a_handler(home: SimulatedHome) -> None:
    home.core.set("media_player.tv", "off")
    home.add_service("media_player.play_media")
    home.call("media_player.play_media", "media_player.tv", media_content_id="a", media_content_type="music")
    assert state_of(home, "media_player.tv") == "playing"
    assert home.calls[-1].entity_ids == ("media_player.tv",)


@pytest.mark.parametrize("service", ["", "light", "light.", ".on", "a.b.c"])
def test_service_of_a_wrong_form_is_an_error(home: SimulatedHome, service: str) -> None:
    with pytest.raises(ValueError, match=r"service must be of the form domain\.service, got "):
        home.add_service(service)
    with pytest.raises(ValueError, match="must be one of boolean, date"):
        home.add_service("a.b", fields={"x": "bogus"})


def test_timer_finishes_on_the_clock_of_the_home(home: SimulatedHome, clock: ManualClock) -> None:
    home.core.set("timer.tea", "idle", {"duration": "0:05:00"})
    heard: list[str] = []
    home.core.listen("*", lambda event: heard.append(event["event_type"]))
    home.call("timer.start", "timer.tea", duration="00:01:00")
    clock.advance(30)
    home.call("timer.pause", "timer.tea")
    clock.advance(3_600)
    assert (state_of(home, "timer.tea"), home.core.states["timer.tea"]["attributes"]["remaining"]) == (
        "paused",
        "0:00:30",
    )
    home.call("timer.start", "timer.tea")
    clock.advance(29)
    assert state_of(home, "timer.tea") == "active"
    clock.advance(1)
    assert state_of(home, "timer.tea") == "idle"
    assert [each for each in heard if each.startswith("timer.")] == [
        "timer.started",
        "timer.paused",
        "timer.restarted",
        "timer.finished",
    ]
    assert home.core.states["timer.tea"]["attributes"]["duration"] == "0:05:00"


def test_scene_script_and_automation_change_the_home(home: SimulatedHome) -> None:
    home.add_scene("movie", {"light.hall": {"state": "on", "brightness": 40}, "switch.guest_wifi": "on"})
    home.call("scene.turn_on", "scene.movie")
    assert home.core.states["light.hall"]["attributes"]["brightness"] == 40
    home.call("scene.create", scene_id="before", snapshot_entities=["light.hall"])
    home.call("light.turn_off", "light.hall")
    home.call("scene.turn_on", "scene.before")
    assert state_of(home, "light.hall") == "on"
    home.add_script("greet", lambda call: {"text": f"hello {call.data['name']}"}, fields={"name": "text"})
    assert home.call("script.greet", name="Alex", return_response=True) == {"text": "hello Alex"}
    home.call("script.turn_on", "script.greet", variables={"name": "Kim"})
    assert home.calls[-1].data == {"name": "Kim"}
    entity_id = home.add_automation(
        "porch",
        lambda context: home.core.change("light.kitchen", "on", context=context),
        on_change_of="binary_sensor.hall_motion",
    )
    cause = home.context(user=home.add_user("Alex"))
    home.core.change("binary_sensor.hall_motion", "on", context=cause)
    context = home.core.states["light.kitchen"]["context"]
    assert (context["parent_id"], context["user_id"]) == (cause.id, None)
    home.call("automation.turn_off", entity_id)
    home.core.change("light.kitchen", "off")
    home.core.change("binary_sensor.hall_motion", "off")
    assert state_of(home, "light.kitchen") == "off"


def test_calendar_is_on_during_its_events(home: SimulatedHome, clock: ManualClock) -> None:
    home.add_calendar_event("calendar.waste", "Paper", START + timedelta(hours=1), START + timedelta(hours=2))
    home.add_calendar_event("calendar.waste", "Holiday", date(2026, 3, 3), date(2026, 3, 4), location="home")
    seen = [state_of(home, "calendar.waste")]
    for _ in range(2):
        clock.advance(3_600)
        seen.append(state_of(home, "calendar.waste"))
    assert seen == ["off", "on", "off"]
    response = home.call("calendar.get_events", "calendar.waste", return_response=True, duration={"days": 3})
    assert response["calendar.waste"]["events"] == [
        {"start": "2026-03-03", "end": "2026-03-04", "summary": "Holiday", "location": "home"}
    ]
    with pytest.raises(ValueError, match="end must be after start"):
        home.add_calendar_event("calendar.waste", "Never", START, START)


def test_todo_list_counts_its_open_items(home: SimulatedHome) -> None:
    home.core.set("todo.shopping", "0")
    home.call("todo.add_item", "todo.shopping", item="milk")
    home.call("todo.add_item", "todo.shopping", item="bread", due_date="2026-03-04")
    home.call("todo.update_item", "todo.shopping", item="milk", status="completed")
    assert state_of(home, "todo.shopping") == "1"
    items = home.call("todo.get_items", "todo.shopping", status=["needs_action"], return_response=True)
    assert [(each["summary"], each["due"]) for each in items["todo.shopping"]["items"]] == [("bread", "2026-03-04")]
    home.call("todo.remove_completed_items", "todo.shopping")
    with pytest.raises(RefusedError, match="Unable to find to-do list item: milk"):
        home.call("todo.remove_item", "todo.shopping", item="milk")


def test_group_person_and_zone_follow_other_states(home: SimulatedHome) -> None:
    home.call("group.set", object_id="lights", entities=["light.hall", "light.kitchen"])
    home.call("light.turn_on", "light.kitchen")
    assert state_of(home, "group.lights") == "on"
    home.call("homeassistant.turn_off", "group.lights")
    assert (state_of(home, "group.lights"), state_of(home, "light.kitchen")) == ("off", "off")
    home.core.set("device_tracker.phone", "home")
    home.core.set("person.kim", "unknown", {"device_trackers": ["device_tracker.phone"]})
    home.core.set("device_tracker.phone", "not_home")
    assert (state_of(home, "person.kim"), state_of(home, "zone.home")) == ("not_home", "1")
    home.core.set("device_tracker.phone", "home")
    assert (state_of(home, "person.kim"), state_of(home, "zone.home")) == ("home", "2")


@pytest.mark.parametrize(
    ("version", "accepted"), [("2025.4.4", True), ("2026.3.0", True), ("2026.4.0", False), ("2026.11.0", False)]
)
def test_version_decides_whether_lights_accept_mireds(version: str, accepted: bool) -> None:
    home = SimulatedHome(speed=0, version=version)
    home.core.set("light.bulb", "off", {"supported_color_modes": ["color_temp", "hs"]})
    if not accepted:
        with pytest.raises(RefusedError) as raised:
            home.call("light.turn_on", "light.bulb", color_temp=250)
        assert raised.value.code == "invalid_format"
        return
    home.call("light.turn_on", "light.bulb", color_temp=250)
    assert home.core.states["light.bulb"]["attributes"]["color_temp_kelvin"] == 4_000


def test_light_shows_the_requested_color(home: SimulatedHome) -> None:
    home.core.set("light.bulb", "off", {"supported_color_modes": ["color_temp", "hs"]})
    for data in ({"rgb_color": [255, 0, 0]}, {"hs_color": [0, 100]}, {"color_name": "red"}):
        home.call("light.turn_on", "light.bulb", **data)
        attributes = home.core.states["light.bulb"]["attributes"]
        assert (attributes["color_mode"], attributes["rgb_color"]) == ("hs", [255, 0, 0])
        home.call("light.turn_off", "light.bulb")
        assert home.core.states["light.bulb"]["attributes"]["rgb_color"] is None
    home.call("light.turn_on", "light.hall", rgb_color=[255, 0, 0])
    assert home.core.states["light.hall"]["attributes"]["color_mode"] == "brightness"


def test_target_selects_entities_by_area_floor_device_and_label(home: SimulatedHome) -> None:
    registries = home.registries
    floor = home.add_floor("Ground", level=0)
    label = home.add_label("Evening")
    area = home.add_area("Studio", floor="Ground", labels=[label])
    device = home.add_device("Lamp", area="Studio")
    home.register_entity("light.studio", device=device)
    home.register_entity("light.studio_hidden", area="studio", hidden=True)
    home.register_entity("light.studio_setup", area="studio", entity_category="config")
    home.register_entity("light.other", labels=["evening"])
    for key, wanted, found in (
        ("area_id", area, ["light.studio"]),
        ("floor_id", floor, ["light.studio"]),
        ("device_id", device, ["light.studio"]),
        ("label_id", label, ["light.other", "light.studio"]),
    ):
        home.services.call("light", "turn_on", {key: wanted}, home.context())
        assert sorted(home.calls[-1].entity_ids) == found, key
    registries.update_device(device, area_id="hall")
    assert registries.area_of("light.studio") == "hall"
    with pytest.raises(ValueError, match="area must be the id or the name of an existing area, got 'Cellar'"):
        registries.register_entity("light.studio", area="Cellar")
    with pytest.raises(ValueError, match="name must be the name of a new area, got 'studio'"):
        registries.add_area("studio")


def test_renamed_entity_keeps_its_state_and_removed_area_is_forgotten(home: SimulatedHome) -> None:
    heard: list[Any] = []
    home.core.listen("entity_registry_updated", lambda event: heard.append(event["data"]))
    home.registries.rename_entity("light.hall", "light.corridor")
    assert (state_of(home, "light.corridor"), "light.hall" in home.core.states) == ("off", False)
    assert heard[-1]["old_entity_id"] == "light.hall"
    home.registries.remove("area", "Hall")
    assert home.registries.area_of("light.corridor") is None
    assert heard[-1] == {"action": "update", "entity_id": "light.corridor", "changes": {"area_id": "hall"}}


async def test_refusal_delay_and_deafness_last_for_their_number_of_calls(
    home: SimulatedHome, client: MemoryClient, clock: ManualClock
) -> None:
    home.failures.refuse("light.turn_on", code="home_assistant_error", message="jammed", times=1)
    with pytest.raises(RefusedError, match="jammed"):
        home.call("light.turn_on", "light.hall")
    home.failures.deaf("light.hall", calls=2)
    seen: list[str] = []
    for _ in range(3):
        home.call("light.turn_on", "light.hall")
        seen.append(state_of(home, "light.hall"))
    assert seen == ["off", "off", "on"]
    home.failures.slow("light.*", 12, times=1)
    fields = {"domain": "light", "service": "turn_off", "target": {"entity_id": "light.hall"}}
    message_id = client.send_command("call_service", **fields)
    assert await client.command("get_config")
    clock.advance(11)
    await asyncio.sleep(0)
    assert (client.answer(message_id), state_of(home, "light.hall")) == (None, "on")
    clock.advance(1)
    await eventually(lambda: client.answer(message_id) is not None)
    assert state_of(home, "light.hall") == "off"


async def test_unanswered_command_gets_no_answer_and_an_unavailable_entity_ignores_calls(
    home: SimulatedHome, client: MemoryClient
) -> None:
    home.failures.unanswered("get_states", times=1)
    home.failures.unanswered("light.turn_on", times=1)
    unanswered = client.send_command("get_states")
    fields = {"domain": "light", "service": "turn_on", "target": {"entity_id": "light.hall"}}
    called = client.send_command("call_service", **fields)
    assert await client.command("get_states")
    assert (client.answer(unanswered), client.answer(called), state_of(home, "light.hall")) == (None, None, "on")
    home.failures.unavailable("light.hall")
    assert await client.command("call_service", **fields)
    assert state_of(home, "light.hall") == "unavailable"
    home.failures.clear()
    assert state_of(home, "light.hall") == "on"
    with pytest.raises(KeyError, match=r"entity_id must be an entity of the home, got 'light\.none'"):
        home.failures.unavailable("light.none")


async def test_trigger_fires_for_messages_web_hooks_sentences_times_and_devices(
    home: SimulatedHome, client: MemoryClient, clock: ManualClock
) -> None:
    remote = home.registries.add_device("Remote")
    home.add_calendar_event("calendar.waste", "Paper", START + timedelta(hours=1), START + timedelta(hours=2))
    for trigger in (
        {"platform": "mqtt", "topic": "door/+/state", "payload": "open"},
        {"platform": "webhook", "webhook_id": "bell"},
        {"platform": "conversation", "command": ["turn on [the] {name} light"]},
        {"platform": "device", "device_id": remote, "domain": "hue", "type": "double_press", "subtype": "1"},
        {"platform": "time_pattern", "minutes": "/20"},
        {"platform": "calendar", "entity_id": "calendar.waste", "event": "start", "offset": "-00:10:00"},
        {"platform": "zone", "entity_id": "person.alex", "zone": "zone.home", "event": "leave"},
        {"platform": "numeric_state", "entity_id": "sensor.power", "above": 200, "for": "00:00:10"},
    ):
        assert await client.command("subscribe_trigger", trigger=trigger) is None
    home.mqtt("door/back/state", "closed")
    home.mqtt("door/back/state", "open")
    assert home.webhook("bell", {"pressed": True})
    assert not home.webhook("other")
    home.sentence("Turn on the hall light!")
    home.device_event(remote, "double_press", "2")
    home.device_event(remote, "double_press", "1")
    home.core.change("person.alex", "not_home")
    home.core.change("sensor.power", "250")
    await eventually(lambda: len(client.events()) == 5)
    clock.advance(3_600)
    await eventually(lambda: len(client.events()) == 10)
    fired = [event["variables"]["trigger"] for event in client.events()]
    assert [each["platform"] for each in fired] == [
        *("mqtt", "webhook", "conversation", "device", "zone", "numeric_state"),
        *("time_pattern", "time_pattern", "calendar", "time_pattern"),
    ]
    assert (fired[0]["topic"], fired[1]["json"], fired[2]["slots"]) == (
        "door/back/state",
        {"pressed": True},
        {"name": "hall"},
    )
    assert fired[8]["calendar_event"]["summary"] == "Paper"


async def test_trigger_without_its_integration_differs_between_versions(
    home: SimulatedHome, client: MemoryClient
) -> None:
    home.unload("mqtt")
    trigger = {"platform": "mqtt", "topic": "a"}
    assert await client.command("subscribe_trigger", trigger=trigger) == "invalid_format"
    with pytest.raises(ValueError, match="version must be a version of Home Assistant"):
        home.version = "old"
    home.version = "2025.4.4"
    assert await client.command("subscribe_trigger", trigger=trigger) is None
    assert await client.command("extract_from_target", target={"area_id": "hall"}) == "unknown_command"
    home.knows_targets = True
    found = await client.command("extract_from_target", target={"area_id": "hall"})
    assert "light.hall" in found["referenced_entities"]


async def test_history_statistics_and_logbook_contain_the_past(
    home: SimulatedHome, client: MemoryClient, clock: ManualClock
) -> None:
    home.history.add("sensor.power", START - timedelta(hours=2), 100)
    home.history.add("sensor.power", START - timedelta(hours=1, minutes=30), 300)
    clock.advance(60)
    home.add_user("Alex")
    home.call("light.turn_on", "light.hall", user="Alex")
    period = {"start_time": (START - timedelta(hours=2)).isoformat()}
    rows = await client.command("history/history_during_period", entity_ids=["sensor.power"], **period)
    assert [row["s"] for row in rows["sensor.power"]] == ["100", "300", "140"]
    hours = await client.command(
        "recorder/statistics_during_period", statistic_ids=["sensor.power"], period="hour", **period
    )
    assert (hours["sensor.power"][0]["mean"], hours["sensor.power"][0]["max"]) == (200.0, 300.0)
    entries = await client.command("logbook/get_events", entity_ids=["light.hall"], **period)
    assert [(each["state"], each["context_user_id"], each["context_service"]) for each in entries] == [
        ("on", home.model.users.find("Alex").id, "turn_on")
    ]
    path = f"/api/history/period/{period['start_time']}"
    request = RestRequest("GET", path, {"filter_entity_id": "sensor.power"}, f"Bearer {home.token}")
    answer = await home.answer(request)
    assert [row["state"] for row in json.loads(answer.text)[0]] == ["100", "300", "140"]
    with pytest.raises(ValueError, match="since must be an aware datetime in the past"):
        home.history.add("sensor.power", START + timedelta(hours=1), 1)


async def test_template_of_the_test_is_used_and_the_subset_explains_its_limit(
    home: SimulatedHome, client: MemoryClient
) -> None:
    home.core.change("sensor.power", "21.5")
    for template, result in (
        ("{{ states('sensor.power') | float * 1 }}", None),
        ("{{ states('sensor.power') | float | round(0) }}", 22.0),
        ("{{ states.sensor.power.state }}", 21.5),
        ("{{ state_attr('light.hall', 'friendly_name') }} is {{ states('light.hall') }}", "Hall is off"),
        ("{{ x }}", 3),
        ("{% if true %}1{% endif %}", None),
    ):
        if result is None:
            with pytest.raises(RefusedError, match=r"home\.template = lambda template, variables"):
                home.model.render(template)
        else:
            assert home.model.render(template, {"x": 3}) == result
    home.template = lambda template, variables: f"{template} {variables}"
    await client.command("render_template", template="{% for %}", variables={"a": 1})
    await eventually(lambda: bool(client.events()))
    assert client.events()[0]["result"] == "{% for %} {'a': 1}"


async def test_client_connects_as_another_user(home: SimulatedHome) -> None:
    alex = home.add_user("Alex", is_admin=False)
    client = MemoryClient(home, alex.token)
    assert (await client.command("auth/current_user"))["name"] == "Alex"
    answer = await client.command("fire_event", event_type="doorbell")
    assert answer["context"]["user_id"] == alex.id
    await client.end()
    with pytest.raises(ValueError, match="name must be the name of a new user, got 'Alex'"):
        home.add_user("Alex")
    with pytest.raises(KeyError, match="there is no user 'Kim'"):
        home.call("light.turn_on", "light.hall", user="Kim")


async def test_client_that_coalesces_receives_waiting_messages_as_a_list(
    home: SimulatedHome, client: MemoryClient
) -> None:
    await client.command("supported_features", features={"coalesce_messages": 1})
    await client.command("subscribe_events", event_type="burst")
    for number in range(100):
        home.core.fire("burst", {"n": number})
    await eventually(lambda: any(isinstance(each, list) for each in client.received))
    (frame,) = [each for each in client.received if isinstance(each, list)]
    assert [each["event"]["data"]["n"] for each in frame] == list(range(100))


async def test_restart_disconnects_clients_and_brings_late_entities_back(
    home: SimulatedHome, clock: ManualClock
) -> None:
    heard: list[str] = []
    home.core.listen("*", lambda event: heard.append(event["event_type"]))
    client = MemoryClient(home, home.token)
    await client.command("subscribe_events", event_type="homeassistant_stop")
    await home.start()
    restarting = asyncio.create_task(home.restart(down_s=5, startup_s=2, late=["light.hall"], late_s=10))
    await eventually(lambda: client.task.done() and not home.running)
    assert client.events()[-1]["event_type"] == "homeassistant_stop"
    await eventually(lambda: clock.waiting > 0)
    clock.advance(5)
    await eventually(lambda: home.running)
    assert (home.model.state, state_of(home, "light.hall")) == ("NOT_RUNNING", "unavailable")
    await eventually(lambda: clock.waiting > 0)
    clock.advance(2)
    await restarting
    assert (home.model.state, heard[-2:]) == ("RUNNING", ["homeassistant_start", "homeassistant_started"])
    clock.advance(10)
    assert state_of(home, "light.hall") == "off"
    await home.stop()


async def test_service_of_a_restart_restarts_the_home(home: SimulatedHome, clock: ManualClock) -> None:
    await home.start()
    home.call("homeassistant.restart")
    await eventually(lambda: not home.running)
    await eventually(lambda: clock.waiting > 0)
    clock.advance(5)
    await eventually(lambda: home.running)
    await home.stop()


async def test_examples_of_the_page_work() -> None:
    page = (Path(__file__).parents[4] / "docs" / "apps" / "simulated-home.md").read_text(encoding="utf-8")
    # `tests/core/apps/test_documents.py` runs the other script, which runs apps in the home.
    script, _ = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    # In a thread, because the script calls asyncio.run, which fails while this thread runs an event loop.
    await asyncio.to_thread(exec, compile(script, "simulated-home.md", "exec"), {"__name__": "__main__"})
    (fragment,) = re.findall(r"^```\n(floor = .*?)^```$", page, re.MULTILINE | re.DOTALL)
    home = SimulatedHome(speed=0)
    exec(compile(fragment, "simulated-home.md", "exec"), {"home": home})
    assert state_of(home, "light.desk") == "on"
    assert home.calls[-1].context.user_id == home.model.users.find("Alex").id


def test_async_handler_of_an_added_service_is_an_error(home: SimulatedHome) -> None:
    async def price(_call: Any) -> None: ...

    with pytest.raises(ValueError, match="handler must be a plain function"):
        home.add_service("shop.price", price)


def test_failing_handler_of_an_added_service_fails_the_call(home: SimulatedHome) -> None:
    def fail(_call: Any) -> None:
        raise OSError("no network")

    home.add_service("shop.order", fail)
    with pytest.raises(OSError, match="no network"):
        home.call("shop.order")
