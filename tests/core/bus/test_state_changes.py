"""Matching of events, and rejected registrations."""

import asyncio
import functools
import inspect
from typing import Any

import pytest

from hassette_core.errors import RegistrationError
from hassette_core.events import StateChanged
from hassette_executor import ErrorContext, EventTrigger, Status
from support.home import Home
from support.records import nothing


async def test_change_runs_the_handler_once_and_is_recorded_as_its_trigger(home: Home) -> None:
    home.set_state("light.hall", "off")
    home.bus.on_state_change(nothing, "light.hall")
    home.change("light.hall", "on")
    (record,) = await home.records(1)
    assert record.status is Status.SUCCESS
    assert record.trigger == EventTrigger("state_changed", "light.hall", "off", "on", "C1", "P1", "U1")
    assert record.registration.key == ("app", "one", "nothing", "state_changed.light.hall")
    assert record.registration.source.file == inspect.getsourcefile(nothing)
    assert record.registration.source.snippet.startswith("async def nothing()")


async def test_change_of_attributes_alone_counts_only_with_include_attributes(home: Home) -> None:
    home.set_state("light.hall", "on", brightness=1)
    home.bus.on_state_change(nothing, "light.hall", name="state")
    home.bus.on_state_change(nothing, "light.hall", name="all", include_attributes=True)
    home.change("light.hall", "on", brightness=2)
    home.change("light.hall", "on", brightness=2)
    (record,) = await home.records(1)
    assert record.registration.name == "all"


async def test_adding_and_removing_an_entity_are_changes(home: Home, calls: list[Any]) -> None:
    async def note(event: StateChanged) -> None:
        calls.append((event.old_state is None, event.new_state is None))

    home.bus.on_state_change(note, "light.hall")
    home.change("light.hall", "on")
    home.change("light.hall", None)
    await home.records(2)
    assert calls == [(True, False), (False, True)]


async def test_condition_is_not_called_with_a_missing_value(home: Home) -> None:
    home.bus.on_state_change(nothing, "sensor.t", changed_to=lambda celsius: float(celsius) > 20)
    home.bus.on_state_change(nothing, "sensor.t", changed_from=lambda celsius: float(celsius) > 20, name="from")
    home.change("sensor.t", "21")
    home.change("sensor.t", None)
    assert [record.registration.name for record in await home.records(2)] == ["nothing", "from"]
    assert await home.skipped() == {}


@pytest.mark.parametrize(
    ("expected", "matching"),
    [("on", ["on"]), (["on", "dim"], ["on", "dim"]), ({"dim"}, ["dim"]), (lambda s: s.startswith("o"), ["on", "off"])],
)
async def test_changed_to_takes_a_value_a_collection_or_a_function(
    home: Home, calls: list[Any], expected: Any, matching: list[str]
) -> None:
    async def note(event: StateChanged) -> None:
        calls.append(event.new_state.state if event.new_state else None)

    home.bus.on_state_change(note, "light.hall", changed_to=expected)
    for state in ("on", "dim", "off", None):
        home.change("light.hall", state)
    await home.records(len(matching))
    assert calls == matching


async def test_changed_from_checks_the_state_before_and_a_missing_one_does_not_match(home: Home) -> None:
    home.bus.on_state_change(nothing, "light.hall", changed_from=["off", "dim"])
    for state in ("on", "off", "on", None, "off"):
        home.change("light.hall", state)
    (record,) = await home.records(1)
    assert (record.trigger.old_state, record.trigger.new_state) == ("off", "on")


async def test_on_attribute_change_watches_one_attribute(home: Home) -> None:
    home.set_state("light.hall", "on", brightness=10, color="red")
    home.bus.on_attribute_change(nothing, "light.hall", "brightness", changed_to=lambda value: value > 50)
    home.change("light.hall", "on", brightness=10, color="blue")
    home.change("light.hall", "on", brightness=20)
    home.change("light.hall", "off", brightness=90)
    home.change("light.hall", "off")
    (record,) = await home.records(1)
    assert record.registration.topic == "state_changed.light.hall.brightness"
    assert record.trigger.new_state == "off"


