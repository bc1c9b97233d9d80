"""Events that do not come from Home Assistant: of the framework, of apps, and failures of runs."""

import asyncio
from typing import Any

import pytest

from hassette_core.bus import AppBus
from hassette_core.errors import RegistrationError
from hassette_core.events import Event
from support.home import Home
from support.linked_bus import LinkedBus, linked_bus
from support.records import failing, forever, nothing
from support.waiting import eventually


@pytest.fixture
def other(home: Home) -> AppBus:
    """Return the bus of another app."""
    return AppBus(home.bus_service, "other", "one")


def heard(calls: list[Any]) -> Any:
    """Return a handler that notes type and data of each event."""

    async def note(event: Event) -> None:
        calls.append((event.event_type, dict(event.data)))

    return note


async def test_failed_run_of_another_app_is_heard_with_its_facts(home: Home, other: AppBus, calls: list[Any]) -> None:
    home.bus.on_app_error(heard(calls))
    other.on_event(failing, "button", name="press")
    other.on_event(forever, "button", timeout=0.001)
    home.fire("button")
    await home.records(4)
    ((_, error), (_, late)) = sorted(calls, key=lambda call: call[1]["status"])
    run_id = error.pop("run_id")
    assert run_id in {record.id for record in await home.records()}
    assert error == {
        "app": "other",
        "instance": "one",
        "handler": "press",
        "kind": "listener",
        "status": "error",
        "error": error["error"],
    }
    assert (late["handler"], late["status"]) == ("forever", "timed_out")


async def test_app_does_not_hear_its_own_failures_by_default(home: Home, calls: list[Any]) -> None:
    home.bus.on_app_error(heard(calls))
    home.bus.on_app_error(heard(calls), include_own=True, name="own")
    home.scheduler.run_in(failing, 1)
    await home.pass_time(1)
    await home.records(2)
    assert [data["kind"] for _, data in calls] == ["job"]


async def test_failing_watchers_do_not_start_each_other(home: Home, other: AppBus) -> None:
    for bus in (home.bus, other):
        bus.on_app_error(failing, include_own=True)
    home.bus.on_event(failing, "button")
    home.fire("button")
    await home.records(3)
    await home.pass_time(5)
    await home.records(3)


async def test_failures_are_filtered_by_app(home: Home, other: AppBus, calls: list[Any]) -> None:
    home.bus.on_app_error(heard(calls), ["o*", "third"], name="some")
    home.bus.on_app_error(heard(calls), "third", name="none")
    other.on_event(failing, "button")
    home.fire("button")
    await home.records(2)
    assert len(calls) == 1
    assert await home.skipped() == {}


async def test_process_ending_exception_of_another_app_is_heard(home: Home, other: AppBus, calls: list[Any]) -> None:
    async def leave() -> None:
        raise SystemExit(3)

    home.bus.on_app_error(heard(calls))
    other.on_event(leave, "button")
    home.fire("button")
    await home.records(2)
    assert calls[0][1]["error"] == "SystemExit: 3"


@pytest.mark.parametrize(
    ("method", "kind"),
    [
        ("on_app_started", "app_started"),
        ("on_app_failed", "app_failed"),
        ("on_app_stopped", "app_stopped"),
        ("on_app_reloaded", "app_reloaded"),
    ],
)
async def test_app_events_name_app_and_instance(home: Home, calls: list[Any], method: str, kind: str) -> None:
    subscription = getattr(home.bus, method)(heard(calls), "alarm")
    home.executor.report(kind, "alarm.two", "the reason")
    home.executor.report(kind, "light.one", "")
    await home.records(1)
    data = {"subject": "alarm.two", "detail": "the reason", "app": "alarm", "instance": "two"}
    assert calls == [(f"hassette_{kind}", data)]
    assert subscription.registration.topic == f"hassette_{kind}.alarm"


async def test_service_and_connection_events_are_heard(home: Home, calls: list[Any]) -> None:
    home.bus.on_service_degraded(heard(calls), "database")
    home.bus.on_connection_lost(heard(calls))
    home.bus.on_connection_restored(heard(calls))
    home.bus.on_event(heard(calls), "hassette_*", name="all")
    home.executor.report("service_degraded", "database", "disk full")
    home.executor.report("connection_lost", "http://home", "it broke")
    home.executor.report("connection_restored", "http://home", "3 s")
    await home.records(6)
    assert sorted({event_type for event_type, _ in calls}) == [
        "hassette_connection_lost",
        "hassette_connection_restored",
        "hassette_service_degraded",
    ]
    assert {data.get("service") for _, data in calls} == {"database", None}


@pytest.mark.parametrize(
    ("arguments", "count"),
    [((), 3), (("light",), 2), (("light", "turn_on"), 1), (("l*", ["turn_off", "toggle"]), 1), ((None, "turn_*"), 2)],
)
async def test_service_calls_are_filtered_by_domain_and_service(home: Home, arguments: Any, count: int) -> None:
    home.bus.on_call_service(nothing, *arguments)
    for domain, service in (("light", "turn_on"), ("light", "toggle"), ("switch", "turn_off")):
        home.fire("call_service", domain=domain, service=service, service_data={})
    home.fire("call_service", domain=5)
    await home.records(count + (not arguments))


