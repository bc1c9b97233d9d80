"""Each reason why a handler or job does not run is caused in a home, and *why not* names this reason."""

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from hassette_core import Hassette, MemorySink
from hassette_sync import AskedTime, DataSyncService
from hassette_sync.control import ControlAction
from support.patient_data import patient_data
from support.planting import Person, PlantingHome, framework
from support.waiting import eventually

pytestmark = pytest.mark.timeout(240)

MINUTE_US = 60_000_000
HALL, LATER, BLOCK = (f"input_boolean.why_not_{name}" for name in ("hall", "later", "block"))
LIGHT, LOOP = "input_boolean.test_2", "input_boolean.test_3"
BURST = 1_010
"""Number of events: more than those that wait for a handler in the mode ``queued``."""

APPS = """
import asyncio
import time
from hassette_core import App, AppConfig

def fail(*args):
    raise RuntimeError("no answer from the radio")

class Hall(App[AppConfig]):
    async def on_initialize(self) -> None:
        on, hall = self.bus.on_state_change, "input_boolean.why_not_hall"
        on(self.ran, hall)
        on(self.condition, hall, where=lambda new: False)
        on(self.predicate_failed, hall, where=fail)
        on(self.throttled, hall, throttle=600)
        on(self.debounced, hall, debounce=600)
        on(self.overlap, hall, mode="single")
        on(self.failed, hall)
        on(self.changed_to, hall, changed_to="broken")
        on(self.lasting, hall, duration=600)
        on(self.listed, "input_boolean.why_not_h*", changed_to="broken")
        on(self.waiting, "input_boolean.why_not_later", debounce=600)
        on(self.opened, "input_boolean.why_not_later", changed_to="on")
        on(self.cancelled, hall).cancel()
        on(self.nothing_came, "input_boolean.why_not_never")
        on(self.block, "input_boolean.why_not_block")
        on(self.loop, "input_boolean.test_3")
        self.bus.on_event(self.back_pressure, "why_not_burst", mode="queued")
        self.bus.on_event(self.no_event, "why_not_no_such_event")
        at = self.scheduler
        at.run_in(self.paused, 0.2).pause()
        at.run_in(self.paused_by_hand, 3600)
        at.run_every(self.job_condition, 0.2, where=lambda: False)
        at.run_every(self.job_predicate_failed, 0.2, where=fail)
        at.run_every(self.job_overlap, 0.2, mode="single")
        at.run_in(self.job_cancelled, 3600).cancel()
        at.run_in(self.not_due, 3600)

    async def ran(self) -> None: ...
    async def condition(self) -> None: ...
    async def predicate_failed(self) -> None: ...
    async def throttled(self) -> None: ...
    async def debounced(self) -> None: ...
    async def changed_to(self) -> None: ...
    async def lasting(self) -> None: ...
    async def listed(self) -> None: ...
    async def waiting(self) -> None: ...
    async def opened(self) -> None: ...
    async def cancelled(self) -> None: ...
    async def nothing_came(self) -> None: ...
    async def no_event(self) -> None: ...
    async def paused(self) -> None: ...
    async def paused_by_hand(self) -> None: ...
    async def job_condition(self) -> None: ...
    async def job_predicate_failed(self) -> None: ...
    async def job_cancelled(self) -> None: ...
    async def not_due(self) -> None: ...
    async def misfire(self) -> None: ...

    async def failed(self) -> None:
        fail()

    async def overlap(self) -> None:
        await asyncio.sleep(600)

    async def job_overlap(self) -> None:
        await asyncio.sleep(600)

    async def back_pressure(self) -> None:
        await asyncio.sleep(600)

    async def loop(self) -> None:
        await self.api.call_service("input_boolean", "toggle", target="input_boolean.test_3")

    async def block(self) -> None:
        self.scheduler.run_in(self.misfire, 0.1, misfire="run_late", misfire_limit=0.2)
        time.sleep(1)

class Attic(App[AppConfig]):
    async def on_initialize(self) -> None:
        self.bus.on_state_change(self.off, "input_boolean.why_not_hall", changed_to="off")

    async def off(self) -> None: ...

class Porch(App[AppConfig]):
    async def on_initialize(self) -> None:
        self.bus.on_state_change(self.ran, "input_boolean.why_not_hall")
        raise ValueError("no such light")

    async def ran(self) -> None: ...

class Rehearsing(App[AppConfig]):
    async def on_initialize(self) -> None:
        self.bus.on_state_change(self.lighten, "input_boolean.why_not_hall", changed_to="on")

    async def lighten(self) -> None:
        await self.api.call_service("input_boolean", "turn_on", target="input_boolean.test_2")
"""
REMOVED = {
    "on(self.condition": "0 and on(self.condition",
    "self.bus.on_state_change(self.off": "fail() or print(self.off",
}
"""Changes of the code between two sessions: a handler is removed, and an app fails at its start."""
Answers = Mapping[str, tuple[str, str]]
ANSWERS: Answers = {
    "hall.ran": ("ran", "(ok)."),
    "hall.failed": ("ran", "(error)."),
    "hall.condition": ("condition", "a condition did not hold (a function must be true, it returned False)."),
    "hall.predicate_failed": ("predicate_failed", "(RuntimeError: no answer from the radio)."),
    "hall.throttled": ("rate_limited", " ran once since "),
    "hall.debounced": ("rate_limited", " did not run since "),
    "hall.overlap": ("overlap", ": overlap."),
    "hall.back_pressure": ("back_pressure", ": back pressure."),
    "hall.loop": ("loop", "the listener is paused because it triggered itself"),
    "hall.changed_to": ("not_matching", " turned on at "),
    "hall.lasting": ("not_matching", ", but it needs duration 10 min."),
    "hall.listed": ("not_matching", ", but it needs changed_to broken."),
    "hall.waiting": ("not_matching", " became unavailable at "),
    "hall.opened": ("not_matching", ", but it needs changed_to on."),
    "hall.cancelled": ("not_registered", "It has not been registered since "),
    "hall.nothing_came": ("nothing_came", "No event of state_changed.input_boolean.why_not_never is recorded."),
    "hall.no_event": ("nothing_came", "No event of why_not_no_such_event is recorded. It never ran."),
    "hall.paused": ("disabled", "the job or its group is paused"),
    "hall.paused_by_hand": ("disabled", "The job was paused by Anna at "),
    "hall.job_condition": ("condition", "it returned False"),
    "hall.job_predicate_failed": ("predicate_failed", "no answer from the radio"),
    "hall.job_overlap": ("overlap", ": overlap."),
    "hall.job_cancelled": ("not_registered", "It has not been registered since "),
    "hall.not_due": ("nothing_came", "No due time of the schedule once, after 1 h is recorded."),
    "hall.misfire": ("misfire", ": misfire (the newest missed run was due "),
    "hall.no_such_handler": ("not_registered", "No handler, job or app is called hall.no_such_handler."),
    "porch.ran": ("disabled", "The app porch failed at "),
    "porch.no_such_handler": ("disabled", ": on_initialize failed: ValueError: no such light."),
    "cellar.ran": ("not_registered", "No handler, job or app is called cellar.ran."),
    "rehearsing.lighten": ("ran", "The app rehearsed, so input_boolean.turn_on was not sent."),
    LIGHT: ("ran", "The app rehearsed, so input_boolean.turn_on was not sent."),
}
"""For each question the reason, and a part of the sentence."""
BEFORE: Answers = {"hall.ran": ("not_registered", "It was registered for the first time at ")}
DISABLED: Answers = {"attic.off": ("disabled", "The app attic was disabled by Anna at ")}
# The simulated home restarts within a second, so that the connection is lost and restored in the asked second.
WITHOUT_LINK: Answers = {"hall.no_event": ("not_connected", "connect")}
AFTER_EDIT: Answers = {
    "hall.condition": ("not_registered", "It has not been registered since "),
    "rehearsing.lighten": ("not_registered", "It has not been registered since "),
    "attic.off": ("disabled", "The app attic failed at "),
}
DOWN: Answers = {"hall.ran": ("framework_down", "Hassette was stopped at ")}


