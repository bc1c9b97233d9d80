"""Keyword options: signature, help, and errors for calls in a wrong form."""

import inspect
from collections.abc import Callable
from operator import attrgetter
from typing import Any

import pytest

from hassette_core.bus import AppBus
from hassette_core.errors import RegistrationError
from hassette_core.scheduler import AppScheduler
from support.home import Home

BUS_METHODS = [AppBus.on_state_change, AppBus.on_attribute_change, AppBus.on_event]
JOB_METHODS = [
    AppScheduler.run_in,
    AppScheduler.run_once,
    AppScheduler.run_every,
    AppScheduler.run_daily,
    AppScheduler.run_cron,
    AppScheduler.run_at_sunset,
    AppScheduler.run_at_sunrise,
]


async def on_motion() -> None: ...


@pytest.mark.parametrize("method", BUS_METHODS + JOB_METHODS, ids=lambda method: method.__name__)
def test_every_option_is_in_the_signature_and_in_the_docstring(method: Callable[..., Any]) -> None:
    parameters = inspect.signature(method).parameters
    documentation = inspect.getdoc(method) or ""
    assert {"mode", "timeout", "on_error", "name"} <= parameters.keys()
    assert "options" not in parameters
    assert "**options" not in documentation
    undocumented = [name for name in parameters if name != "self" and f"\n    {name}: " not in documentation]
    assert undocumented == []


@pytest.mark.parametrize("method", BUS_METHODS + JOB_METHODS, ids=lambda method: method.__name__)
def test_handler_is_the_first_argument_of_every_method(method: Callable[..., Any]) -> None:
    first = list(inspect.signature(method).parameters.values())[1]
    assert (first.name, first.kind) == ("handler", inspect.Parameter.POSITIONAL_ONLY)


def test_signature_has_the_defaults() -> None:
    bus, scheduler = inspect.signature(AppBus.on_event).parameters, inspect.signature(AppScheduler.run_in).parameters
    assert (bus["mode"].default, bus["once"].default, bus["where"].default) == ("parallel", False, None)
    assert (scheduler["mode"].default, scheduler["jitter"].default) == ("single", 0)


WRONG_CALLS: dict[str, tuple[Callable[[Any], object], str]] = {
    "keyword": (
        lambda home: home.bus.on_state_change("light.hall", handler=on_motion, changed_to="on"),
        r"write on_state_change\(on_motion, 'light.hall', ...\)",
    ),
    "two arguments and a keyword": (
        lambda home: home.bus.on_attribute_change("light.hall", "brightness", handler=on_motion),
        r"write on_attribute_change\(on_motion, 'light.hall', 'brightness', ...\)",
    ),
    "only keywords": (
        lambda home: home.bus.on_event(handler=on_motion, event_type="button"),
        r"on_event must get the handler as its first argument",
    ),
    "old order": (
        lambda home: home.bus.on_event("button", on_motion),
        r"write on_event\(on_motion, 'button', ...\)",
    ),
    "time first": (
        lambda home: home.scheduler.run_daily("07:00", on_motion),
        r"write run_daily\(on_motion, '07:00', ...\)",
    ),
    "job keyword": (
        lambda home: home.scheduler.run_in(handler=on_motion, delay=3),
        r"run_in must get the handler as its first argument",
    ),
    "not callable": (lambda home: home.scheduler.run_in(3, 3), "handler must be callable, got 3"),
}


@pytest.mark.parametrize(("call", "text"), WRONG_CALLS.values(), ids=WRONG_CALLS)
async def test_error_for_a_call_in_a_wrong_form_contains_the_right_form(
    home: Home, call: Callable[[Any], object], text: str
) -> None:
    with pytest.raises(RegistrationError, match=text):
        call(home)
    assert home.scheduler_service.upcoming() == []


UNKNOWN_OPTIONS = [
    ("bus.on_state_change", ("light.hall",), {"new": "on"}, "; use changed_to"),
    ("bus.on_state_change", ("light.hall",), {"attribute": "brightness"}, "; use on_attribute_change"),
    ("scheduler.run_daily", ("07:00",), {"constrain_input_boolean": "input_boolean.holiday"}, "; use where"),
    ("scheduler.run_daily", ("07:00",), {"new": "on"}, "; its options are "),
    (
        "bus.on_state_change",
        ("light.hall",),
        {"strength": "high"},
        r"; its options are .*\. An argument for the handler belongs in kwargs={'strength': ...}",
    ),
    ("bus.on_event", ("zha_event",), {"command_id": "on"}, "; .*, and a filter of the event's data in where"),
    ("scheduler.run_in", (), {"minutes": 5}, r"; pass the time in seconds, or as timedelta\(minutes=...\)"),
    ("scheduler.run_in", (5,), {"if_exists": "replace"}, "; use replace"),
]
"""A method, its arguments, an option of AppDaemon or of hassette 0.60, and the end of the error message."""


@pytest.mark.parametrize(("method", "arguments", "option", "end"), UNKNOWN_OPTIONS, ids=repr)
async def test_option_of_another_framework_is_an_error_with_the_right_option(
    home: Home, method: str, arguments: tuple[object, ...], option: dict[str, Any], end: str
) -> None:
    name, (unknown,) = method.partition(".")[2], option
    with pytest.raises(RegistrationError, match=f"{name} has no option {unknown!r}{end}"):
        attrgetter(method)(home)(on_motion, *arguments, **option)
    assert home.scheduler_service.upcoming() == []
