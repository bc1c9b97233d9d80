"""The supervisor, with fake services and a clock that never waits."""

import asyncio
import itertools
from graphlib import CycleError
from random import Random

import pytest

from hassette_core.errors import AuthenticationError, FatalError, ServiceExhaustedError, StartFailedError
from hassette_core.lifecycle import RestartPolicy, ServiceSpec, ServiceStatus, StatusReport, Supervisor
from support.supervision import DEADLINE_S, FakeService, Watch, run_to_end
from support.waiting import patience


async def test_services_start_in_dependency_order_and_stop_in_reverse_order() -> None:
    diary: list[str] = []
    services = {name: FakeService(name, diary) for name in ("apps", "bus", "executor", "store")}
    specs = [
        ServiceSpec(services["apps"], after=("bus",)),
        ServiceSpec(services["bus"], after=("executor",)),
        ServiceSpec(services["store"]),
        ServiceSpec(services["executor"], after=("store",)),
    ]
    async with Watch(*specs) as watch:
        await asyncio.wait_for(watch.supervisor.started.wait(), DEADLINE_S)
        assert diary == ["start store", "start executor", "start bus", "start apps"]
        assert watch.statuses == [ServiceStatus.RUNNING] * 4
    assert [line for line in diary if line.startswith("stop ")] == [
        "stop apps",
        "stop bus",
        "stop executor",
        "stop store",
    ]


async def test_service_serves_before_the_next_one_starts() -> None:
    diary: list[str] = []
    link, apps = FakeService("link", diary), FakeService("apps", diary)

    async def start() -> None:
        async with asyncio.timeout(DEADLINE_S):
            await link.served.wait()

    apps.start = start
    async with Watch(ServiceSpec(link), ServiceSpec(apps, after=("link",))) as watch:
        await asyncio.wait_for(watch.supervisor.started.wait(), DEADLINE_S)


async def test_stop_is_called_while_serve_still_runs() -> None:
    diary: list[str] = []
    async with Watch(ServiceSpec(FakeService("executor", diary))) as watch:
        await asyncio.wait_for(watch.supervisor.started.wait(), DEADLINE_S)
        await watch.until("executor", "service_started")
    assert diary == ["start executor", "stop executor", "served executor"]


@pytest.mark.parametrize(("error", "detail"), [(ValueError("no route"), "no route"), (SystemExit(1), "SystemExit: 1")])
async def test_crashed_service_is_stopped_and_started_again(error: BaseException, detail: str) -> None:
    diary: list[str] = []
    service = FakeService("bus", diary)
    crashes = iter([error])

    async def crash_once() -> None:
        for crash in crashes:
            raise crash

    service.on_serve = crash_once
    async with Watch(ServiceSpec(service, required=True)) as watch:
        await watch.until("bus", "service_restarted")
        assert diary == ["start bus", "stop bus", "start bus"]
        assert (await watch.until("bus", "service_crashed")).detail == detail


async def test_service_is_stopped_before_each_further_start() -> None:
    service = FakeService("store", diary := [])
    service.starts = [OSError("disk full")] * 3
    crashes = iter([ValueError("no route")])

    async def crash_once() -> None:
        for error in crashes:
            raise error

    service.on_serve = crash_once
    async with Watch(ServiceSpec(service)) as watch:
        await watch.until("store", "service_restarted", times=2)
    assert diary.count("start store") == 5
    calls = [call for call in diary if call != "served store"]
    assert calls[: 2 * 5] == ["start store", "stop store"] * 5


async def test_pauses_grow_and_have_jitter() -> None:
    service = FakeService("store", [])
    service.starts = [OSError("disk full")] * 8
    async with Watch(ServiceSpec(service)) as watch:
        await watch.until("store", "service_restarted")
    bounds = [0.5, 1, 2, 4, 8, 16, 30, 30]
    assert len(watch.clock.pauses) == len(bounds)
    assert all(bound / 2 <= pause <= bound for pause, bound in zip(watch.clock.pauses, bounds, strict=True))
    assert len({pause / bound for pause, bound in zip(watch.clock.pauses, bounds, strict=True)}) == len(bounds)


async def test_required_service_that_keeps_crashing_exhausts_its_budget_and_ends_the_process() -> None:
    service = FakeService("bus", [])

    async def crash() -> None:
        raise ValueError("again")

    service.on_serve = crash
    watch = Watch(ServiceSpec(service, required=True), policy=RestartPolicy(budget=3, window_s=60))
    with pytest.raises(
        ServiceExhaustedError, match=r"the bus crashed more than 3 times within 60 s; last error: again"
    ):
        await run_to_end(watch)
    assert watch.kinds("bus").count("service_crashed") == 3
    assert watch.kinds("bus")[-3:] == ["service_exhausted", "service_stopping", "service_stopped"]


