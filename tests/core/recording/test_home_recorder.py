"""Changes of the home and their causes are recorded, so that the history can explain them."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from hassette_core import MemorySink
from hassette_core.clock import ManualClock
from hassette_core.events import Event, parse_event
from hassette_core.recording.budgets import Budgets
from hassette_core.recording.home_recorder import MAX_CAUSES, HomeRecorder
from hassette_core.recording.own_calls import HELD_S, MAX_HELD
from hassette_executor import Circumstance, HomeCause, HomeChange, ServiceCall
from support.waiting import eventually
from support.whole_home import WholeHome, whole_home

APPS = """
class App1(App[AppConfig]):
    async def on_initialize(self):
        self.bus.on_state_change(self.on_door, "binary_sensor.door", changed_to="on", name="door")

    async def on_door(self):
        await self.api.turn_on("light.hall")

class App2(App[AppConfig]):
    async def on_initialize(self):
        self.bus.on_state_change(self.on_light, "light.hall", changed_to="on", name="light")

    async def on_light(self):
        await self.api.turn_on("light.porch")
"""
QUICK = {"flush_interval_s": 0.01}
TIME = "2026-01-01T12:00:00+00:00"


def changes(sink: MemorySink) -> list[HomeChange]:
    return [change for batch in sink.batches for change in batch.home_changes]


def causes(sink: MemorySink) -> list[HomeCause]:
    return [cause for batch in sink.batches for cause in batch.home_causes]


async def recorded(whole: WholeHome, entity_id: str, state: str) -> HomeChange:
    """Wait for a change, and return it."""

    def find() -> list[HomeChange]:
        return [one for one in changes(whole.sink) if (one.entity_id, one.new_state) == (entity_id, state)]

    return (await eventually(find, what=f"{entity_id} is {state}"))[-1]


@pytest.fixture
async def whole(tmp_path: Path, request: pytest.FixtureRequest) -> Any:
    settings = {"executor": QUICK, **getattr(request, "param", {})}
    async with whole_home(tmp_path, APPS, **settings) as whole:
        assert [status.detail for status in whole.hassette.apps.statuses] == ["", ""]
        for entity_id in ("light.hall", "light.porch", "binary_sensor.door"):
            whole.home.core.set(entity_id, "off")
        whole.home.core.set("sensor.power", "1")
        yield whole


async def test_change_of_a_person_has_the_user_and_the_service_call_as_its_cause(whole: WholeHome) -> None:
    ada = whole.home.add_user("Ada")
    whole.home.call("light.turn_on", "light.porch", user="Ada", brightness=120)
    change = await recorded(whole, "light.porch", "on")
    (cause,) = [one for one in causes(whole.sink) if one.context_id == change.context_id]
    assert (change.old_state, change.user_id, change.parent_id) == ("off", ada.id, None)
    assert (cause.kind, cause.service, cause.target) == (
        "service_call",
        "light.turn_on",
        '{"entity_id":["light.porch"]}',
    ), "other data of the call may be private"
    assert cause.id < change.id


async def test_change_of_an_automation_has_the_automation_and_the_trigger_as_its_causes(whole: WholeHome) -> None:
    home = whole.home
    home.add_user("Ada")
    home.core.set("input_boolean.guests", "off")
    home.version = "2026.11.0"
    home.add_automation(
        "evening",
        lambda context: home.services.call("light", "turn_on", {"entity_id": ["light.porch"]}, context),
        on_change_of="input_boolean.guests",
    )
    home.call("input_boolean.turn_on", "input_boolean.guests", user="Ada")
    change = await recorded(whole, "light.porch", "on")
    automation, call = [one for one in causes(whole.sink) if one.context_id == change.context_id]
    assert (automation.kind, automation.entity_id, automation.detail) == (
        "automation",
        "automation.evening",
        "state of input_boolean.guests",
    )
    assert automation.item_id == "evening"
    assert automation.trace_id is not None
    assert call.service == "light.turn_on"
    (first,) = [one for one in changes(whole.sink) if one.context_id == automation.parent_id]
    assert (first.entity_id, first.new_state, first.user_id is not None) == ("input_boolean.guests", "on", True)


async def test_call_of_a_run_that_a_stop_cancels_has_the_context_of_its_event(tmp_path: Path) -> None:
    quick_stop = {"stop_budget_s": 1.0}
    async with whole_home(tmp_path, APPS, executor=QUICK, hassette=quick_stop) as whole:
        for entity_id in ("light.hall", "binary_sensor.door"):
            whole.home.core.set(entity_id, "off")
        await eventually(lambda: dict(fact for batch in whole.sink.batches for fact in batch.session_facts).get("user"))
        whole.home.failures.unanswered("light.turn_on")
        whole.home.core.set("binary_sensor.door", "on")
        change = await recorded(whole, "light.hall", "on")
    (run,) = [run for run in whole.sink.records if run.registration.name == "door"]
    assert run.effects is not None
    assert [call.context_id for call in run.effects.service_calls] == [change.context_id]
    assert [one for one in causes(whole.sink) if one.context_id == change.context_id] == [], "an app made the call"


async def test_change_of_a_script_has_the_script_as_its_cause(whole: WholeHome) -> None:
    whole.home.add_script("night", lambda call: whole.home.call("light.turn_on", "light.porch", parent=call.context))
    whole.home.call("script.night")
    change = await recorded(whole, "light.porch", "on")
    (script,) = [one for one in causes(whole.sink) if one.kind == "script"]
    assert (script.entity_id, script.detail, script.context_id) == ("script.night", "night", change.parent_id)


async def test_change_of_a_device_has_no_cause(whole: WholeHome) -> None:
    whole.home.core.change("light.porch", "on")
    change = await recorded(whole, "light.porch", "on")
    assert (change.user_id, change.parent_id) == (None, None)
    assert change.context_id not in {one.context_id for one in causes(whole.sink)}


async def test_chain_of_two_apps_is_connected_by_service_calls_of_their_runs(whole: WholeHome) -> None:
    whole.home.core.change("binary_sensor.door", "on")
    hall, porch = await recorded(whole, "light.hall", "on"), await recorded(whole, "light.porch", "on")
    runs = {run.registration.name: run for run in await whole.records(2)}
    calls = {name: run.effects.service_calls[0].context_id for name, run in runs.items() if run.effects}
    assert calls == {"door": hall.context_id, "light": porch.context_id}
    assert hall.id < runs["light"].id


LATE = """
import asyncio

