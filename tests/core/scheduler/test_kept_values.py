"""Values of persistent timers: the values that the file cannot hold are rejected, and the others are copied."""

from pathlib import Path
from typing import Any

import pytest

from hassette_core.clock import ManualClock
from hassette_core.errors import RegistrationError
from support.kept_timers import process


@pytest.mark.parametrize(
    ("kwargs", "named"),
    [
        ({"light": {"rooms": [1, {2}]}}, r"light\['rooms'\]\[1\]=\{2\}"),
        ({"light": [(1, 2)]}, r"light\[0\]=\(1, 2\)"),
        ({"light": {1: "a"}}, r"light=\{1: 'a'\}: the keys of a table must be texts"),
        ({"light": "\ud800"}, r"light='\\ud800': a text must not contain half of a surrogate pair"),
        ({"light": {"\udfff": 1}}, r"light=.*: the keys of a table must be texts"),
        ({"light": float("inf")}, "light=inf: a number must be finite"),
        ({"light": 10**5_000}, "light='one of 16610 bits': a number must have at most 10000 bits"),
        ({"light": b"x"}, "light=b'x'"),
    ],
)
async def test_argument_that_json_cannot_hold_is_rejected_with_its_place(
    file: Path, clock: ManualClock, kwargs: Any, named: str
) -> None:
    async with process(file, clock) as first:
        with pytest.raises(RegistrationError, match=f"kwargs must contain JSON values for persist, got {named}"):
            first.scheduler.run_in(first.app.off, 60, persist=True, kwargs=kwargs)
        assert first.scheduler.jobs() == ()


async def test_argument_that_is_nested_without_end_is_rejected(file: Path, clock: ManualClock) -> None:
    endless: list[Any] = []
    endless.append(endless)
    async with process(file, clock) as first:
        with pytest.raises(RegistrationError, match="lists and tables must not be nested deeper than 100"):
            first.scheduler.run_in(first.app.off, 60, persist=True, kwargs={"light": endless})


@pytest.mark.parametrize("options", [{"name": "a\ud800"}, {"group": "\udfff"}])
@pytest.mark.parametrize("persist", [True, False])
async def test_name_with_half_of_a_surrogate_pair_is_rejected(
    file: Path, clock: ManualClock, options: Any, persist: bool
) -> None:
    async with process(file, clock) as first:
        with pytest.raises(RegistrationError, match=r"(name|group) must be a text without half of a surrogate pair"):
            first.scheduler.run_in(first.app.off, 60, persist=persist, **options)
        with pytest.raises(RegistrationError, match="name must be a text without half"):
            first.scheduler.group("\ud800")


async def test_arguments_that_change_after_the_registration_change_no_run(file: Path, clock: ManualClock) -> None:
    rooms: list[Any] = ["hall"]
    async with process(file, clock) as first:
        first.scheduler.run_in(first.app.off, 60, kwargs={"light": rooms}, name="early", persist=True)
        first.scheduler.run_in(first.app.off, 600, kwargs={"light": rooms}, persist=True)
        rooms.append(object())  # JSON cannot hold it
        clock.advance(60)
        assert await first.calls() == [["hall"]]
        first.app.calls[0].append({1})  # a handler may change its arguments
        first.scheduler.run_in(first.app.turn_off, 700, persist=True)
    async with process(file, clock) as second:
        assert [job.name for job in second.scheduler.jobs()] == ["off", "turn_off"]
        clock.advance(600)
        assert await second.calls() == [["hall"]]
