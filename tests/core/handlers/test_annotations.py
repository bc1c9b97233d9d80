"""Annotations of handlers are resolved where possible. Otherwise the error names handler, parameter and fix."""

import importlib.util
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from hassette_core.errors import RegistrationError
from hassette_executor import Status
from support.home import Home

HEAD = """
import functools
from typing import TYPE_CHECKING, Annotated, Optional
from hassette_core import State as Whatever
CALLS = []
if TYPE_CHECKING:
    from decimal import Decimal
    from hassette_core import Attr, EntityId, Event, NewState, NewValue, StateChanged
def boom():
    raise ValueError("boom")
"""
FUTURE = "from __future__ import annotations\n"
LATE = sys.version_info >= (3, 14)
"""Whether Python evaluates annotations late, even without the future import."""

Load = Callable[[str], ModuleType]


@pytest.fixture(params=[FUTURE, ""] if LATE else [FUTURE], ids=lambda head: "future" if head else "plain")
def load(request: pytest.FixtureRequest, tmp_path: Path) -> Load:
    """Return a function that imports a module whose annotations are evaluated late."""

    def load(text: str) -> ModuleType:
        file = tmp_path / "handlers_of_a_test.py"
        file.write_text(request.param + HEAD + textwrap.dedent(text), encoding="utf-8")
        spec = importlib.util.spec_from_file_location("handlers_of_a_test", file)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


RESOLVED = {
    "a name of hassette_core": "async def handler(event: StateChanged): CALLS.append(event.entity_id)",
    "a quoted name": "async def handler(event: 'StateChanged'): CALLS.append(event.entity_id)",
    "a union": "async def handler(new: NewState | None): CALLS.append('light.a')",
    "a quoted union": "async def handler(new: 'NewState | None'): CALLS.append('light.a')",
    "Optional": "async def handler(new: Optional['NewState']): CALLS.append('light.a')",
    "Annotated": "async def handler(x: Annotated[str, NewValue()], id: EntityId): CALLS.append(id)",
    "a name inside Annotated": "async def handler(x: Annotated['str | None', Attr('b')], i: EntityId): CALLS.append(i)",
    "an unknown return type": "async def handler(event: Event) -> Decimal: CALLS.append(event.entity_id)",
    "unknown *args": "async def handler(id: EntityId, *args: Decimal, **more: Decimal): CALLS.append(id)",
    "an unknown type of a default": "async def handler(id: EntityId, x: Decimal = 3): CALLS.append(id)",
    "an unknown type of a default whose name contains State": (
        "async def handler(id: EntityId, x: LightState = 3): CALLS.append(id)"
    ),
    "a default whose annotation fails": "async def handler(id: EntityId, x: boom() = 3): CALLS.append(id)",
    "a partial": "async def one(x: Decimal, id: EntityId): CALLS.append(id)\nhandler = functools.partial(one, 3)",
    "a bound method": """
        class Lamp:
            Light = Annotated[Whatever, 3]
            async def one(self, id: EntityId, light: Light = None): CALLS.append(id)
        handler = Lamp().one
        """,
    "a partial of a method": """
        class Lamp:
            async def one(self, x: Decimal, id: EntityId): CALLS.append(id)
        handler = functools.partial(Lamp().one, 3)
        """,
    "a decorated function": """
        def log(function):
            @functools.wraps(function)
            async def call(*args, **more): return await function(*args, **more)
            return call
        @log
        async def handler(id: EntityId): CALLS.append(id)
        """,
    "an object with __call__": """
        class Lamp:
            async def __call__(self, id: EntityId): CALLS.append(id)
        handler = Lamp()
        """,
    "a name of the enclosing function": """
        def make():
            Mine = Annotated[str, NewValueNow()]
            async def handler(x: Mine, id: EntityId):
                Mine
                CALLS.append(id)
            return handler
        from hassette_core import NewValue as NewValueNow
        handler = make()
        """,
}
if sys.version_info >= (3, 12):
    RESOLVED["a type parameter"] = "async def handler[T: str](id: EntityId, x: T = 'a'): CALLS.append(id)"
    RESOLVED["a type parameter of the class"] = """
        class Lamp[T]:
            async def one(self, id: EntityId, x: T | None = None): CALLS.append(id)
        handler = Lamp[int]().one
        """


