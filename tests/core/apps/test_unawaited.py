"""A call of the API that an app makes and never awaits fails its run."""

import asyncio
import gc
import warnings
from pathlib import Path

import pytest

from hassette_core import Status
from support.waiting import eventually
from support.whole_home import whole_home

APP = """
    from functools import partial

    class App1(App[AppConfig]):
        async def on_initialize(self):
            self.kept = []
            self.loop = asyncio.get_running_loop()
            for handler in (
                self.plain, self.forgets, self.calls_plain, self.keeps_in_local, self.to_loop, self.to_loop_and_waits,
                self.returns, self.keeps, self.makes_task, self.closes, self.raises, self.cancels_task, self.sleeps,
            ):
                self.bus.on_event(handler, handler.__name__)
            self.bus.on_event(lambda: self.api.call_service("light", "turn_on", target="light.hall"), "lambda")
            self.bus.on_event(partial(self.api.call_service, "light", "turn_on", target="light.hall"), "partial")

        def plain(self):
            self.api.call_service("light", "turn_on", target="light.hall", brightness=1)

        async def forgets(self):
            self.api.call_service("light", "turn_on", target="light.hall")
            await asyncio.sleep(0)

        async def calls_plain(self):
            self.plain()

        def keeps_in_local(self):
            call = self.api.get_state("light.hall")
            del call
            self.api.get_states()

        def sleeps(self):
            self.time.sleep(1)

        def to_loop(self):
            asyncio.run_coroutine_threadsafe(self.api.call_service("light", "turn_on", target="light.hall"), self.loop)

        def to_loop_and_waits(self):
            call = self.api.call_service("light", "turn_on", target="light.hall")
            asyncio.run_coroutine_threadsafe(call, self.loop).result()

        def returns(self):
            return self.api.call_service("light", "turn_on", target="light.hall")

        async def keeps(self):
            self.kept.append(self.api.call_service("light", "turn_on", target="light.hall"))
            if len(self.kept) == 2:
                for each in self.kept:
                    await each
                self.kept.clear()

        async def makes_task(self):
            self.tasks = [
                asyncio.create_task(self.api.call_service("light", "turn_on", target="light.hall")),
                asyncio.ensure_future(self.api.call_service("light", "turn_on", target="light.hall")),
            ]
            await asyncio.wait_for(self.api.get_states(), 10)
            async with asyncio.TaskGroup() as group:
                group.create_task(self.api.get_states())

        async def cancels_task(self):
            asyncio.create_task(self.api.call_service("light", "turn_on", target="light.hall")).cancel()

        async def closes(self):
            self.api.call_service("light", "turn_on", target="light.hall").close()

        def raises(self):
            self.api.call_service("light", "turn_on", target="light.hall")
            raise ValueError("no")
"""
WRONG = {
    "plain": "self.api.call_service('light', 'turn_on')",
    "forgets": "self.api.call_service('light', 'turn_on')",
    "calls_plain": "self.api.call_service('light', 'turn_on')",
    "keeps_in_local": "self.api.get_state('light.hall')",
    "sleeps": "self.time.sleep()",
}
RIGHT = ["to_loop", "to_loop_and_waits", "returns", "makes_task", "cancels_task", "closes", "lambda", "partial"]


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield
        gc.collect()


async def test_run_whose_call_is_never_awaited_has_failed_and_names_the_call(tmp_path: Path) -> None:
    async with whole_home(tmp_path, APP) as place:
        for name in WRONG:
            place.home.core.fire(name, {})
        records = await place.records(len(WRONG))
        messages = {record.registration.name: record.failure and record.failure.message for record in records}
        assert messages == {
            name: f"{call} was never awaited, so it was not sent: write await before it. A plain `def` cannot await:"
            " make it an `async def`, or derive the app from SyncApp"
            for name, call in WRONG.items()
        }
        assert {record.status for record in records} == {Status.ERROR}
        assert {record.failure and record.failure.kind for record in records} == {"hassette"}
        assert place.home.core.states["light.hall"]["state"] == "off"


@pytest.mark.parametrize("name", RIGHT)
async def test_call_that_other_code_awaits_or_closes_is_no_failure(
    tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with whole_home(tmp_path, APP) as place:
        place.home.core.fire(name, {})
        (record,) = await place.records(1)
        gc.collect()
        assert (record.status, record.failure) == (Status.SUCCESS, None)
        if name not in ("cancels_task", "closes"):
            await eventually(lambda: place.home.core.states["light.hall"]["state"] == "on")
    assert not [line for line in caplog.records if "never awaited" in line.message]


async def test_call_that_a_later_run_awaits_is_no_failure(tmp_path: Path) -> None:
    async with whole_home(tmp_path, APP) as place:
        for number in (1, 2):
            place.home.core.fire("keeps", {})
            records = await place.records(number)
        assert [record.status for record in records] == [Status.SUCCESS, Status.SUCCESS]


async def test_call_that_is_dropped_after_its_run_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with whole_home(tmp_path, APP) as place:
        place.home.core.fire("keeps", {})
        (record,) = await place.records(1)
        assert record.status is Status.SUCCESS
        place.app().kept.clear()
        (line,) = [line for line in caplog.records if line.levelname == "ERROR"]
        assert line.message == "Call of an app was never awaited, so it had no effect"
        assert vars(line)["app"] == "app1.app1"


async def test_run_that_raises_keeps_its_own_failure(tmp_path: Path) -> None:
    async with whole_home(tmp_path, APP) as place:
        place.home.core.fire("raises", {})
        (record,) = await place.records(1)
        assert record.failure is not None
        assert record.failure.message == "no"


def test_function_that_returns_a_call_of_the_api_counts_as_async() -> None:
    from hassette_core.api import Api
    from hassette_core.handlers import is_async

    assert is_async(Api.call_service)
    assert not is_async(Api.__init__)
    assert asyncio.iscoroutine(Api.call_service) is False
