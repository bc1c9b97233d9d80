"""The option ``kwargs`` passes arguments to handlers by name. Wrong names are rejected at registration."""

import functools
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any

import pytest

from hassette_core.errors import RegistrationError
from hassette_core.events import Event, StateChanged
from hassette_core.handlers import Attr, EntityId, NewState
from support.home import Home


class Lamp:
    """An object with handlers that note their arguments."""

    def __init__(self) -> None:
        self.seen: list[Any] = []

    async def only(self, light: str) -> None:
        self.seen.append(light)

    async def between(self, first: int, event: StateChanged, second: int = 2, *, entity: EntityId, third: int) -> None:
        self.seen.append((first, event.entity_id, second, entity, third))

    async def rest(self, event: Event, **rest: int) -> None:
        self.seen.append((event.event_type, rest))

    async def shared(self, light: EntityId, new: NewState | None, level: Annotated[int | None, Attr("level")]) -> None:
        self.seen.append((light, new and new.state, level))

    def plain(self, light: str, event: Event | None = None) -> None:
        self.seen.append((light, event is None))

    async def by_position(self, light: str, /) -> None: ...


@pytest.fixture
def lamp() -> Lamp:
    return Lamp()


async def test_arguments_are_passed_by_name_next_to_the_values_of_the_event(home: Home, lamp: Lamp) -> None:
    home.bus.on_state_change(lamp.between, "light.a", kwargs={"third": 3, "first": 1})
    home.bus.on_state_change(lamp.only, "light.a", kwargs={"light": "light.b"})
    home.change("light.a", "on")
    await home.records(2)
    assert lamp.seen == [(1, "light.a", 2, "light.a", 3), "light.b"]


async def test_handler_with_any_keywords_takes_all_arguments(home: Home, lamp: Lamp) -> None:
    home.bus.on_event(lamp.rest, "button", kwargs={"a": 1, "b": 2})
    home.fire("button")
    await home.records(1)
    assert lamp.seen == [("button", {"a": 1, "b": 2})]


async def test_arguments_are_those_of_the_registration(home: Home, lamp: Lamp) -> None:
    given = {"light": "light.a"}
    home.bus.on_event(lamp.only, "button", kwargs=given)
    given["light"] = "light.b"
    home.fire("button")
    await home.records(1)
    assert lamp.seen == ["light.a"]


async def test_handler_of_a_listener_also_serves_a_job(home: Home, lamp: Lamp) -> None:
    home.bus.on_state_change(lamp.shared, "light.a")
    home.change("light.a", "on", level=3)
    home.scheduler.run_in(lamp.shared, 1, kwargs={"light": "light.b"})
    await home.pass_time(1)
    await home.records(2)
    assert lamp.seen == [("light.a", "on", 3), ("light.b", None, None)]


async def test_plain_function_gets_its_arguments_in_a_thread(home: Home, lamp: Lamp) -> None:
    home.bus.on_event(lamp.plain, "button", kwargs={"light": "x"})
    home.scheduler.run_in(lamp.plain, 1, kwargs={"light": "y"})
    home.fire("button")
    await home.records(1)
    await home.pass_time(1)
    await home.records(2)
    assert lamp.seen == [("x", False), ("y", True)]


async def test_argument_replaces_a_default_and_a_bound_keyword(home: Home, lamp: Lamp) -> None:
    home.bus.on_event(functools.partial(lamp.only, light="light.a"), "button", kwargs=MappingProxyType({"light": "b"}))
    home.fire("button")
    await home.records(1)
    assert lamp.seen == ["b"]


async def test_identity_of_a_listener_does_not_depend_on_its_arguments(home: Home, lamp: Lamp) -> None:
    subscription = home.bus.on_event(lamp.only, "button", kwargs={"light": "light.a"})
    assert subscription.registration.key == ("app", "one", "only", "button")
    with pytest.raises(RegistrationError, match="already has a listener named 'only'"):
        home.bus.on_event(lamp.only, "button", kwargs={"light": "light.b"})


@pytest.mark.parametrize(
    ("handler", "kwargs", "text"),
    [
        ("only", {"lihgt": "x"}, "got 'lihgt': handler Lamp.only does not take it; did you mean 'light'"),
        (
            "only",
            {"light": "x", "other": 1},
            "got 'other': handler Lamp.only does not .*; its parameters are light",
        ),
        ("only", {"self": 1}, "got 'self'"),
        ("only", {}, r'cannot be filled in; pass it in kwargs=\{"light": ...\}, or name it event'),
        ("only", None, r'pass it in kwargs=\{"light": ...\}'),
        ("only", ["light"], "kwargs must be a mapping of names to values"),
        ("only", {1: 2}, "kwargs must be a mapping of names to values"),
        ("between", {"first": 1, "third": 3, "event": 4}, "must not contain 'event': the event fills in the parameter"),
        ("between", {"first": 1, "third": 3, "entity": 4}, "must not contain 'entity': the event fills in"),
        ("by_position", {"light": 1}, "takes it only by position"),
    ],
)
async def test_wrong_arguments_are_rejected(home: Home, lamp: Lamp, handler: str, kwargs: Any, text: str) -> None:
    with pytest.raises(RegistrationError, match=text):
        home.bus.on_state_change(getattr(lamp, handler), "light.a", kwargs=kwargs)