@pytest.mark.parametrize(
    ("expected", "others", "equal"),
    [
        (21, [19.5, "21", None, [21], True], 21.0),
        (19.5, [21, "19.5", False, [19.5]], 19.5),
        ("heat", [1, 0.5, True, ["heat"], "cool"], "heat"),
        (True, ["on", 0, 2, "True", [True]], True),
        ([21, "auto"], [19.5, "21", ["auto", 21], [21], [[21, "auto"]]], "auto"),
    ],
)
@pytest.mark.parametrize("option", ["changed_from", "changed_to"])
async def test_attribute_of_another_type_is_not_the_expected_value(
    home: Home, option: str, expected: Any, others: list[Any], equal: Any
) -> None:
    home.set_state("climate.hall", "heat", target="something else")
    home.bus.on_attribute_change(nothing, "climate.hall", "target", **{option: expected})
    for number, other in enumerate(others):
        home.change("climate.hall", "heat", target=other)
        home.change("climate.hall", "heat", target=f"something else {number}")
    await home.records(0)
    assert await home.skipped() == {}  # no comparison failed
    home.change("climate.hall", "heat", target=equal)
    home.change("climate.hall", "heat", target="something else")
    await home.records(1)


async def test_where_is_called_only_for_events_of_the_topic(home: Home) -> None:
    home.bus.on_state_change(nothing, "light.*", where=lambda event: event.entity_id.endswith("hall"))
    home.change("light.porch", "on")
    home.change("light.hall", "on")
    (record,) = await home.records(1)
    assert record.trigger.entity_id == "light.hall"


@pytest.mark.parametrize("option", ["where", "changed_to", "changed_from"])
async def test_failed_condition_affects_only_its_listener_and_is_counted(
    home: Home, caplog: pytest.LogCaptureFixture, option: str
) -> None:
    broken = {option: lambda _: 1 / 0}
    home.set_state("light.hall", "off")
    subscription = home.bus.on_state_change(nothing, "light.hall", name="broken", **broken)
    home.bus.on_state_change(nothing, "light.hall", name="sound")
    for state in ("on", "off", "on"):
        home.change("light.hall", state)
    records = await home.records(3)
    assert {record.registration.name for record in records} == {"sound"}
    assert await home.skipped() == {"predicate_failed": 3}
    assert subscription.active
    assert len([line for line in caplog.records if "Condition of a listener failed" in line.message]) == 1


async def test_on_event_takes_a_type_or_a_glob(home: Home) -> None:
    home.bus.on_event(nothing, "button_pressed", name="exact")
    home.bus.on_event(nothing, "button_*", name="glob", where=lambda event: event.data["times"] == 2)
    home.bus.on_event(nothing, "*", name="all")
    home.fire("button_pressed", times=1, entity_id="event.button")
    home.fire("button_pressed", times=2)
    home.change("light.hall", "on")
    records = await home.records(6)
    assert sorted(record.registration.name for record in records) == ["all", "all", "all", "exact", "exact", "glob"]
    assert records[0].trigger.entity_id == "event.button"


async def test_on_event_with_state_changed_gets_every_message_about_an_entity(home: Home) -> None:
    home.set_state("light.hall", "on")
    home.bus.on_event(nothing, "state_changed")
    home.change("light.hall", "on")
    await home.records(1)


async def test_cancelled_subscription_gets_no_event_and_is_retired(home: Home) -> None:
    subscription = home.bus.on_state_change(nothing, "light.hall")
    subscription.cancel()
    subscription.cancel()
    home.change("light.hall", "on")
    await home.records(0)
    assert not subscription.active
    assert await home.retired() == ["nothing"]
    home.bus.on_state_change(nothing, "light.hall")  # the name is free again


async def test_listener_cancelled_by_another_during_the_same_event_is_not_run(home: Home) -> None:
    def first(_: object) -> bool:
        second.cancel()
        return True

    home.bus.on_state_change(nothing, "light.hall", name="first", where=first)
    second = home.bus.on_state_change(nothing, "light.hall", name="second")
    home.change("light.hall", "on")
    (record,) = await home.records(1)
    assert record.registration.name == "first"


