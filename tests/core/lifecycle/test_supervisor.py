"""The supervisor's promises (design section 3), with parts that do as they are told and a clock that never waits."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from graphlib import CycleError
from random import Random

import pytest

from hassette_core.errors import AuthenticationError, FatalError, ServiceExhaustedError, StartFailedError
from hassette_core.lifecycle import Member, RestartPolicy, ServiceStatus, StatusChange, Supervisor

DEADLINE_S = 5.0


class Part:
    """A service that notes what happens to it and does what the test says."""

    def __init__(self, name: str, diary: list[str]) -> None:
        self.name = name
        self.diary = diary
        self.starts: list[Exception] = []
        """What the next starts raise, first to last; then they work."""
        self.on_serve: Callable[[], Awaitable[None]] | None = None
        self.on_stop: Callable[[], Awaitable[None]] | None = None
        self.served = asyncio.Event()
        self._stopped = asyncio.Event()

    async def start(self) -> None:
        self.diary.append(f"start {self.name}")
        self._stopped.clear()
        if self.starts:
            raise self.starts.pop(0)

    async def serve(self) -> None:
        self.served.set()
        if self.on_serve is not None:
            await self.on_serve()
        await self._stopped.wait()
        self.diary.append(f"served {self.name}")

    async def stop(self) -> None:
        if self.on_stop is not None:
            await self.on_stop()
        self.diary.append(f"stop {self.name}")
        self._stopped.set()


class HandClock:
    """Time passes only in pauses, and at once."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.pauses: list[float] = []

    def monotonic(self) -> float:
        return self.now_s

    async def sleep(self, pause_s: float) -> None:
        self.pauses.append(pause_s)
        self.now_s += pause_s
        await asyncio.sleep(0)