async def check(data: DataSyncService, answers: Answers, at_us: int | None = None) -> None:
    """Ask each question, and compare all answers at once."""
    at = AskedTime.moment(at_us) if at_us is not None else None
    found = {of: await data.why_not(of, at=at) for of in answers}
    wrong = {
        of: f"{answer.reason}: {answer.sentence}"
        for of, answer in found.items()
        if answer.reason != answers[of][0] or answers[of][1] not in answer.sentence
    }
    assert wrong == {}


async def plant(person: Person, hassette: Hassette, memory: MemorySink) -> None:
    """Trigger all handlers, and wait until each trigger without a run is recorded."""

    async def write(entity_id: str, *states: str) -> None:
        for state in states:
            await person.api.rest("POST", f"/api/states/{entity_id}", {"state": state})

    def missing() -> set[str]:
        skipped = {one.registration for batch in memory.batches for one in batch.not_runs}
        ran = {one.registration for one in memory.records}
        return set(ANSWERS) - unanswered - {f"{one.app}.{one.name}" for one in skipped | ran}

    silent = ("nothing_came", "not_matching", "not_registered")
    unanswered = {of for of, (reason, _) in ANSWERS.items() if reason in silent}
    unanswered |= {LIGHT, "hall.paused_by_hand", "porch.ran", "porch.no_such_handler"}
    await write(HALL, "on", "off", "on")
    await write(LATER, "unavailable")
    await person.api.call_service("input_boolean", "toggle", target=LOOP)
    await asyncio.gather(*(person.api.fire_event("why_not_burst", {}) for _ in range(BURST)))
    await eventually(lambda: "loop" in {one.reason for batch in memory.batches for one in batch.not_runs}, within_s=20)
    await write(BLOCK, "on")
    await eventually(lambda: not missing(), within_s=20, what="a trigger for each reason")
    assert await hassette.executor.force_flush()


