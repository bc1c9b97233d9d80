"""The pytest plugin: failed tests show the timeline, and every kind of test can use the home."""

import pytest

from hassette_core.cli.main import execute

pytest_plugins = ["pytester"]

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
    run(pytester, KINDS, f"--asyncio-mode={mode}").assert_outcomes(passed=6)


@pytest.mark.long
def test_homes_of_several_workers_are_independent(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(APP + KINDS)
    pytester.runpytest_subprocess(*OPTIONS, "-n", "2").assert_outcomes(passed=6)


def test_app_that_init_creates_passes_its_test(pytester: pytest.Pytester) -> None:
    assert execute(["init"]) == 0
    pytester.runpytest_inprocess(*OPTIONS).assert_outcomes(passed=2)
