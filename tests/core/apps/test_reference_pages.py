"""The reference pages about writing apps list everything that the code has."""

import inspect
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

import hassette_core
from hassette_core import (
    Api,
    AppBus,
    AppScheduler,
    Context,
    Event,
    Job,
    JobGroup,
    LogbookEntry,
    PastState,
    ServiceResult,
    State,
    StateChanged,
    Statistic,
    Subscription,
)
from hassette_core.bus.own_events import APP_ERROR
from hassette_core.bus.topics import check_event_type
from hassette_core.link.home_restarts import STARTED as HOME_STARTED
from hassette_core.link.home_restarts import STOPPED as HOME_STOPPED
from hassette_executor import ErrorContext

PAGES = Path(__file__).parents[3] / "docs" / "reference"
# These methods end the registrations of an app instance; the framework calls them.
OF_THE_FRAMEWORK = {"cancel_all", "end", "restore", "suspend"}
# An error that no app can catch or see in its history.
BASE_CLASSES = {"CoreError", "FatalError", "HassetteError", "LinkError"}


def section(page: str, heading: str = "") -> str:
    """Return a page, or the part of it below a heading."""
    text = (PAGES / f"{page}.md").read_text(encoding="utf-8")
    if not heading:
        return text
    (found,) = re.findall(rf"^## `?{heading}`?\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    return str(found)


def named(text: str) -> set[str]:
    """Return the names in code, such as ``cancel`` in ```cancel()``."""
    return {name for code in re.findall(r"`([^`\n]+)`", text) for name in re.findall(r"[A-Za-z_]\w*", code)}


def public(owner: type) -> set[str]:
    """Return the public members of a class, fields included."""
    fields: Iterable[str] = getattr(owner, "_fields", ()) or getattr(owner, "__struct_fields__", ())
    own = vars(owner).items()
    members = {name for name, value in own if callable(value) or isinstance(value, property)}
    return {name for name in {*fields, *members} if not name.startswith("_")}


@pytest.mark.parametrize(
    ("page", "heading", "owner"),
    [
        ("jobs", "Job", Job),
        ("jobs", "Job", JobGroup),
        ("listeners", "Subscription", Subscription),
        ("values", "State", State),
        ("values", "Event", Event),
        ("values", "StateChanged", StateChanged),
        ("values", "Context", Context),
        ("values", "ServiceResult", ServiceResult),
        ("values", "PastState", PastState),
        ("values", "Statistic", Statistic),
        ("values", "LogbookEntry", LogbookEntry),
        ("values", "ErrorContext", ErrorContext),
    ],
)
def test_table_lists_each_public_member_of_the_class(page: str, heading: str, owner: type) -> None:
    inherited = public(Event) if owner is StateChanged else set[str]()
    assert public(owner) - inherited - named(section(page, heading)) == set()


@pytest.mark.parametrize(("page", "owner"), [("listeners", AppBus), ("jobs", AppScheduler)])
def test_page_lists_each_method_that_an_app_calls(page: str, owner: type) -> None:
    methods = {name for name, _ in inspect.getmembers(owner, inspect.isfunction) if not name.startswith("_")}
    assert methods - OF_THE_FRAMEWORK - named(section(page)) == set()


def methods_with_options(owner: type) -> list[Callable[..., Any]]:
    members = inspect.getmembers(owner, inspect.isfunction)
    return [method for name, method in members if name.startswith(("on_", "run_"))]


@pytest.mark.parametrize(
    ("page", "method"),
    [
        *(("listeners", method) for method in methods_with_options(AppBus)),
        *(("jobs", method) for method in methods_with_options(AppScheduler)),
        ("service-calls", Api.call_service),
    ],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_page_lists_each_option_of_the_method(page: str, method: Callable[..., Any]) -> None:
    parameters = inspect.signature(method).parameters.values()
    options = {option.name for option in parameters if option.kind is option.KEYWORD_ONLY}
    assert options - named(section(page)) == set()


def test_page_lists_each_public_error() -> None:
    names = {name for name in hassette_core.__all__ if name.endswith("Error")}
    assert names - BASE_CLASSES - named(section("errors")) == set()
    errors = named(" ".join(re.findall(r"^\| (`\w+Error`) \|", section("errors"), re.MULTILINE)))
    assert errors - names == set()


def reported_kinds() -> set[str]:
    """Return the kinds of lifecycle events in the source of core."""
    texts = "".join(path.read_text(encoding="utf-8") for path in Path(hassette_core.__file__).parent.rglob("*.py"))
    return {
        *re.findall(r'\b_?report\(\s*"(\w+)"', texts),
        *re.findall(r'_RecordedLog\("(\w+)"', texts),
        *re.findall(r'"(service_(?:waiting|st\w+|partly\w+|degraded|crashed|restarted|exhausted))"', texts),
        *re.findall(r'"(trigger_(?:accepted|refused|not_attached))"', texts),
    }


def test_table_of_framework_events_has_each_event_of_the_code() -> None:
    kinds = reported_kinds()
    assert {"app_started", "service_degraded", "trigger_refused", "loop_paused", "app_task_failed"} <= kinds
    events = {f"hassette_{kind}" for kind in kinds} | {HOME_STARTED, HOME_STOPPED, APP_ERROR}
    listed = {name for name in named(section("listeners", "Events of the framework")) if name.startswith("hassette_")}
    assert listed - {"hassette_"} == events
    assert {check_event_type(event) for event in events} == events