async def test_each_reason_is_answered(planting_home: PlantingHome, tmp_path: Path) -> None:
    home, memory, person = planting_home.endpoint, MemorySink(), Person(planting_home.endpoint)
    source, before_us = tmp_path / "planted.py", time.time_ns() // 1_000
    source.write_text(APPS, encoding="utf-8")

    def times(kind: str) -> list[int]:
        return [one.at_us for batch in memory.batches for one in batch.lifecycle if one.kind == kind]

    async with person:
        for entity_id in (HALL, LATER, BLOCK):
            await person.api.rest("POST", f"/api/states/{entity_id}", {"state": "off"})
        running = framework(home, tmp_path, "Hall", "Attic", "Porch", rehearsing="Rehearsing", memory=memory)
        async with running as hassette, patient_data(tmp_path / "hassette.db") as data:
            await hassette.control.act(ControlAction(verb="pause_job", target="hall.paused_by_hand", by="Anna"))
            await plant(person, hassette, memory)
            await check(data, ANSWERS)
            await check(data, BEFORE, before_us - MINUTE_US)
            await hassette.control.act(ControlAction(verb="disable_app", target="attic", by="Anna"))
            await person.link.stop()  # the same process may not send messages while an app rehearses
            await planting_home.restart()
            await eventually(lambda: times("connection_restored"), within_s=60)
            assert await hassette.executor.force_flush()
            await check(data, DISABLED)
            await check(data, WITHOUT_LINK, times("connection_lost")[0] + 1_000)
    edited = APPS
    for old, new in REMOVED.items():
        assert old in edited
        edited = edited.replace(old, new)
    source.write_text(edited, encoding="utf-8")
    async with framework(home, tmp_path, "Hall", "Attic", memory=memory) as hassette:
        assert await hassette.executor.force_flush()
        async with patient_data(tmp_path / "hassette.db") as data:
            await check(data, AFTER_EDIT)
            await check(data, AFTER_EDIT, time.time_ns() // 1_000)
    async with patient_data(tmp_path / "hassette.db") as data:
        await check(data, DOWN, time.time_ns() // 1_000 + 60 * MINUTE_US)