async def test_one_trigger_is_shared_by_all_listeners_of_an_event(home: Home) -> None:
    home.bus.on_state_change(nothing, "light.hall", name="a")
    home.bus.on_state_change(nothing, "light.*", name="b")
    home.change("light.hall", "on")
    a, b = await home.records(2)
    assert a.trigger is b.trigger


async def test_sync_handler_runs_in_a_thread(home: Home, calls: list[Any]) -> None:
    import threading

    def handler() -> None:
        calls.append(threading.current_thread() is threading.main_thread())

    home.bus.on_state_change(handler, "light.hall")
    home.change("light.hall", "on")
    (record,) = await home.records(1)
    assert calls == [False]
    assert record.registration.runs_in == "sync"


async def test_partials_methods_and_callable_objects_are_handlers_with_their_own_names(home: Home) -> None:
    class Device:
        async def method(self) -> None: ...

        async def __call__(self) -> None: ...

    async def with_argument(which: str) -> None: ...

    handlers = [Device().method, Device(), functools.partial(with_argument, "x")]
    subscriptions = [home.bus.on_state_change(handler, "light.hall") for handler in handlers]
    assert [s.name for s in subscriptions] == ["method", "Device", "with_argument"]
    home.change("light.hall", "on")
    assert [record.status for record in await home.records(3)] == [Status.SUCCESS] * 3


async def test_error_hook_of_a_listener_is_called_for_a_failed_run(home: Home, calls: list[Any]) -> None:
    async def broken() -> None:
        raise ValueError("no bulb")

    async def hook(context: ErrorContext) -> None:
        calls.append(str(context.exception))

    home.bus.on_state_change(broken, "light.hall", on_error=hook)
    home.change("light.hall", "on")
    await home.until(lambda: calls)
    assert calls == ["no bulb"]


async def test_error_hook_of_a_once_listener_is_called_for_a_failed_run(home: Home, calls: list[Any]) -> None:
    async def broken() -> None:
        raise ValueError("no bulb")

    async def hook(context: ErrorContext) -> None:
        calls.append(str(context.exception))

    home.bus.on_state_change(broken, "light.hall", on_error=hook, once=True)
    home.change("light.hall", "on")
    await home.until(lambda: calls)


async def test_settings_list_the_options_that_differ_from_the_defaults(home: Home) -> None:
    subscription = home.bus.on_state_change(
        nothing,
        "light.hall",
        changed_from=["off", "dim"],
        changed_to="on",
        duration=90,
        debounce=2.5,
        once=True,
        mode="single",
        timeout=0,
    )
    assert subscription.registration.settings == (
        ("changed_from", "off, dim"),
        ("changed_to", "on"),
        ("duration", "1 min 30 s"),
        ("debounce", "2.5 s"),
        ("once", "yes"),
        ("mode", "single"),
        ("timeout", "none"),
    )
    assert subscription.registration.timeout_s == 0


async def test_duplicate_name_is_rejected_with_a_free_one(home: Home) -> None:
    home.bus.on_state_change(nothing, "light.hall")
    home.bus.on_state_change(nothing, "light.hall", name="nothing_2")
    with pytest.raises(RegistrationError, match='name="nothing_3"'):
        home.bus.on_state_change(nothing, "light.hall")
    home.bus.on_state_change(nothing, "light.porch")  # the same name is free for another topic


async def test_attribute_without_a_name_is_rejected(home: Home) -> None:
    with pytest.raises(RegistrationError, match="must be the name of one attribute"):
        home.bus.on_attribute_change(nothing, "light.hall", "")


@pytest.mark.parametrize(
    ("option", "text"), [(lambda _: True, "a function"), (str.isdigit, "isdigit()"), ({"on"}, "on")]
)
async def test_conditions_are_shown_by_name(home: Home, option: Any, text: str) -> None:
    subscription = home.bus.on_state_change(nothing, "light.hall", changed_to=option)
    assert subscription.registration.settings == (("changed_to", text),)


async def test_attribute_values_may_be_of_any_kind(home: Home) -> None:
    home.set_state("light.hall", "on", effect=True)
    home.bus.on_attribute_change(nothing, "light.hall", "effect", changed_from=True, changed_to=5)
    home.change("light.hall", "on", effect=5)
    (record,) = await home.records(1)
    assert record.registration.settings == (("changed_from", "True"), ("changed_to", "5"))