class Watch:
    """A supervisor, and all that it published."""

    def __init__(self, *members: Member, stop_budget_s: float = 2.0, policy: RestartPolicy | None = None) -> None:
        self.changes: list[StatusChange] = []
        self.clock = HandClock()
        self._condition = asyncio.Event()
        self.supervisor = Supervisor(
            members,
            policy=policy,
            stop_budget_s=stop_budget_s,
            on_change=self._note,
            monotonic=self.clock.monotonic,
            sleep=self.clock.sleep,
            random=Random(7),
        )

    def _note(self, change: StatusChange) -> None:
        self.changes.append(change)
        self._condition.set()

    def kinds(self, name: str) -> list[str]:
        return [change.kind for change in self.changes if change.name == name]

    async def until(self, name: str, kind: str, times: int = 1) -> StatusChange:
        async with asyncio.timeout(DEADLINE_S):
            while self.kinds(name).count(kind) < times:
                self._condition.clear()
                await self._condition.wait()
        return next(change for change in reversed(self.changes) if (change.name, change.kind) == (name, kind))

    async def __aenter__(self) -> "Watch":
        self.task = asyncio.create_task(self.supervisor.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self.supervisor.request_stop()
        async with asyncio.timeout(DEADLINE_S):
            await asyncio.wait({self.task})


async def run_to_end(watch: Watch) -> None:
    async with asyncio.timeout(DEADLINE_S):
        await watch.supervisor.run()


async def test_parts_start_in_dependency_order_and_stop_in_reverse() -> None:
    diary: list[str] = []
    parts = {name: Part(name, diary) for name in ("apps", "bus", "executor", "store")}
    members = [
        Member(parts["apps"], after=("bus",)),
        Member(parts["bus"], after=("executor",)),
        Member(parts["store"]),
        Member(parts["executor"], after=("store",)),
    ]
    async with Watch(*members) as watch:
        await asyncio.wait_for(watch.supervisor.started.wait(), DEADLINE_S)
        assert diary == ["start store", "start executor", "start bus", "start apps"]
        assert [status.status for status in watch.supervisor.statuses] == [ServiceStatus.RUNNING] * 4
    assert [line for line in diary if line.startswith("stop ")] == [
        "stop apps",
        "stop bus",
        "stop executor",
        "stop store",
    ]


async def test_a_part_is_serving_before_the_next_one_starts() -> None:
    diary: list[str] = []
    link, apps = Part("link", diary), Part("apps", diary)

    async def start() -> None:
        async with asyncio.timeout(DEADLINE_S):
            await link.served.wait()

    apps.start = start
    async with Watch(Member(link), Member(apps, after=("link",))) as watch:
        await asyncio.wait_for(watch.supervisor.started.wait(), DEADLINE_S)


async def test_stop_is_called_while_serve_still_works() -> None:
    diary: list[str] = []
    async with Watch(Member(Part("executor", diary))) as watch:
        await asyncio.wait_for(watch.supervisor.started.wait(), DEADLINE_S)
        await watch.until("executor", "service_started")
    assert diary == ["start executor", "stop executor", "served executor"]


async def test_a_crashed_service_is_stopped_and_started_again() -> None:
    diary: list[str] = []
    part = Part("bus", diary)
    crashes = iter([ValueError("lost my way")])

    async def crash_once() -> None:
        for error in crashes:
            raise error

    part.on_serve = crash_once
    async with Watch(Member(part, required=True)) as watch:
        await watch.until("bus", "service_restarted")
        assert diary == ["start bus", "stop bus", "start bus"]
        assert (await watch.until("bus", "service_crashed")).detail == "lost my way"


async def test_pauses_grow_and_carry_jitter() -> None:
    part = Part("store", [])
    part.starts = [OSError("disk full")] * 8
    async with Watch(Member(part)) as watch:
        await watch.until("store", "service_restarted")
    bounds = [0.5, 1, 2, 4, 8, 16, 30, 30]
    assert len(watch.clock.pauses) == len(bounds)
    assert all(bound / 2 <= pause <= bound for pause, bound in zip(watch.clock.pauses, bounds, strict=True))
    assert len({pause / bound for pause, bound in zip(watch.clock.pauses, bounds, strict=True)}) == len(bounds)


async def test_a_required_service_that_keeps_crashing_exhausts_its_budget_and_ends_the_process() -> None:
    part = Part("bus", [])

    async def crash() -> None:
        raise ValueError("again")

    part.on_serve = crash
    watch = Watch(Member(part, required=True), policy=RestartPolicy(budget=3, window_s=60))
    with pytest.raises(
        ServiceExhaustedError, match=r"the bus crashed more than 3 times within 60 s, at last with: again"
    ):
        await run_to_end(watch)
    assert watch.kinds("bus").count("service_crashed") == 3
    assert watch.kinds("bus")[-3:] == ["service_exhausted", "service_stopping", "service_stopped"]


async def test_an_exhausted_optional_service_rests_and_everything_else_goes_on() -> None:
    diary: list[str] = []
    sync, bus = Part("sync", diary), Part("bus", diary)
    crashes = itertools.chain([ValueError("again")] * 3)

    async def crash() -> None:
        for error in crashes:
            raise error

    sync.on_serve = crash
    async with Watch(Member(sync), Member(bus, required=True), policy=RestartPolicy(budget=2, rest_s=300)) as watch:
        await watch.until("sync", "service_restarted", times=3)
        assert watch.clock.pauses[-1] == 300
        assert watch.supervisor.statuses[1].status is ServiceStatus.RUNNING
        assert not watch.supervisor.stopping


async def test_crashes_that_lie_apart_are_forgiven() -> None:
    part = Part("bus", [])
    watch = Watch(Member(part, required=True), policy=RestartPolicy(budget=1, window_s=10))
    crashes = iter(range(4))

    async def crash_every_hour() -> None:
        for _ in crashes:
            watch.clock.now_s += 3600
            raise ValueError("hourly")

    part.on_serve = crash_every_hour
    async with watch:
        await watch.until("bus", "service_restarted", times=4)
    assert "service_exhausted" not in watch.kinds("bus")


async def test_an_optional_part_that_cannot_start_degrades_and_is_tried_until_it_can() -> None:
    store, bus = Part("store", []), Part("bus", [])
    store.starts = [OSError("the disk is full")] * 20
    async with Watch(Member(store), Member(bus, after=("store",), required=True)) as watch:
        await asyncio.wait_for(watch.supervisor.started.wait(), DEADLINE_S)
        assert watch.supervisor.statuses[1].status is ServiceStatus.RUNNING
        await watch.until("store", "service_restarted")
        degraded = [change for change in watch.changes if change.kind == "service_degraded"]
        assert degraded == [StatusChange("store", ServiceStatus.DEGRADED, "service_degraded", "the disk is full")], (
            "the same trouble twenty times over is one piece of news"
        )


async def test_a_required_part_that_cannot_start_ends_everything_that_has_started() -> None:
    diary: list[str] = []
    executor, bus, apps = Part("executor", diary), Part("bus", diary), Part("apps", diary)
    bus.starts = [OSError("no room")]
    watch = Watch(
        Member(executor), Member(bus, after=("executor",), required=True), Member(apps, after=("bus",), required=True)
    )
    with pytest.raises(StartFailedError, match="the bus could not start: no room"):
        await run_to_end(watch)
    assert "start apps" not in diary
    assert diary[-2:] == ["stop executor", "served executor"]


async def test_a_fatal_cause_ends_the_process_with_its_own_words_after_an_orderly_stop() -> None:
    diary: list[str] = []
    store, link = Part("store", diary), Part("link", diary)

    async def refused() -> None:
        raise AuthenticationError("http://127.0.0.1:8123")

    link.on_serve = refused
    with pytest.raises(AuthenticationError, match="refused the access token"):
        await run_to_end(Watch(Member(store), Member(link, after=("store",))))
    assert [line for line in diary if line.startswith("stop ")] == ["stop link", "stop store"]


async def test_the_first_fatal_cause_is_the_one_that_is_told() -> None:
    first, second = Part("first", []), Part("second", [])

    async def fail(text: str) -> None:
        raise FatalError(text)

    first.on_serve = lambda: fail("first")
    second.on_stop = lambda: fail("second")
    with pytest.raises(FatalError, match="first"):
        await run_to_end(Watch(Member(first), Member(second)))


async def test_a_service_that_ends_by_itself_has_crashed() -> None:
    part = Part("link", [])
    ends = iter([None])

    async def serve() -> None:
        for _ in ends:
            return
        await asyncio.Event().wait()

    part.serve = serve
    async with Watch(Member(part)) as watch:
        assert (await watch.until("link", "service_crashed")).detail == "it ended by itself"
        await watch.until("link", "service_restarted")


async def test_a_stray_cancellation_is_a_crash_and_not_the_end() -> None:
    part = Part("link", [])
    strays = iter([None])

    async def stray() -> None:
        for _ in strays:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            future.cancel()
            await future

    part.on_serve = stray
    async with Watch(Member(part)) as watch:
        await watch.until("link", "service_restarted")


async def test_one_part_that_hangs_cannot_use_up_the_time_of_those_after_it() -> None:
    diary: list[str] = []
    apps, store = Part("apps", diary), Part("store", diary)

    async def hang() -> None:
        await asyncio.Event().wait()

    async def flush() -> None:
        async with asyncio.timeout(DEADLINE_S):
            await asyncio.get_running_loop().run_in_executor(None, lambda: None)

    apps.on_stop, store.on_stop = hang, flush
    async with Watch(
        Member(store, reserve_s=0.3), Member(apps, after=("store",), reserve_s=0.01), stop_budget_s=0.4
    ) as watch:
        await asyncio.wait_for(watch.supervisor.started.wait(), DEADLINE_S)
    assert watch.task.done()
    assert diary[-2:] == ["stop store", "served store"]
    stopped = await watch.until("apps", "service_stopped")
    assert stopped.detail == "it did not stop within 0.1 s and was cut off"


async def test_a_part_that_fails_while_stopping_does_not_keep_the_next_from_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    diary: list[str] = []
    apps, store = Part("apps", diary), Part("store", diary)

    async def fail() -> None:
        raise RuntimeError("no")

    apps.on_stop = fail
    async with Watch(Member(store), Member(apps, after=("store",))) as watch:
        await asyncio.wait_for(watch.supervisor.started.wait(), DEADLINE_S)
    assert watch.task.exception() is None
    assert "stop store" in diary
    assert [record.message for record in caplog.records] == ["a part failed while stopping"]


async def test_a_stop_during_the_start_of_a_part_ends_the_start_first() -> None:
    diary: list[str] = []
    part = Part("link", diary)
    began = asyncio.Event()

    async def start() -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            diary.append("start ended")

    part.start = start
    async with Watch(Member(part)) as watch:
        await asyncio.wait_for(began.wait(), DEADLINE_S)
    assert diary == ["start ended", "stop link"]
    assert not watch.supervisor.started.is_set()


async def test_cancelling_run_still_stops_in_order() -> None:
    diary: list[str] = []
    async with Watch(Member(Part("store", diary)), Member(Part("bus", diary), after=("store",))) as watch:
        await asyncio.wait_for(watch.supervisor.started.wait(), DEADLINE_S)
        watch.task.cancel()
    assert watch.task.cancelled()
    assert [line for line in diary if line.startswith("stop ")] == ["stop bus", "stop store"]


async def test_no_task_outlives_run() -> None:
    before = asyncio.all_tasks()
    async with Watch(Member(Part("store", [])), Member(Part("bus", []))) as watch:
        await asyncio.wait_for(watch.supervisor.started.wait(), DEADLINE_S)
        assert len(asyncio.all_tasks()) > len(before)
    assert asyncio.all_tasks() == before


async def test_a_resource_without_serve_is_started_once_and_stopped() -> None:
    diary: list[str] = []

    class File:
        name = "file"

        async def start(self) -> None:
            diary.append("start")

        async def stop(self) -> None:
            diary.append("stop")

    async with Watch(Member(File())) as watch:
        await asyncio.wait_for(watch.supervisor.started.wait(), DEADLINE_S)
        assert watch.supervisor.statuses[0].status is ServiceStatus.RUNNING
    assert diary == ["start", "stop"]


async def test_a_start_that_fails_is_followed_by_a_stop() -> None:
    diary: list[str] = []
    part = Part("store", diary)
    part.starts = [OSError("no")]
    async with Watch(Member(part)) as watch:
        await watch.until("store", "service_restarted")
    assert diary[:3] == ["start store", "stop store", "start store"]


def test_two_parts_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="two parts are called 'bus'"):
        Supervisor([Member(Part("bus", [])), Member(Part("bus", []))])


def test_a_dependency_that_nobody_is_called_is_refused() -> None:
    with pytest.raises(ValueError, match="bus comes after stroe, which nobody is called"):
        Supervisor([Member(Part("bus", []), after=("stroe",))])


def test_parts_that_wait_for_each_other_are_refused() -> None:
    with pytest.raises(CycleError):
        Supervisor([Member(Part("a", []), after=("b",)), Member(Part("b", []), after=("a",))])


@pytest.mark.parametrize("attempt", [1, 2, 7, 1000, 10**9])
def test_a_pause_never_exceeds_its_bound_however_long_the_trouble_lasts(attempt: int) -> None:
    policy = RestartPolicy(first_pause_s=1, longest_pause_s=30)
    assert 0.5 <= policy.pause_s(attempt, Random(attempt)) <= 30