async def test_emitted_event_reaches_other_apps_without_home_assistant(
    home: Home, other: AppBus, calls: list[Any]
) -> None:
    other.on_event(heard(calls), "alarm_armed")
    data = {"by": "keypad"}
    home.bus.emit("alarm_armed", data)
    data["by"] = "changed later"
    home.bus.emit("alarm_armed")
    (first, _) = await home.records(2)
    assert calls == [("alarm_armed", {"by": "keypad"}), ("alarm_armed", {})]
    assert first.trigger.context_id is None


@pytest.mark.parametrize("text", ["x", "ü", "🏡"])
async def test_long_texts_of_an_event_are_cut_in_its_run_but_not_for_the_handler(
    home: Home, other: AppBus, calls: list[Any], text: str
) -> None:
    entity = f"light.{text * 1_000_000}"
    other.on_event(heard(calls), "alarm_armed")
    home.bus.emit("alarm_armed", {"entity_id": entity})
    (run,) = await home.records(1)
    assert run.trigger.entity_id == f"{entity[:499]}…"
    assert calls == [("alarm_armed", {"entity_id": entity})]


async def test_plain_function_may_emit_in_its_thread(home: Home, other: AppBus, calls: list[Any]) -> None:
    other.on_event(heard(calls), "done")
    home.bus.on_event(lambda: home.bus.emit("done", {"n": 1}), "button")
    home.fire("button")
    await home.records(2)
    assert calls == [("done", {"n": 1})]


@pytest.mark.parametrize("in_thread", [False, True])
async def test_run_records_the_event_that_it_emits_and_the_event_names_the_run(
    home: Home, other: AppBus, calls: list[Any], in_thread: bool
) -> None:
    async def emit() -> None:
        home.bus.emit("done", {"n": 1})

    other.on_event(heard(calls), "done")
    home.bus.on_event((lambda: home.bus.emit("done", {"n": 1})) if in_thread else emit, "button")
    home.fire("button")
    records = {one.trigger.event_type: one for one in await home.records(2)}
    assert records["button"].effects is not None
    (call,) = records["button"].effects.service_calls
    assert (call.domain, call.service, call.data) == ("bus", "emit", '{"event_type":"done"}')
    assert call.context_id is not None
    assert records["done"].trigger.parent_id == call.context_id


async def test_event_that_a_task_emits_after_its_run_is_no_lost_call(
    home: Home, other: AppBus, calls: list[Any]
) -> None:
    tasks: list[asyncio.Task[None]] = []
    ended = asyncio.Event()

    async def later() -> None:
        await ended.wait()
        home.bus.emit("done")

    async def start() -> None:
        tasks.append(asyncio.create_task(later()))

    other.on_event(heard(calls), "done")
    home.bus.on_event(start, "button")
    home.fire("button")
    await home.records(1)
    ended.set()
    await tasks[0]
    (done,) = [one for one in await home.records(2) if one.trigger.event_type == "done"]
    assert calls == [("done", {})]
    assert done.trigger.parent_id is None
    assert [loss for batch in home.sink.batches for loss in batch.losses] == []


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("state_changed",), "not state_changed or hassette_"),
        (("hassette_app_failed",), "not state_changed or hassette_"),
        (("alarm_*",), "without wildcards"),
        (("",), "event_type must be an event type"),
        ((5,), "event_type must be an event type"),
        (("alarm", ["x"]), "data must be a mapping of names to values"),
        (("alarm", {1: 2}), "data must be a mapping of names to values"),
    ],
)
async def test_event_that_cannot_be_emitted_is_rejected(home: Home, arguments: Any, text: str) -> None:
    with pytest.raises(RegistrationError, match=text):
        home.bus.emit(*arguments)


@pytest.mark.parametrize("value", ["", [], [""], 5, ["a", 1]])
async def test_wrong_filter_is_rejected(home: Home, value: Any) -> None:
    with pytest.raises(RegistrationError, match="app must be a"):
        home.bus.on_app_failed(nothing, value)


def lifecycle(linked: LinkedBus, found: list[str]) -> None:
    """Note each stop and start of Home Assistant."""

    async def started() -> None:
        found.append("started")

    async def stopped(event: Event) -> None:
        found.append("stopped late" if event.data["late"] else "stopped")

    linked.bus.on_homeassistant_start(started)
    linked.bus.on_homeassistant_stop(stopped)


async def test_restart_of_home_assistant_is_heard_once(calls: list[Any]) -> None:
    async with linked_bus() as linked:
        lifecycle(linked, calls)
        for _ in range(3):
            await linked.home.restart(down_s=0.05, startup_s=0.05)
            await eventually(lambda: calls[-1:] == ["started"])
            await eventually(linked.link.ready.is_set)
            assert calls == ["stopped", "started"]
            calls.clear()


async def test_restart_without_an_announcement_is_recognized_by_the_new_states(calls: list[Any]) -> None:
    async with linked_bus() as linked:
        lifecycle(linked, calls)
        await linked.disconnect()
        for state in linked.home.core.states.values():
            state["last_updated"] = state["last_changed"] = "2099-01-01T00:00:00+00:00"
        await linked.reconnect()
        await eventually(lambda: len(calls) == 2)
        assert calls == ["stopped late", "started"]


async def test_interruption_without_a_restart_is_no_start(calls: list[Any]) -> None:
    async with linked_bus() as linked:
        lifecycle(linked, calls)
        await linked.disconnect()
        linked.home.core.change("light.hall", "on")
        await linked.reconnect()
        await linked.settle()
        assert calls == []