async def coroutine() -> None: ...


@pytest.mark.parametrize(
    ("entity_id", "options", "text"),
    [
        ("binary sensor", {}, r"did you mean 'binary_sensor\.\*'"),
        ("Light.Hall", {}, r"did you mean 'light\.hall'"),
        ("light", {}, r"did you mean 'light\.\*'"),
        ("light.a", {"debounce": -1}, "debounce must be more than 0 seconds, got -1"),
        ("light.a", {"duration": 0}, "duration must be more than 0 seconds, got 0"),
        ("light.a", {"throttle": "2"}, "throttle must be a duration .*, got '2'"),
        ("light.a", {"debounce": 1, "throttle": 1}, "exclude each other"),
        ("light.a", {"mode": "serial"}, "single, restart, queued, parallel"),
        ("light.a", {"mode": ["single"]}, "single, restart, queued, parallel"),
        ("light.a", {"debounce": 1e308}, "must be at most"),
        ("light.a", {"timeout": 10**400}, "must be at most"),
        ("light.a", {"timeout": float("nan")}, "timeout must be a duration .*, got nan"),
        ("light.a", {"where": coroutine}, "must not be async, got coroutine: a coroutine would always count as true"),
        ("light.[abc", {}, "did you mean 'light.abc'"),
        ("light.desk-lamp", {}, "did you mean 'light.desk_lamp'"),
        ("light.a", {"where": "on"}, "where must be a condition .* got 'on'"),
        ("light.a", {"changed_to": True}, "write 'on'"),
        ("light.a", {"changed_to": 5}, "write '5'"),
        ("light.a", {"changed_to": []}, "changed_to must be a non-empty collection"),
        ("light.a", {"changed_to": object()}, "changed_to must be a value, a collection of values or a function"),
        ("light.a", {"on_error": 1}, "on_error must be callable, got 1"),
        ("light.a", {"once": "yes"}, "once must be True or False, got 'yes'"),
        ("light.a", {"include_attributes": "brightness"}, "include_attributes must be True or False"),
        (
            "light.a",
            {"attributes": True},
            "no option 'attributes'; did you mean 'include_attributes'",
        ),
        (
            "light.a",
            {"color": 1},
            r"no option 'color'; its options are changed_from, .* missed, kwargs, timeout, on_error, name",
        ),
        ("light.a", {"name": " "}, "name must be a non-blank string"),
    ],
)
async def test_option_that_can_never_work_is_rejected_by_name(
    home: Home, entity_id: Any, options: dict[str, Any], text: str
) -> None:
    with pytest.raises(RegistrationError, match=text):
        home.bus.on_state_change(nothing, entity_id, **options)
    home.change("light.a", "on")
    await home.records(0)


async def test_result_of_a_call_is_rejected_as_a_handler(home: Home) -> None:
    with pytest.raises(RegistrationError, match="leave out the parentheses"):
        home.bus.on_state_change(coroutine(), "light.a")


@pytest.mark.parametrize(
    ("event_type", "text"),
    [
        ("", "event_type must be an event type, such as 'call_service', or a glob"),
        (4, "event_type must be an event type, .*, got 4"),
        (["a", "b"], "event_type must be an event type"),
        ("x" * 65, "event_type must have at most 64 characters, .*, got 65"),
        (f"*{'x' * 65}", "event_type must have at most 64 characters"),
    ],
)
async def test_event_type_that_can_never_match_is_rejected(home: Home, event_type: Any, text: str) -> None:
    with pytest.raises(RegistrationError, match=text):
        home.bus.on_event(nothing, event_type)


@pytest.mark.parametrize(
    ("event_type", "fired"),
    [
        ("Doorbell pressed", "Doorbell pressed"),
        ("esphome.button Küche", "esphome.button Küche"),
        (" ", " "),
        ("tab\tand\nline", "tab\tand\nline"),
        ("按钮", "按钮"),
        ("x" * 64, "x" * 64),
        ("Doorbell *", "Doorbell pressed"),
        ("* pressed", "Doorbell pressed"),
        ("alert[1]", "alert[1]"),
        ("alert[1]", "alert1"),
        ("really?", "really?"),
        (f"{'[ab]' * 30}*", "ab" * 15),
    ],
)
async def test_every_event_type_that_home_assistant_fires_can_be_listened_to(
    home: Home, event_type: str, fired: str
) -> None:
    home.bus.on_event(nothing, event_type)
    home.fire("another")
    home.fire(fired)
    (record,) = await home.records(1)
    assert record.trigger.event_type == fired