@pytest.mark.parametrize("case", RESOLVED)
async def test_annotation_is_resolved_where_possible(home: Home, load: Load, case: str) -> None:
    module = load(RESOLVED[case])
    home.bus.on_state_change(module.handler, "light.a")
    home.change("light.a", "on", b="1")
    (record,) = await home.records(1)
    assert record.status is Status.SUCCESS, record.failure
    assert module.CALLS == ["light.a"]


BROKEN = {
    "an unknown type": ("x: Decimal", "NameError: .*Decimal.*import that name at runtime, not under TYPE_CHECKING"),
    "an unknown part": ("x: Annotated[Decimal, NewValue()]", "NameError: .*Decimal.*not under TYPE_CHECKING"),
    "a quoted unknown part": ("x: 'Annotated[Decimal, NewValue()]'", "NameError: .*Decimal.*not under TYPE_CHECKING"),
    "an unknown marker": ("x: Annotated[str, Unknown('b')]", "NameError: .*Unknown"),
    "an unknown part of a default": ("x: Annotated[Decimal, Attr('b')] = 3", "NameError: .*Decimal"),
    "an unknown optional": ("x: Decimal | None", "NameError: .*Decimal"),
    "a half-quoted union": ("x: 'NewState' | None", "TypeError: .*None must be inside the quotes"),
    "a ValueError": ("x: boom()", "ValueError: boom"),
    "a ZeroDivisionError": ("x: 1 / 0", "ZeroDivisionError"),
    "a missing attribute": ("x: functools.nothing", "AttributeError"),
}


@pytest.mark.parametrize("case", BROKEN)
async def test_annotation_that_cannot_be_evaluated_is_rejected_with_handler_parameter_and_fix(
    home: Home, load: Load, case: str
) -> None:
    annotation, text = BROKEN[case]
    module = load(f"async def handler(id: EntityId, *, {annotation}): ...")
    with pytest.raises(RegistrationError, match=text) as raised:
        home.bus.on_state_change(module.handler, "light.a")
    assert str(raised.value).startswith("handler handler has an annotation that cannot be evaluated: ")
    assert "(parameter 'x')" in str(raised.value)


@pytest.mark.parametrize("annotation", ["Decimal", "boom()"])
async def test_job_needs_no_annotation(home: Home, load: Load, annotation: str) -> None:
    module = load(f"async def handler(x: {annotation} = 3): CALLS.append(x)")
    home.scheduler.run_in(module.handler, 1)
    await home.pass_time(1)
    await home.records(1)
    assert module.CALLS == [3]


async def test_parameter_of_a_job_without_a_default_is_rejected(home: Home, load: Load) -> None:
    module = load("async def handler(x: Decimal): ...")
    with pytest.raises(RegistrationError, match=r'x: .*Decimal.*pass it in kwargs=\{"x": ...\}'):
        home.scheduler.run_in(module.handler, 1)


async def test_annotation_of_code_without_a_file_is_rejected_with_the_handler(home: Home) -> None:
    names: dict[str, Any] = {}
    exec("async def handler(x: 'Nothing'): ...", names)
    with pytest.raises(RegistrationError, match=r"handler handler has an annotation .*Nothing"):
        home.bus.on_state_change(names["handler"], "light.a")


async def test_method_without_self_is_refused_with_that_reason(home: Home) -> None:
    class Lamp:
        async def on_motion() -> None: ...  # type: ignore[misc]

    with pytest.raises(
        RegistrationError, match=r"on_motion is a method without the parameter self: write on_motion\(self"
    ):
        home.bus.on_state_change(Lamp().on_motion, "light.hall")