async def test_exhausted_optional_service_pauses_and_all_others_keep_running() -> None:
    diary: list[str] = []
    sync, bus = FakeService("sync", diary), FakeService("bus", diary)
    crashes = itertools.chain([ValueError("again")] * 3)

    async def crash() -> None:
        for error in crashes:
            raise error

    sync.on_serve = crash
    async with Watch(
        ServiceSpec(sync), ServiceSpec(bus, required=True), policy=RestartPolicy(budget=2, rest_s=300)
    ) as watch:
        await watch.until("sync", "service_restarted", times=3)
        assert watch.clock.pauses[-1] == 300
        assert watch.statuses[1] is ServiceStatus.RUNNING
        assert not watch.supervisor.stopping


async def test_crashes_outside_of_the_window_are_forgotten() -> None:
    service = FakeService("bus", [])
    watch = Watch(ServiceSpec(service, required=True), policy=RestartPolicy(budget=1, window_s=10))
    crashes = iter(range(4))

    async def crash_every_hour() -> None:
        for _ in crashes:
            watch.clock.now_s += 3600
            raise ValueError("hourly")

    service.on_serve = crash_every_hour
    async with watch:
        await watch.until("bus", "service_restarted", times=4)
    assert "service_exhausted" not in watch.kinds("bus")


async def test_optional_service_that_cannot_start_degrades_and_is_retried_until_it_starts() -> None:
    store, bus = FakeService("store", []), FakeService("bus", [])
    store.starts = [OSError("the disk is full")] * 20
    async with Watch(ServiceSpec(store), ServiceSpec(bus, after=("store",), required=True)) as watch:
        await asyncio.wait_for(watch.supervisor.started.wait(), DEADLINE_S)
        assert watch.statuses[1] is ServiceStatus.RUNNING
        await watch.until("store", "service_restarted")
        degraded = [change for change in watch.changes if change.kind == "service_degraded"]
        assert degraded == [StatusReport("store", ServiceStatus.DEGRADED, "service_degraded", "the disk is full")], (
            "the same failure is reported once"
        )


async def test_required_service_that_cannot_start_stops_all_started_services() -> None:
    diary: list[str] = []
    executor, bus, apps = FakeService("executor", diary), FakeService("bus", diary), FakeService("apps", diary)
    bus.starts = [OSError("no room")]
    watch = Watch(
        ServiceSpec(executor),
        ServiceSpec(bus, after=("executor",), required=True),
        ServiceSpec(apps, after=("bus",), required=True),
    )
    with pytest.raises(StartFailedError, match="the bus could not start: no room"):
        await run_to_end(watch)
    assert "start apps" not in diary
    assert diary[-2:] == ["stop executor", "served executor"]


async def test_fatal_error_is_raised_after_all_services_have_stopped_in_order() -> None:
    diary: list[str] = []
    store, link = FakeService("store", diary), FakeService("link", diary)

    async def refused() -> None:
        raise AuthenticationError("http://127.0.0.1:8123")

    link.on_serve = refused
    with pytest.raises(AuthenticationError, match="refused the access token"):
        await run_to_end(Watch(ServiceSpec(store), ServiceSpec(link, after=("store",))))
    assert [line for line in diary if line.startswith("stop ")] == ["stop link", "stop store"]


async def test_first_fatal_error_is_raised() -> None:
    first, second = FakeService("first", []), FakeService("second", [])

    async def fail(text: str) -> None:
        raise FatalError(text)

    first.on_serve = lambda: fail("first")
    second.on_stop = lambda: fail("second")
    with pytest.raises(FatalError, match="first"):
        await run_to_end(Watch(ServiceSpec(first), ServiceSpec(second)))


async def test_service_that_ends_without_a_request_has_crashed() -> None:
    service = FakeService("link", [])
    ends = iter([None])

    async def serve() -> None:
        for _ in ends:
            return
        await asyncio.Event().wait()

    service.serve = serve
    async with Watch(ServiceSpec(service)) as watch:
        assert (await watch.until("link", "service_crashed")).detail == "it ended without a request to stop"
        await watch.until("link", "service_restarted")


async def test_cancellation_from_inside_counts_as_a_crash() -> None:
    service = FakeService("link", [])
    strays = iter([None])

    async def stray() -> None:
        for _ in strays:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            future.cancel()
            await future

    service.on_serve = stray
    async with Watch(ServiceSpec(service)) as watch:
        await watch.until("link", "service_restarted")


