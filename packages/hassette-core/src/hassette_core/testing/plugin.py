"""The pytest plugin: the fixture ``home``, ``async def`` tests, hidden failures, and timelines of failed tests."""

import asyncio
import inspect
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

try:
    import pytest
except ModuleNotFoundError as error:
    if error.name != "pytest":
        raise
    raise ModuleNotFoundError(
        "the fixture home of hassette_core.testing needs pytest: pip install pytest", name="pytest"
    ) from None

if TYPE_CHECKING:
    from hassette_core.testing.home import HomeUnderTest

PASSED = pytest.StashKey[bool]()
"""Whether the function of a test has passed."""
HOMES = pytest.StashKey["list[HomeUnderTest]"]()


def homes_of(item: pytest.Item) -> "list[HomeUnderTest]":
    """Return the homes of a test. There is none if the test does not use the fixture."""
    return item.stash.get(HOMES, list["HomeUnderTest"]())


@pytest.fixture
def home(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> "Iterator[HomeUnderTest]":
    """Provide a home for one test; see `hassette_core.testing.HomeUnderTest`."""
    # Imported here, so that a test run without a home starts sooner.
    from hassette_core.testing.errors import NotSettledError
    from hassette_core.testing.home import HomeUnderTest

    home = HomeUnderTest(tmp_path_factory.mktemp("home"))
    request.node.stash.setdefault(HOMES, []).append(home)
    yield home
    try:
        home.close()
    except NotSettledError:
        if request.node.stash.get(PASSED, False):
            raise
    if request.node.stash.get(PASSED, False):
        home.check_failures()  # the stop calls on_shutdown


@pytest.hookimpl
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run an ``async def`` test that uses the home, unless another plugin runs it."""
    test: Any = pyfuncitem.obj
    if not (homes_of(pyfuncitem) and inspect.iscoroutinefunction(test)):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in inspect.signature(test).parameters}
    asyncio.run(test(**arguments))
    return True


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Let a test fail if a run or a hook failed and the test did not look at it."""
    result = yield
    for home in homes_of(item):
        home.check_failures()
    item.stash[PASSED] = True
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the timeline to the report of a failed test."""
    report = yield
    if report.failed:
        for home in homes_of(item):
            try:
                text = str(home.timeline())
            except Exception as error:  # noqa: BLE001  the report of the failed test is more important
                text = f"The timeline is not available: {error}"
            report.sections.append(("Timeline of the home", text))
    return report
