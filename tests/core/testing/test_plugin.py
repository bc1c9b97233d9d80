"""The pytest plugin: failed tests show the timeline, and every kind of test can use the home."""

import pytest

from hassette_core.cli.main import execute
from hassette_core.testing import HomeUnderTest

pytest_plugins = ["pytester"]
# Before the first run: `pytester` forgets modules that a run imports, so the next run would import other classes.
assert HomeUnderTest.__module__ == "hassette_core.testing.home"

APP = """
import asyncio
import pytest
from hassette_core import App, AppConfig

class Door(App[AppConfig]):
    async def on_initialize(self):
        self.bus.on_state_change(self.opened, "binary_sensor.door", changed_to="on")

    async def opened(self):
        if self.states["binary_sensor.door"].attributes.get("broken"):
            raise ValueError("the door is broken")
        await asyncio.sleep(60)
        await self.api.call_service("light", "turn_on", target="light.porch")
"""
OPTIONS = ["-p", "no:cacheprovider", "-o", "asyncio_default_fixture_loop_scope=function"]


def run(pytester: pytest.Pytester, tests: str, *options: str) -> pytest.RunResult:
    pytester.makepyfile(APP + tests)
    return pytester.runpytest_inprocess(*OPTIONS, *options)


def test_failed_test_shows_the_timeline_and_a_hidden_failure_fails_its_test(pytester: pytest.Pytester) -> None:
    tests = """
def test_wrong_expectation(home):
    home.set("light.porch", "off")
    home.add_app(Door)
    home.set("binary_sensor.door", "on")
    home.advance(minutes=1)
    assert home.state("light.porch") == "off"

def test_hidden_failure(home):
    home.add_app(Door)
    home.set("binary_sensor.door", "on", broken=True)

def test_expected_failure(home):
    home.expect_failures()
    home.add_app(Door)
    home.set("binary_sensor.door", "on", broken=True)

def test_failure_that_the_test_looks_at(home):
    home.add_app(Door)
    home.set("binary_sensor.door", "on", broken=True)
    assert [run.error for run in home.runs()] == ["ValueError: the door is broken"]

def test_without_a_home():
    assert True
"""
    result = run(pytester, tests)
    result.assert_outcomes(passed=3, failed=2)
    result.stdout.fnmatch_lines(
        [
            "*Timeline of the home*",
            "Monday 2026-06-01 (Europe/Amsterdam)",
            "12:00:00.000  change     binary_sensor.door: on",
            "12:00:00.000  run          door.opened: success, 60 s",
            "12:01:00.000  call       light.turn_on light.porch",
            "12:01:00.000  change       light.porch: off → on*",
        ]
    )
    result.stdout.fnmatch_lines(
        ["*UnexpectedFailureError: 1 of the runs failed during the test:", "*the door is broken"]
    )


KINDS = """
async def walk(home):
    await home.set("light.porch", "off")
    await home.add_app(Door)
    await home.set("binary_sensor.door", "on")
    await home.advance(seconds=59)
    home.assert_not_called()
    await home.advance(seconds=1)
    home.assert_called("light.turn_on", "light.porch", times=1)

@pytest.mark.asyncio
async def test_asyncio(home):
    await walk(home)

@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_anyio(home, anyio_backend):
    await walk(home)

async def test_without_a_mark(home):
    await walk(home)

class TestClass:
    @pytest.mark.parametrize("minutes", [1, 2])
    async def test_method(self, minutes, home):
        await walk(home)
        await home.advance(minutes=minutes)

def test_asyncio_run(home):
    asyncio.run(walk(home))

@pytest.fixture
def flat(home):
    home.add_app(Door)
    return home

@pytest.mark.parametrize("number", range(3))
def test_sync_with_a_fixture(flat, number):
    flat.set("binary_sensor.door", "on")
    flat.advance(minutes=1)
    assert len(flat.calls()) == 1
"""


@pytest.mark.parametrize("mode", ["strict", "auto"])
def test_home_serves_sync_and_async_tests(pytester: pytest.Pytester, mode: str) -> None:
    run(pytester, KINDS, f"--asyncio-mode={mode}").assert_outcomes(passed=9)


def test_home_serves_async_tests_without_another_plugin(pytester: pytest.Pytester) -> None:
    options = ("-p", "no:asyncio", "-p", "no:anyio", "-k", "mark or method")
    tests = f"{KINDS}\nasync def test_wrong_without_a_mark(home):\n    await home.remove('light.never')\n"
    pytester.makepyfile(APP + tests)
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider", *options)
    result.stdout.fnmatch_lines(["*HomeTestError: entity_id must be known, got 'light.never'*"])
    result.assert_outcomes(passed=3, failed=1, deselected=6)