async def test_hung_service_cannot_use_up_the_stop_time_of_later_services() -> None:
    diary: list[str] = []
    apps, store = FakeService("apps", diary), FakeService("store", diary)

    async def hang() -> None:
        await asyncio.Event().wait()

    async def flush() -> None:
        async with asyncio.timeout(DEADLINE_S):
            await asyncio.get_running_loop().run_in_executor(None, lambda: None)

    apps.on_stop, store.on_stop = hang, flush
    async with Watch(
        ServiceSpec(store, reserve_s=patience(0.3)),
        ServiceSpec(apps, after=("store",), reserve_s=0.01),
        stop_budget_s=patience(0.4),
    ) as watch:
        await asyncio.wait_for(watch.supervisor.started.wait(), DEADLINE_S)
    assert watch.task.done()
    assert diary[-2:] == ["stop store", "served store"]
    stopped = await watch.until("apps", "service_stopped")
    assert stopped.detail == f"did not stop within {patience(0.1):g} s and was cancelled"


async def test_failed_stop_does_not_keep_other_services_from_stopping(
    caplog: pytest.LogCaptureFixture,
) -> None:
    diary: list[str] = []
    apps, store = FakeService("apps", diary), FakeService("store", diary)

    async def fail() -> None:
        raise RuntimeError("no")

    apps.on_stop = fail
    async with Watch(ServiceSpec(store), ServiceSpec(apps, after=("store",))) as watch:
        await asyncio.wait_for(watch.supervisor.started.wait(), DEADLINE_S)
    assert watch.task.exception() is None
    assert "stop store" in diary
    assert [record.message for record in caplog.records] == ["Service failed while stopping"]


async def test_stop_during_the_start_of_a_service_ends_the_start_first() -> None:
    diary: list[str] = []
    service = FakeService("link", diary)
    began = asyncio.Event()

    async def start() -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            diary.append("start ended")

    service.start = start
    async with Watch(ServiceSpec(service)) as watch:
        await asyncio.wait_for(began.wait(), DEADLINE_S)
    assert diary == ["start ended", "stop link"]
    assert not watch.supervisor.started.is_set()


async def test_cancelled_run_still_stops_all_services_in_order() -> None:
    diary: list[str] = []
    async with Watch(
        ServiceSpec(FakeService("store", diary)), ServiceSpec(FakeService("bus", diary), after=("store",))
    ) as watch:
        await asyncio.wait_for(watch.supervisor.started.wait(), DEADLINE_S)
        watch.task.cancel()
    assert watch.task.cancelled()
    assert [line for line in diary if line.startswith("stop ")] == ["stop bus", "stop store"]


async def test_no_task_outlives_run() -> None:
    before = asyncio.all_tasks()
    async with Watch(ServiceSpec(FakeService("store", [])), ServiceSpec(FakeService("bus", []))) as watch:
        await asyncio.wait_for(watch.supervisor.started.wait(), DEADLINE_S)
        assert len(asyncio.all_tasks()) > len(before)
    assert asyncio.all_tasks() == before


async def test_resource_without_serve_is_started_once_and_stopped() -> None:
    diary: list[str] = []

    class File:
        name = "file"

        async def start(self) -> None:
            diary.append("start")

        async def stop(self) -> None:
            diary.append("stop")

    async with Watch(ServiceSpec(File())) as watch:
        await asyncio.wait_for(watch.supervisor.started.wait(), DEADLINE_S)
        assert watch.statuses[0] is ServiceStatus.RUNNING
    assert diary == ["start", "stop"]


async def test_start_that_fails_is_followed_by_a_stop() -> None:
    diary: list[str] = []
    service = FakeService("store", diary)
    service.starts = [OSError("no")]
    async with Watch(ServiceSpec(service)) as watch:
        await watch.until("store", "service_restarted")
    assert diary[:3] == ["start store", "stop store", "start store"]


def test_two_services_with_one_name_are_rejected() -> None:
    with pytest.raises(ValueError, match="two services are named 'bus'"):
        Supervisor([ServiceSpec(FakeService("bus", [])), ServiceSpec(FakeService("bus", []))])


def test_unknown_dependency_is_rejected() -> None:
    with pytest.raises(ValueError, match="bus depends on stroe, but no service has that name"):
        Supervisor([ServiceSpec(FakeService("bus", []), after=("stroe",))])


def test_services_that_depend_on_each_other_are_rejected() -> None:
    with pytest.raises(CycleError):
        Supervisor([ServiceSpec(FakeService("a", []), after=("b",)), ServiceSpec(FakeService("b", []), after=("a",))])


@pytest.mark.parametrize("attempt", [1, 2, 7, 1000, 10**9])
def test_pause_never_exceeds_its_bound_however_many_attempts_fail(attempt: int) -> None:
    policy = RestartPolicy(first_pause_s=1, longest_pause_s=30)
    assert 0.5 <= policy.pause_s(attempt, Random(attempt)) <= 30