@pytest.mark.parametrize(
    ("handler", "kwargs", "text"),
    [
        ("only", {"lihgt": "x"}, "did you mean 'light'"),
        ("only", None, r'pass it in kwargs=\{"light": ...\}$'),
        ("shared", None, r"parameter .light: .*str.*, which cannot be filled in; pass it in kwargs"),
        ("by_position", {"light": 1}, "takes it only by position"),
    ],
)
async def test_wrong_arguments_of_a_job_are_rejected(
    home: Home, lamp: Lamp, handler: str, kwargs: Mapping[str, Any] | None, text: str
) -> None:
    with pytest.raises(RegistrationError, match=text):
        home.scheduler.run_in(getattr(lamp, handler), 1, kwargs=kwargs)


class Taking:
    """An object that takes any argument."""

    async def __call__(self, **rest: Any) -> None: ...


def keep(method: Any) -> Any:
    @functools.wraps(method)
    async def wrapper(me: Any, *args: Any, **rest: Any) -> Any:
        return await method(me, *args, **rest)

    return wrapper


class Taker:
    """Handlers that take any argument by name."""

    async def method(self, **rest: Any) -> None: ...

    async def other_name(this, **rest: Any) -> None: ...  # noqa: N805  the name of the first parameter is free

    async def by_position(self, /, **rest: Any) -> None: ...

    @classmethod
    async def of_class(cls, **rest: Any) -> None: ...

    @staticmethod
    async def static(**rest: Any) -> None: ...

    @keep
    async def decorated(self, **rest: Any) -> None: ...


async def function(first: int, **rest: Any) -> None: ...


@pytest.mark.parametrize(
    ("handler", "name"),
    [
        *((Taker().method, "self"), (Taker().other_name, "this"), (Taker().of_class, "cls"), (Taking(), "self")),
        *((Taker().decorated, "self"), (Taker().decorated, "me"), (functools.partial(function, 1), "first")),
        *((functools.partial(Taker().method, x=1), "self"), (functools.partial(Taker.method, Taker()), "self")),
    ],
)
async def test_name_that_has_a_value_already_is_rejected(home: Home, handler: Any, name: str) -> None:
    with pytest.raises(RegistrationError, match=f"parameters without a value, got '{name}'"):
        home.bus.on_event(handler, "go", kwargs={name: 1})
    with pytest.raises(RegistrationError, match=f"parameters without a value, got '{name}'"):
        home.scheduler.run_in(handler, 1, kwargs={"a": 1, name: 1})


@pytest.mark.parametrize("handler", [Taker().by_position, Taker().static, functools.partial(function, first=1)])
async def test_name_of_an_argument_by_position_is_free_for_any_keywords(home: Home, handler: Any) -> None:
    home.bus.on_event(handler, "go", kwargs={"self": 1, "first": 2, "cls": 3})
    home.fire("go")
    (record,) = await home.records(1)
    assert record.failure is None


class Eater:
    """A handler that changes its arguments."""

    def __init__(self) -> None:
        self.seen: list[Any] = []

    async def eat(self, food: Any, event: Event | None = None) -> None:
        del event
        self.seen.append(repr(food))
        food["deep"][0].append("eaten")
        food["more"] = {1}


@pytest.mark.parametrize("with_event", [False, True])
async def test_run_that_changes_its_arguments_changes_neither_the_next_run_nor_the_caller(
    home: Home, with_event: bool
) -> None:
    eater = Eater()
    food: Any = {"deep": ([1],), "key": {"a": {2}}}
    if with_event:
        home.bus.on_event(eater.eat, "go", kwargs={"food": food})
    else:
        home.scheduler.run_every(eater.eat, 10, kwargs={"food": food})
    shown = repr(food)
    food["key"]["a"].add(3)
    for count in (1, 2):
        home.fire("go")
        await home.pass_time(10)
        await home.records(count)
    assert eater.seen == [shown, shown]
    assert repr(food) == "{'deep': ([1],), 'key': {'a': {2, 3}}}"


async def test_object_in_the_arguments_is_not_copied(home: Home, lamp: Lamp) -> None:
    mine = object()
    home.bus.on_event(lamp.only, "go", kwargs={"light": [mine]})
    home.fire("go")
    await home.records(1)
    assert lamp.seen[0][0] is mine


async def test_argument_that_contains_itself_is_rejected(home: Home, lamp: Lamp) -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(RegistrationError, match="kwargs must contain no list or table that contains itself"):
        home.bus.on_event(lamp.only, "go", kwargs={"light": endless})
    with pytest.raises(RegistrationError, match="data must contain no list or table that contains itself"):
        home.bus.emit("go", {"a": endless})


async def test_listener_that_changes_the_data_of_an_event_does_not_change_the_object_of_the_sender(home: Home) -> None:
    async def change(event: Event) -> None:
        event.data["list"].append(1)
        event.data["table"]["deep"]["x"] = 1

    mine: dict[str, Any] = {"list": [], "table": {"deep": {}}}
    home.bus.on_event(change, "go")
    home.bus.emit("go", mine)
    (record,) = await home.records(1)
    assert record.failure is None
    assert mine == {"list": [], "table": {"deep": {}}}