@pytest.mark.long
def test_homes_of_several_workers_are_independent(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(APP + KINDS)
    pytester.runpytest_subprocess(*OPTIONS, "-n", "2").assert_outcomes(passed=9)


def test_app_that_init_creates_passes_its_test(pytester: pytest.Pytester) -> None:
    assert execute(["init"]) == 0
    pytester.runpytest_inprocess(*OPTIONS).assert_outcomes(passed=2)


FAILURES = """
from hassette_core import Condition, SyncApp

class Broken(Condition):
    def holds(self, view):
        raise ValueError("no lux")
    def describe(self):
        return "it is dark"

class Hook(App[AppConfig]):
    async def on_initialize(self):
        self.bus.on_event(self.fail, "go")
        self.bus.on_event(self.ok, "guarded", where=Broken())
        self.bus.on_event(self.ok, "guarded", where=lambda: self.missing, name="other")
        self.bus.on_event(self.leave, "leave")
        self.scheduler.run_in(self.ok, 5, where=Broken(), name="job")
    async def fail(self):
        raise ValueError("run")
    async def ok(self): ...
    async def leave(self):
        async def background():
            raise ValueError("in the background")
        asyncio.create_task(background())
    async def on_error(self, context):
        raise ValueError("hook")

class Late(App[AppConfig]):
    async def on_shutdown(self):
        raise ValueError("too late")

class SyncLate(SyncApp[AppConfig]):
    def on_shutdown(self):
        raise ValueError("too late")

class Second(App[AppConfig]):
    starts = 0
    async def on_initialize(self):
        type(self).starts += 1
        if type(self).starts > 1:
            raise ValueError("second start")

class Bad(App[AppConfig]):
    async def on_initialize(self):
        raise ValueError("bad start")

def test_error_hook(home):
    home.add_app(Hook)
    home.fire("go")
    assert home.runs()[0].failed

def test_condition(home):
    home.add_app(Hook)
    home.fire("guarded")
    home.fire("guarded")

def test_condition_of_a_job(home):
    home.add_app(Hook)
    home.advance(seconds=5)

def test_background(home):
    home.add_app(Hook)
    home.fire("leave")

def test_shutdown(home):
    home.add_app(Late)

def test_sync_shutdown(home):
    home.add_app(SyncLate)

def test_service(home):
    home.add_app(Hook)
    home.run(lambda: [task.cancel() for task in asyncio.all_tasks() if task.get_name() == "home registries"] and None)
    home.advance(minutes=1)

async def unread(home):
    home.expect_failures()
    home.remove("light.never")

def test_unread_error(home):
    asyncio.run(unread(home))

def test_looked_at(home):
    home.add_app(Hook)
    home.fire("guarded")
    assert len(home.not_runs()) == 2

def test_expected(home):
    home.expect_failures()
    home.add_app(Hook)
    home.add_app(Late)
    home.fire("go")
    home.fire("guarded")
    home.fire("leave")

def test_start_that_the_test_expects(home):
    with pytest.raises(Exception, match="bad start"):
        home.add_app(Bad)
    home.advance(minutes=10)

def test_second_start_that_the_test_expects(home):
    home.add_app(Second)
    with pytest.raises(Exception, match="second start"):
        home.restart()
"""


def test_failure_outside_of_runs_fails_its_test(pytester: pytest.Pytester) -> None:
    result = run(pytester, FAILURES)
    result.stdout.fnmatch_lines_random(
        [
            "*UnexpectedFailureError: 1 failure outside of runs during the test:",
            "*12:00:00 Error hook failed (hook.hook.fail.go): ValueError: hook",
            "*hook.ok: its condition failed 2 ×, *ValueError: no lux*",
            "*hook.other: its condition failed 2 ×, AttributeError: *missing*",
            "*hook.job: its condition failed 1 ×, *ValueError: no lux*",
            "*Task or callback of an app failed (hook.hook.leave.leave): ValueError: in the background*",
            "*App failed to shut down: on_shutdown failed: ValueError: too late*",
            "*12:00:00 service_crashed, home registries: it ended without a request to stop*",
            "*entity_id must be known, got 'light.never'*",
        ]
    )
    result.assert_outcomes(passed=6, failed=6, errors=2)