async def test_stopped_bus_ignores_events_cancels_after_the_grace_and_can_start_again(home: Home) -> None:
    started = asyncio.Event()

    async def endless() -> None:
        started.set()
        await asyncio.Event().wait()

    home.bus.on_state_change(endless, "light.hall")
    home.change("light.hall", "on")
    await started.wait()
    await home.bus_service.stop()
    await home.bus_service.stop()
    (record,) = await home.records(1)
    assert record.status is Status.CANCELLED
    started.clear()
    home.change("light.hall", "off")
    await home.settle()
    assert not started.is_set()
    await home.bus_service.start()
    home.change("light.hall", "on")
    await home.until(started.is_set)


async def test_serve_ends_when_the_bus_is_stopped(home: Home) -> None:
    serving = asyncio.create_task(home.bus_service.serve())
    await home.settle()
    assert not serving.done()
    await home.bus_service.stop()
    await home.until(serving.done)
    await serving


class UnreadableError(Exception):
    def __str__(self) -> str:
        raise SystemExit


@pytest.mark.parametrize(
    "error",
    [
        SystemExit(0),
        KeyboardInterrupt(),
        GeneratorExit(),
        asyncio.CancelledError(),
        StopIteration(),
        RecursionError(),
        BaseExceptionGroup("gone", [SystemExit(3)]),
        UnreadableError(),
    ],
)
async def test_condition_that_exits_concerns_its_listener_only(home: Home, error: BaseException) -> None:
    def leave(_: object) -> bool:
        raise error

    home.bus.on_state_change(nothing, "light.a", name="where", where=leave)
    home.bus.on_state_change(nothing, "light.a", name="to", changed_to=leave)
    home.bus.on_state_change(nothing, "light.a", name="from", changed_from=leave)
    home.bus.on_state_change(nothing, "light.a", name="healthy")
    home.set_state("light.a", "off")
    home.change("light.a", "on")
    (record,) = await home.records(1)
    assert record.registration.name == "healthy"
    assert await home.skipped() == {"predicate_failed": 3}


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, GeneratorExit, asyncio.CancelledError])
async def test_condition_that_exits_at_the_end_of_a_duration_is_counted(home: Home, error: type[BaseException]) -> None:
    answers = [True]

    def leave(_: object) -> bool:
        if answers:
            return answers.pop()
        raise error

    home.bus.on_state_change(nothing, "sensor.t", changed_to=leave, duration=60)
    home.change("sensor.t", "21")
    await home.pass_time(60)
    await home.records(0)
    assert await home.skipped() == {"predicate_failed": 1}


@pytest.mark.parametrize(
    "error", [SystemExit(0), KeyboardInterrupt(), GeneratorExit(), BaseExceptionGroup("", [SystemExit()])]
)
@pytest.mark.parametrize("runs_in", ["async", "sync"])
async def test_handler_that_exits_is_a_failed_run_and_nothing_else(
    home: Home, error: BaseException, runs_in: str
) -> None:
    async def leave() -> None:
        raise error

    def leave_in_a_thread() -> None:
        raise error

    handler = leave if runs_in == "async" else leave_in_a_thread
    home.bus.on_state_change(handler, "light.a", name="leave")
    home.scheduler.run_in(handler, 1, name="leave")
    home.bus.on_state_change(nothing, "light.a", name="healthy")
    home.change("light.a", "on")
    await home.pass_time(1)
    records = {(record.registration.kind, record.registration.name): record for record in await home.records(3)}
    assert records["listener", "healthy"].status is Status.SUCCESS
    for kind in ("listener", "job"):
        assert records[kind, "leave"].status is Status.ERROR
        assert type(error).__name__ in records[kind, "leave"].failure.type
