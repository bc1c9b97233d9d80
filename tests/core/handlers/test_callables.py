"""What is told of a callable before it is ever called."""

import functools
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from hassette_core.errors import RegistrationError
from hassette_core.handlers import describe_callable
from hassette_executor import Status


async def noop() -> None: ...


def steps(*rest: object) -> Iterator[int]:
    yield 1


async def async_steps(*rest: object) -> AsyncIterator[int]:
    yield 1


class Holder:
    def steps(self, *rest: object) -> Iterator[int]:
        yield 1


class Stepwise:
    def __call__(self, *rest: object) -> Iterator[int]:
        yield 1


class AsyncStepwise:
    async def __call__(self, *rest: object) -> AsyncIterator[int]:
        yield 1


GENERATORS = [
    steps,
    async_steps,
    Holder().steps,
    Stepwise(),
    AsyncStepwise(),
    functools.partial(functools.partial(steps, 1), 2),
    functools.partial(Stepwise(), 1),
    lambda *rest: (yield 1),
]


@pytest.mark.parametrize("generator", GENERATORS)
async def test_what_has_a_yield_is_refused_wherever_it_is_given_since_calling_it_runs_nothing(
    house: Any, generator: Callable[..., Any]
) -> None:
    with pytest.raises(RegistrationError, match=r"handler=.* has a yield, so calling it runs nothing"):
        house.bus.on_state_change("light.a", handler=generator)
    for option in ("where", "changed_from", "changed_to", "on_error"):
        with pytest.raises(RegistrationError, match=f"{option}=.* has a yield"):
            house.bus.on_state_change("light.a", handler=noop, **{option: generator})
    with pytest.raises(RegistrationError, match=r"where=.* has a yield"):
        house.bus.on("button", handler=noop, where=generator)
    with pytest.raises(RegistrationError, match=r"handler=.* has a yield"):
        house.scheduler.run_in(generator, 1)
    with pytest.raises(RegistrationError, match=r"on_error=.* has a yield"):
        house.scheduler.run_every(noop, 1, on_error=generator)
    house.change("light.a", "on")
    await house.records(0)


def test_the_refusal_names_the_function() -> None:
    with pytest.raises(RegistrationError, match=r"^handler=Holder\.steps has a yield"):
        describe_callable("handler", Holder().steps)
    with pytest.raises(RegistrationError, match=r"^handler=Stepwise has a yield"):
        describe_callable("handler", Stepwise())


async def test_a_decorator_may_go_through_what_a_function_yields(house: Any, calls: list[Any]) -> None:
    def stepped(function: Callable[[], Iterator[int]]) -> Callable[[], None]:
        @functools.wraps(function)
        def all_of_it() -> None:
            calls.extend(function())

        return all_of_it

    @stepped
    def counting() -> Iterator[int]:
        yield from (1, 2, 3)

    house.bus.on_state_change("light.a", handler=counting)
    house.change("light.a", "on")
    (record,) = await house.records(1)
    assert record.status is Status.SUCCESS
    assert calls == [1, 2, 3]


async def test_a_class_is_called_to_make_an_object_whatever_calling_that_would_do(house: Any) -> None:
    house.bus.on_state_change("light.a", handler=Stepwise)
    house.change("light.a", "on")
    (record,) = await house.records(1)
    assert record.status is Status.SUCCESS


class Reminder:
    async def on_door(self) -> None:
        if self:
            await noop()


def test_the_snippet_of_a_method_is_code_as_it_stands_one_level_out() -> None:
    source = describe_callable("handler", Reminder().on_door).source
    assert source is not None
    assert source.snippet == "async def on_door(self) -> None:\n    if self:\n        await noop()"