class App1(App[AppConfig]):
    async def on_initialize(self):
        self.bus.on_state_change(self.on_door, "binary_sensor.door", changed_to="on", name="door")

    async def on_door(self):
        self.task = asyncio.create_task(self.later())

    async def later(self):
        while "sensor.ended" not in self.states:
            await asyncio.sleep(0.01)
        await self.api.turn_on("light.hall")
"""


async def test_call_of_a_task_after_the_end_of_its_run_is_recorded_with_the_app(tmp_path: Path) -> None:
    async with whole_home(tmp_path, LATE, executor=QUICK) as whole:
        for entity_id in ("light.hall", "binary_sensor.door"):
            whole.home.core.set(entity_id, "off")
        whole.home.core.set("binary_sensor.door", "on")
        await whole.records(1)
        whole.home.core.set("sensor.ended", "1")
        change = await recorded(whole, "light.hall", "on")
        found = await eventually(lambda: [one for one in causes(whole.sink) if one.context_id == change.context_id])
    assert [(one.service, one.detail) for one in found] == [("light.turn_on", "app1.app1")]
    assert [loss for batch in whole.sink.batches for loss in batch.losses] == []


async def test_call_of_a_task_after_the_end_of_its_run_is_lost_if_the_home_is_not_recorded(tmp_path: Path) -> None:
    async with whole_home(tmp_path, LATE, executor=QUICK, recording={"home": False}) as whole:
        for entity_id in ("light.hall", "binary_sensor.door"):
            whole.home.core.set(entity_id, "off")
        whole.home.core.set("binary_sensor.door", "on")
        await whole.records(1)
        whole.home.core.set("sensor.ended", "1")
        await eventually(lambda: whole.home.core.states["light.hall"]["state"] == "on")
    assert [(loss.reason, loss.what) for batch in whole.sink.batches for loss in batch.losses] == [
        ("late_effect", "service_calls")
    ]


async def test_service_call_of_a_run_is_no_cause_and_that_of_another_program_is_one(tmp_path: Path) -> None:
    async with whole_home(tmp_path, APPS, executor=QUICK) as whole:
        for entity_id in ("light.hall", "light.porch", "binary_sensor.door"):
            whole.home.core.set(entity_id, "off")
        own = await eventually(
            lambda: dict(fact for batch in whole.sink.batches for fact in batch.session_facts).get("user")
        )
        whole.home.core.change("binary_sensor.door", "on")
        await recorded(whole, "light.porch", "on")
        await whole.records(2)
        context = whole.home.core.context(user=True)
        whole.home.services.call("light", "turn_off", {"entity_id": ["light.hall"]}, context)
        await recorded(whole, "light.hall", "off")
    assert [(one.service, one.user_id) for one in causes(whole.sink)] == [("light.turn_off", own)]


async def test_change_of_a_sensor_is_recorded_only_with_a_cause(whole: WholeHome) -> None:
    core, ada = whole.home.core, whole.home.add_user("Ada")
    core.change("sensor.power", "2")
    core.change("sensor.power", "3", context=core.context(parent=core.context()))
    core.change("sensor.power", "4", context=core.context(user=ada.id))
    automation = core.context()
    core.fire("automation_triggered", {"entity_id": "automation.x", "name": "x"}, automation)
    core.change("sensor.power", "5", context=automation)
    core.change("sensor.power", "6")
    await recorded(whole, "sensor.power", "5")
    assert [one.new_state for one in changes(whole.sink) if one.entity_id == "sensor.power"] == ["3", "4", "5"]


async def test_change_of_attributes_only_is_not_recorded(whole: WholeHome) -> None:
    whole.home.core.change("light.porch", "on", brightness=1)
    whole.home.core.change("light.porch", brightness=2)
    whole.home.core.change("light.porch", "unavailable")
    await recorded(whole, "light.porch", "unavailable")
    assert [one.new_state for one in changes(whole.sink) if one.entity_id == "light.porch"][1:] == ["on", "unavailable"]


@pytest.mark.parametrize(
    ("whole", "expected"),
    [
        ({"recording": {"exclude": ["light.p*"]}}, {"light.hall"}),
        ({"recording": {"domains": ["sensor"]}}, {"sensor.power"}),
        ({"recording": {"home": False}}, set[str]()),
    ],
    indirect=["whole"],
)
async def test_settings_limit_what_is_recorded(whole: WholeHome, expected: set[str]) -> None:
    for entity_id in ("light.hall", "light.porch", "sensor.power"):
        whole.home.core.change(entity_id, "7")
    whole.home.core.change("binary_sensor.door", "on")
    await whole.records(1)
    found = {one.entity_id for one in changes(whole.sink) if one.user_id is None}
    assert found == expected
    assert bool(causes(whole.sink)) is False


class Received:
    """Receives circumstances and losses."""

    def __init__(self) -> None:
        self.noted: list[Circumstance] = []
        self.lost = 0
        self.passed: list[Event] = []

    def note(self, circumstance: Circumstance) -> None:
        self.noted.append(circumstance)

    def count_loss(self, reason: str, what: str, count: int, first_us: int, last_us: int) -> None:
        assert (reason, what, first_us) == ("too_many", what, last_us)
        self.lost += count


def event(
    event_type: str, data: Any, context_id: str = "C", user_id: str | None = None, parent_id: str | None = None
) -> Event:
    raw = {"event_type": event_type, "data": data, "time_fired": TIME}
    return parse_event({**raw, "context": {"id": context_id, "parent_id": parent_id, "user_id": user_id}}, 0)


def own_call(target: str, *, context_id: str | None = None, error: str | None = None) -> ServiceCall:
    return ServiceCall(0, "light", "turn_on", f'{{"entity_id":"{target}"}}', "", 1_000, context_id, error)


def call_event(target: str, context_id: str, user_id: str = "U") -> Event:
    data = {"domain": "light", "service": "turn_on", "service_data": {"entity_id": [target]}}
    return event("call_service", data, context_id, user_id)


def calling(received: "Received", clock: ManualClock | None = None, calls: int = 1) -> HomeRecorder:
    """Return a recorder of a framework whose user is U and that has calls in progress."""
    records = recorder(received, clock)
    records.user_id = "U"
    for _ in range(calls):
        records.calling()
    return records


def causes_noted(received: "Received") -> list[tuple[str, str, str]]:
    return [
        (one.kind, one.context_id, one.detail or one.service or "")
        for one in received.noted
        if isinstance(one, HomeCause)
    ]


def change_event(
    entity_id: str, old: str, new: str, context_id: str = "C", attributes: Sequence[dict[str, str]] = ({}, {})
) -> Event:
    states = [
        {"entity_id": entity_id, "state": state, "attributes": values, "last_changed": TIME, "last_updated": TIME}
        | {"context": {"id": context_id, "parent_id": None, "user_id": None}}
        for state, values in zip((old, new), attributes, strict=True)
    ]
    data = {"entity_id": entity_id, "old_state": states[0], "new_state": states[1]}
    return event("state_changed", data, context_id)


def recorder(received: Received, clock: ManualClock | None = None, redact: Callable[[str], str] = str) -> HomeRecorder:
    return HomeRecorder(received, received.passed.append, clock=clock or ManualClock(), redact=redact)


def test_flapping_entity_is_limited_and_the_others_are_not() -> None:
    received, clock = Received(), ManualClock()
    records = recorder(received, clock)
    for number in range(1_000):
        records.receive(change_event("switch.flaps", str(number), str(number + 1)))
    records.receive(change_event("light.hall", "off", "on"))
    assert (len(received.noted), received.lost, len(received.passed)) == (61, 940, 1_001)
    clock.advance(60)
    for number in range(1_000):
        records.receive(change_event("switch.flaps", str(number), str(number + 1)))
    assert len(received.noted) == 61 + 6


def test_burst_of_a_large_home_is_recorded_completely() -> None:
    received = Received()
    records = recorder(received)
    for number in range(4_000):
        records.receive(change_event(f"light.n{number}", "off", "on"))
    assert (len(received.noted), received.lost) == (4_000, 0)


def test_budget_of_all_entities_is_limited() -> None:
    budgets = Budgets(ManualClock().monotonic_ns, total=10, max_keys=5)
    assert sum(budgets.take(str(number)) for number in range(100)) == 10


@pytest.mark.parametrize("event_type", ["automation_triggered", "script_started", "call_service", "other"])
@pytest.mark.parametrize(
    "data",
    [
        {},
        {"entity_id": 5, "domain": 5, "service": None},
        {"entity_id": "", "domain": "", "service": ""},
        {"entity_id": ["light.hall"], "domain": {"a": 1}, "service": [1]},
    ],
)
def test_event_of_unknown_form_is_passed_on_and_not_recorded(event_type: str, data: Any) -> None:
    received = Received()
    recorder(received).receive(event(event_type, data))
    assert (received.noted, len(received.passed)) == ([], 1)


@pytest.mark.parametrize("target", [None, 5, [], {"entity_id": 5}, {"entity_id": [5, None, ""]}, {"area_id": {}}])
def test_service_call_with_a_target_of_unknown_form_has_no_target(target: Any) -> None:
    received = Received()
    recorder(received).receive(event("call_service", {"domain": "light", "service": "on", "service_data": target}))
    (cause,) = received.noted
    assert isinstance(cause, HomeCause)
    assert (cause.service, cause.target) == ("light.on", "")


def test_texts_are_masked_and_bounded() -> None:
    received = Received()
    records = recorder(received, redact=lambda text: text.replace("s3cret", "•••"))
    records.receive(change_event("input_text.pin", "s3cret", "x" * 10_000))
    data = {"entity_id": ["light.s3cret", *[f"light.n{number}" for number in range(1_000)]]}
    records.receive(event("call_service", {"domain": "light", "service": "on", "service_data": data}))
    records.receive(event("automation_triggered", {"entity_id": "automation.a", "source": "s3cret" + "y" * 10_000}))
    text = repr(received.noted)
    assert "s3cret" not in text
    assert text.count("•••") == 3
    assert len(text) < 3_000


def test_many_causes_are_bounded() -> None:
    received = Received()
    records = calling(received)
    for number in range(3 * MAX_CAUSES):
        data = {"domain": "d", "service": f"s{number}"}
        records.receive(event("call_service", data, f"C{number}", "U"))
    assert len(received.noted) + received.lost == 3 * MAX_CAUSES - MAX_HELD
    newest = f"C{3 * MAX_CAUSES - 1}"
    records.receive(change_event("sensor.late", "1", "2", newest))
    assert isinstance(received.noted[-1], HomeChange)


def test_held_call_is_recorded_when_no_response_comes() -> None:
    received, clock = Received(), ManualClock()
    records = calling(received, clock)
    records.receive(event("call_service", {"domain": "light", "service": "turn_on"}, "A", "U"))
    assert received.noted == []
    clock.advance(HELD_S + 1)
    records.receive(change_event("light.hall", "off", "on"))
    assert [type(one) for one in received.noted] == [HomeCause, HomeChange]


def test_failure_of_the_receiver_keeps_no_event_from_the_apps(caplog: pytest.LogCaptureFixture) -> None:
    class Failing(Received):
        def note(self, circumstance: Circumstance) -> None:
            raise RuntimeError("no room")

    received = Failing()
    records = recorder(received)
    for _ in range(3):
        records.receive(change_event("light.hall", "off", "on"))
    assert len(received.passed) == 3
    assert [record.message for record in caplog.records] == ["Change of the home could not be recorded"]


def test_sensor_that_triggers_an_automation_is_recorded_before_the_automation() -> None:
    received = Received()
    records = recorder(received)
    for number in range(20):
        records.receive(change_event("binary_sensor.hall", "off", "on", f"S{number}"))
    for number in (7, 7, 9):
        data = {"entity_id": "automation.a", "source": "state of binary_sensor.hall"}
        records.receive(event("automation_triggered", data, f"A{number}", parent_id=f"S{number}"))
    assert [one.context_id for one in received.noted if isinstance(one, HomeChange | HomeCause)] == [
        *("S7", "A7", "A7", "S9", "A9")
    ]


def test_event_that_triggers_an_automation_is_recorded_with_its_type_and_user() -> None:
    received = Received()
    records = recorder(received)
    records.receive(event("zha_event", {"command": "on"}, "E", "anna"))
    records.receive(event("zha_event", {"command": "on"}, "other"))
    records.receive(event("automation_triggered", {"entity_id": "automation.a"}, "A", parent_id="E"))
    assert causes_noted(received) == [("event", "E", "zha_event"), ("automation", "A", "")]


def test_event_of_a_timer_that_triggers_an_automation_is_recorded_with_the_timer() -> None:
    received = Received()
    records = recorder(received)
    for event_type in ("timer.finished", "zha_event"):
        records.receive(event(event_type, {"entity_id": "timer.tea", "code": "1234"}, event_type))
        records.receive(event("automation_triggered", {"entity_id": "automation.a"}, "A", parent_id=event_type))
    causes = [one for one in received.noted if isinstance(one, HomeCause) and one.kind == "event"]
    assert [(one.service, one.target) for one in causes] == [
        ("timer.finished", '{"entity_id":["timer.tea"]}'),
        ("zha_event", ""),
    ]


@pytest.mark.parametrize("user_id", ["U", None])
def test_event_of_a_call_outside_runs_is_recorded_with_the_caller(user_id: str | None) -> None:
    received = Received()
    records = calling(received, calls=3)
    records.user_id = user_id  # None: Home Assistant has not answered yet
    records.receive(call_event("light.hall", "A"))
    records.called(own_call("light.hall", context_id="A"))
    # The response to a REST request may come before the event.
    records.called(own_call("light.hall", context_id="B"))
    records.receive(call_event("light.hall", "B"))
    assert causes_noted(received) == [("service_call", "A", "Hassette"), ("service_call", "B", "Hassette")]


@pytest.mark.parametrize("target", ['{"entity_id":"light.hall"}', '{"entity_id":["light.HALL"]}', '{"entity_id":["li…'])
def test_failed_call_gets_the_context_of_its_event(target: str) -> None:
    clock = ManualClock()
    records = calling(Received(), clock, calls=3)
    records.receive(call_event("light.hall", "of another program, before"))
    clock.advance(5)
    records.receive(call_event("light.hall", "A"))
    records.receive(event("call_service", {"domain": "light", "service": "turn_off"}, "B", "U"))
    failed = own_call("light.hall", error="not supported")._replace(target=target)
    assert records.called(failed).context_id == "A"
    assert records.called(failed).context_id is None


def test_failed_call_gets_no_context_while_the_user_of_hassette_is_not_known() -> None:
    received = Received()
    records = calling(received, calls=3)
    records.user_id = None
    records.receive(call_event("light.hall", "of Anna or of Hassette", "Anna"))
    assert records.called(own_call("light.hall", error="not supported")).context_id is None
    records.record_held()
    assert causes_noted(received) == [], "Hassette may have made the call"


def test_failed_call_does_not_get_the_context_of_another_user_whose_event_was_held() -> None:
    received = Received()
    records = calling(received, calls=3)
    records.user_id = None
    records.receive(call_event("light.hall", "A", "Anna"))
    records.receive(call_event("light.hall", "U"))
    records.user_id = "U"
    assert causes_noted(received) == [("service_call", "A", "light.turn_on")]
    assert records.called(own_call("light.hall", error="not supported")).context_id == "U"


@pytest.mark.parametrize(
    ("entity_id", "state", "attributes", "recorded"),
    [
        ("timer.tea", "active", ({"finishes_at": "12:00"}, {"finishes_at": "12:05"}), True),
        ("timer.tea", "active", ({"finishes_at": "12:00"}, {"finishes_at": "12:00"}), True),
        ("timer.tea", "active", ({"friendly_name": "Tee"}, {"friendly_name": "Tea"}), False),
        ("timer.tea", "paused", ({"remaining": "1"}, {"remaining": "2"}), False),
        ("light.tea", "active", ({"finishes_at": "12:00"}, {"finishes_at": "12:05"}), False),
    ],
)
def test_restart_of_a_running_timer_is_recorded_although_its_state_stays(
    entity_id: str, state: str, attributes: tuple[dict[str, str], dict[str, str]], recorded: bool
) -> None:
    received = Received()
    recorder(received).receive(change_event(entity_id, state, state, "R", attributes))
    expected = [HomeChange(0, entity_id, state, state, "R", None, None)] if recorded else []
    assert received.noted == expected


async def test_time_of_the_first_connection_is_a_fact_of_the_session(whole: WholeHome) -> None:
    def times() -> list[str]:
        return [value for batch in whole.sink.batches for fact, value in batch.session_facts if fact == "connected"]

    (connected,) = await eventually(times)
    assert datetime.fromisoformat(connected) <= datetime.now(UTC)
    await whole.home.restart(down_s=0.05, startup_s=0.05)
    await eventually(
        lambda: [one for batch in whole.sink.batches for one in batch.lifecycle if one.kind == "connection_restored"]
    )
    assert await whole.hassette.executor.force_flush()
    assert times() == [connected]


def test_calls_of_a_script_are_held_with_the_call_that_started_it() -> None:
    received, clock = Received(), ManualClock()
    records = calling(received, clock, calls=3)
    for context_id in ("A", "B"):
        records.receive(call_event("light.hall", context_id))
        for _ in range(1_000):
            records.receive(event("call_service", {"domain": "fan", "service": "turn_on"}, context_id, "U"))
        clock.advance(1)
    assert records.called(own_call("light.hall", error="failed")).context_id is None
    assert records.called(own_call("light.hall", context_id="A")).context_id == "A"
    records.record_held()
    expected = [*[("A", "Hassette")] * 20, ("B", "light.turn_on"), *[("B", "fan.turn_on")] * 19]
    assert [one[1:] for one in causes_noted(received)] == expected


def test_equal_calls_are_recorded_neither_as_own_nor_as_those_of_another_program() -> None:
    received = Received()
    records = calling(received, calls=3)
    for context_id in ("A", "B"):
        records.receive(call_event("light.hall", context_id))
    records.receive(call_event("light.porch", "C"))
    assert records.called(own_call("light.hall", error="no answer")).context_id is None
    records.record_held()
    assert causes_noted(received) == [("service_call", "C", "light.turn_on")]


def test_rehearsed_call_belongs_to_no_event() -> None:
    received = Received()
    records = calling(received, calls=3)
    records.receive(call_event("light.hall", "A"))
    records.called(own_call("light.hall")._replace(rehearsed=True))
    records.record_held()
    assert causes_noted(received) == [("service_call", "A", "light.turn_on")]


def test_event_of_another_program_is_recorded_at_once_if_no_own_call_can_be_its_cause() -> None:
    received, clock = Received(), ManualClock()
    records = calling(received, clock)
    records.called(own_call("light.hall", context_id="own"))
    records.receive(call_event("light.hall", "A"))
    assert causes_noted(received) == [("service_call", "A", "light.turn_on")]
    records.calling()
    records.called(own_call("light.hall", error="cancelled before the answer"))
    records.receive(call_event("light.hall", "B"))
    assert len(received.noted) == 1
    clock.advance(10)
    records.receive(call_event("light.hall", "C"))
    assert [one[1] for one in causes_noted(received)] == ["A", "C"]
