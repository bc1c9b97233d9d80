"""The controls of core and of sync keep the promises of `Control`."""

import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from hassette_core import Hassette
from hassette_sync import Control, ControlAction, MemoryControl, NoControl
from hassette_sync.control import Verb
from support.waiting import eventually
from support.whole_home import whole_home

HOUR_US = 3_600_000_000
APPS = """
    class App1(App[AppConfig]):
        async def on_initialize(self):
            self.scheduler.run_daily(self.off, "03:00")
            self.scheduler.run_daily(self.on, "04:00")

        async def off(self):
            pass

        async def on(self):
            pass

    class App2(App[AppConfig]):
        async def on_initialize(self):
            self.scheduler.run_daily(self.off, "03:00")

        async def off(self):
            pass
"""
JOBS = {"app1": ["off", "on"], "app2": ["off"]}


class ControlCase(NamedTuple):
    """A control of the apps ``app1`` and ``app2``, and the observable effects of its actions.

    Attributes:
        control: The control.
        runs: Returns the app and the name of each run.
        authors: Returns the verb and the author of each recorded action.
        silences: Returns the silenced error groups.
    """

    control: Control
    runs: Callable[[], Sequence[tuple[str, str]]]
    authors: Callable[[], Sequence[tuple[str, str]]]
    silences: Callable[[], Sequence[str]]


@asynccontextmanager
async def case_of_core(path: Path) -> AsyncGenerator[ControlCase]:
    async with whole_home(path, APPS) as place:
        batches = place.sink.batches

        def authors() -> list[tuple[str, str]]:
            events = [event for batch in batches for event in batch.lifecycle if event.kind.startswith("control_")]
            return [
                (each.kind.removeprefix("control_"), each.detail.rpartition(" by ")[2].rstrip(".")) for each in events
            ]

        hassette: Hassette = place.hassette
        yield ControlCase(
            hassette.control,
            lambda: [(each.registration.app, each.registration.name) for each in place.sink.records],
            authors,
            lambda: [silence.fingerprint for batch in batches for silence in batch.silences if silence.until_us],
        )


@asynccontextmanager
async def case_of_sync(_: Path) -> AsyncGenerator[ControlCase]:
    control = MemoryControl(JOBS)
    yield ControlCase(
        control,
        lambda: [(app, name) for app, _, name in control.runs],
        lambda: [(action.verb, action.by) for action in control.actions],
        lambda: list(control.silences),
    )


@pytest.fixture(params=[case_of_core, case_of_sync], ids=["core", "sync"])
async def case(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[ControlCase]:
    make: Callable[[Path], AbstractAsyncContextManager[ControlCase]] = request.param
    async with make(tmp_path) as made:
        yield made


async def outcome_of(control: Control, verb: Verb, target: str, *, until_us: int | None = None) -> str:
    answer = await control.act(ControlAction(verb=verb, target=target, by="a test", until_us=until_us))
    assert answer.detail.endswith(".")
    return answer.outcome


def states(control: Control) -> dict[str, tuple[str, bool, bool]]:
    return {each.app: (each.status, each.enabled, each.rehearses) for each in control.apps()}


async def test_job_runs_now_and_keeps_its_schedule(case: ControlCase) -> None:
    assert await outcome_of(case.control, "run_job", "app1.off") == "done"
    assert await outcome_of(case.control, "run_job", "app1.app1.on") == "done"
    await eventually(lambda: case.runs() == [("app1", "off"), ("app1", "on")])


async def test_paused_job_stays_paused_until_it_is_resumed(case: ControlCase) -> None:
    assert await outcome_of(case.control, "pause_job", "app1.off") == "done"
    assert list(case.control.paused_jobs()) == [("app1", "app1", "off")]
    assert await outcome_of(case.control, "pause_job", "app1.off") == "done"
    assert await outcome_of(case.control, "resume_job", "app1.off") == "done"
    assert list(case.control.paused_jobs()) == []
    assert await outcome_of(case.control, "resume_job", "app1.off") == "done"


async def test_disabled_app_stops_and_runs_again_when_it_is_enabled(case: ControlCase) -> None:
    assert await outcome_of(case.control, "disable_app", "app1") == "done"
    assert states(case.control) == {"app1": ("stopped", False, False), "app2": ("running", True, False)}
    assert await outcome_of(case.control, "run_job", "app1.off") == "conflict"
    assert await outcome_of(case.control, "reload_app", "app1") == "conflict"
    assert await outcome_of(case.control, "enable_app", "app1") == "done"
    assert states(case.control) == {"app1": ("running", True, False), "app2": ("running", True, False)}
    assert await outcome_of(case.control, "run_job", "app1.off") == "done"


async def test_app_rehearses_until_the_rehearsal_is_ended(case: ControlCase) -> None:
    assert await outcome_of(case.control, "rehearse_app", "app2") == "done"
    assert states(case.control) == {"app1": ("running", True, False), "app2": ("running", True, True)}
    assert await outcome_of(case.control, "end_rehearsal", "app2") == "done"
    assert states(case.control) == {"app1": ("running", True, False), "app2": ("running", True, False)}


@pytest.mark.parametrize("verb", ["reload_app", "enable_app", "disable_app", "rehearse_app", "end_rehearsal"])
async def test_unknown_app_is_not_found(case: ControlCase, verb: Verb) -> None:
    assert await outcome_of(case.control, verb, "app3") == "not_found"
    assert case.authors() == []


@pytest.mark.parametrize("verb", ["run_job", "pause_job", "resume_job"])
@pytest.mark.parametrize("job", ["app1.of", "off", "app1", "", "app1.", "app3.off", "app2.on", "APP1.off"])
async def test_unknown_job_is_not_found(case: ControlCase, verb: Verb, job: str) -> None:
    assert await outcome_of(case.control, verb, job) == "not_found"
    assert case.authors() == []


async def test_error_group_is_silenced_until_the_silence_ends(case: ControlCase) -> None:
    until_us = time.time_ns() // 1000 + HOUR_US
    assert await outcome_of(case.control, "silence_error", "1:abc", until_us=until_us) == "done"
    assert list(case.silences()) == ["1:abc"]
    assert await outcome_of(case.control, "end_silence", "1:abc") == "done"


async def test_each_action_is_recorded_with_its_author(case: ControlCase) -> None:
    await outcome_of(case.control, "reload_app", "app1")
    await outcome_of(case.control, "pause_job", "app2.off")
    await eventually(lambda: case.authors() == [("reload_app", "a test"), ("pause_job", "a test")])


async def test_process_without_the_framework_refuses_each_action() -> None:
    control = NoControl()
    assert await outcome_of(control, "run_job", "app1.off") == "unavailable"
    assert (control.apps(), control.paused_jobs()) == ((), ())
