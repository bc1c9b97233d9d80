"""Inspection of callables at registration."""

import functools
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hassette_core.errors import RegistrationError
from hassette_core.handlers import inspect_callable
from hassette_executor import Status
from support.home import Home
from support.records import nothing
from support.waiting import patience


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
async def test_generator_function_is_rejected_for_every_option(home: Home, generator: Callable[..., Any]) -> None:
    with pytest.raises(RegistrationError, match=r"handler must not contain a yield, got .*: calling it runs nothing"):
        home.bus.on_state_change(generator, "light.a")
    for option in ("where", "changed_from", "changed_to", "on_error"):
        with pytest.raises(RegistrationError, match=f"{option} must not contain a yield"):
            home.bus.on_state_change(nothing, "light.a", **{option: generator})
    with pytest.raises(RegistrationError, match=r"where must not contain a yield"):
        home.bus.on_event(nothing, "button", where=generator)
    with pytest.raises(RegistrationError, match=r"handler must not contain a yield"):
        home.scheduler.run_in(generator, 1)
    with pytest.raises(RegistrationError, match=r"on_error must not contain a yield"):
        home.scheduler.run_every(nothing, 1, on_error=generator)
    home.change("light.a", "on")
    await home.records(0)


def test_error_names_the_generator_function() -> None:
    with pytest.raises(RegistrationError, match=r"^handler must not contain a yield, got .*Holder\.steps"):
        inspect_callable("handler", Holder().steps)
    with pytest.raises(RegistrationError, match=r"^handler must not contain a yield, got .*Stepwise"):
        inspect_callable("handler", Stepwise())


async def test_decorated_generator_function_is_accepted(home: Home, calls: list[Any]) -> None:
    def stepped(function: Callable[[], Iterator[int]]) -> Callable[[], None]:
        @functools.wraps(function)
        def run_all() -> None:
            calls.extend(function())

        return run_all

    @stepped
    def counting() -> Iterator[int]:
        yield from (1, 2, 3)

    home.bus.on_state_change(counting, "light.a")
    home.change("light.a", "on")
    (record,) = await home.records(1)
    assert record.status is Status.SUCCESS
    assert calls == [1, 2, 3]


async def test_class_may_be_a_handler_and_each_run_creates_an_object(home: Home) -> None:
    home.bus.on_state_change(Stepwise, "light.a")
    home.change("light.a", "on")
    (record,) = await home.records(1)
    assert record.status is Status.SUCCESS


class Reminder:
    async def on_door(self) -> None:
        if self:
            await nothing()


def test_snippet_of_a_method_is_dedented() -> None:
    source = inspect_callable("handler", Reminder().on_door).source
    assert source is not None
    assert source.snippet == "async def on_door(self) -> None:\n    if self:\n        await nothing()"


def function_of(file: Path, source: str, *, more: str = "") -> Callable[[], None]:
    """Return the function ``run`` of a source file with this text, and with more text that Python does not compile."""
    file.write_text(source + more)
    space: dict[str, Any] = {"__name__": "app"}
    exec(compile(source, str(file), "exec"), space)
    return space["run"]


def test_handler_in_a_line_of_megabytes_is_inspected_at_once(tmp_path: Path) -> None:
    """Python's tokenizer needs 15 s for such a line, and would block the event loop."""
    run = function_of(tmp_path / "one.py", "def run(): pass", more=f"; table = [{'1,' * 1_350_000}]\n")
    began = time.thread_time()  # the load of the machine affects this time little
    source = inspect_callable("handler", run).source
    assert time.thread_time() - began < patience(5)
    assert source is not None
    assert source.snippet.startswith("def run(): pass; table = [1,1,")
    assert len(source.snippet) <= 600


@pytest.mark.parametrize("body", ["    x = (\n" + "        1 +\n" * 20 + "    1)\n", "    x = 1\n" * 20, "    pass\n"])
def test_snippet_consists_of_the_first_lines_of_the_handler(tmp_path: Path, body: str) -> None:
    source = inspect_callable("handler", function_of(tmp_path / "app.py", f"def run():\n{body}\n\nother = 1\n")).source
    assert source is not None
    assert source.snippet.splitlines() == ["def run():", *body.splitlines()[:7]]


def test_class_whose_objects_are_async_is_itself_not_async() -> None:
    class Lamp:
        async def __call__(self) -> None: ...

    assert inspect_callable("handler", Lamp).runs_in == "sync"
    assert inspect_callable("handler", Lamp()).runs_in == "async"
