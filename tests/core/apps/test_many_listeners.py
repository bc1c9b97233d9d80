"""Apps with very many listeners: each registration is cheap, and the event loop is free between the apps."""

from datetime import UTC, datetime
from functools import partial, wraps
from typing import Annotated, Any

import pytest
from pydantic_core import core_schema

from hassette_core import Event, NewValue, RegistrationError, StateChanged
from hassette_core.events import own_event
from hassette_core.handlers import InjectionPlan, inspect_callable
from support.home import Home
from support.whole_home import whole_home

COUNTING = """
    class Counting(App[AppConfig]):
        async def on_initialize(self):
            for number in range(20):
                self.bus.on_state_change(self.note, f"light.l{number}", name=f"l{number}")
            TURNS.append(TURN[0])

        async def note(self):
            pass

    TURNS, TURN = [], [0]

    def count_turn():
        TURN[0] += 1
        asyncio.get_running_loop().call_soon(count_turn)

    class App1(App[AppConfig]):
        async def on_initialize(self):
            count_turn()

    class App2(Counting): ...
    class App3(Counting): ...
    class App4(Counting): ...
    class App5(Counting): ...
"""


async def test_event_loop_reads_between_the_starts_of_two_apps(tmp_path: Any) -> None:
    async with whole_home(tmp_path, COUNTING) as place:
        module = __import__("sys").modules[type(place.app()).__module__]
        assert len(module.TURNS) == 4
        assert len(set(module.TURNS)) == 4
        assert len(place.hassette.bus.roster.entries()) == 80


class Level(float):
    """A number that counts how often a handler's annotation with it is read."""

    read = 0

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: object) -> core_schema.CoreSchema:
        cls.read += 1
        return core_schema.float_schema()


class Reads:
    async def on_change(self, value: Annotated[Level, NewValue()]) -> None: ...

    async def on_event(self, event: Event) -> None: ...

    def with_argument(self, event: Event, light: str = "") -> str:
        return light


def an_event() -> Event:
    return own_event("go", {}, datetime.now(UTC), 0)


async def test_annotations_of_a_method_are_read_once_for_all_its_registrations(home: Home) -> None:
    reads = Reads()
    Level.read = 0
    for number in range(50):
        home.bus.on_state_change(reads.on_change, f"sensor.s{number}", name=f"s{number}")
    assert Level.read == 1


def test_facts_of_a_method_do_not_mix_with_those_of_other_registrations() -> None:
    reads = Reads()
    event = an_event()
    assert InjectionPlan(reads.with_argument, "event", {"light": "light.one"}).bind(event)() == "light.one"
    assert InjectionPlan(reads.with_argument, "event", {"light": "light.two"}).bind(event)() == "light.two"
    assert InjectionPlan(reads.with_argument, "event").bind(event)() == ""
    for _ in range(2):
        with pytest.raises(RegistrationError, match="light_id"):
            InjectionPlan(reads.with_argument, "event", {"light_id": "light.one"})
        with pytest.raises(RegistrationError, match="cannot be filled in"):
            InjectionPlan(reads.with_argument, "nothing")
    assert inspect_callable("handler", reads.on_event).runs_in == "async"
    assert inspect_callable("handler", reads.with_argument).runs_in == "sync"


def test_wrapper_that_copies_the_attributes_of_a_function_has_its_own_facts() -> None:
    def plain(event: Event) -> str:
        return "plain"

    assert inspect_callable("handler", plain).runs_in == "sync"
    InjectionPlan(plain, "event")

    @wraps(plain)
    async def wrapper() -> str:
        return "wrapper"

    del wrapper.__wrapped__
    assert inspect_callable("handler", wrapper).runs_in == "async"
    assert InjectionPlan(wrapper, "event").bind(an_event()) is not None
    assert inspect_callable("handler", partial(plain, an_event())).runs_in == "sync"


def test_change_of_the_expected_event_is_still_refused_after_a_known_registration() -> None:
    async def handler(event: StateChanged) -> None: ...

    InjectionPlan(handler, "change")
    with pytest.raises(RegistrationError, match="only a state change"):
        InjectionPlan(handler, "event")
