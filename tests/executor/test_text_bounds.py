"""Texts from apps and from Home Assistant are bounded where the executor takes them."""

import json
from typing import Any

import pytest

from hassette_executor import (
    CommandExecutor,
    EventTrigger,
    HomeChange,
    InvokeHandler,
    JobRegistration,
    ListenerRegistration,
    MemorySink,
    ServiceCall,
    SourceLocation,
    record_service_call,
)

LONG = "ü" * 1_000_000
MOST = 4_000
"""Number of characters of the longest text that is not a traceback."""


def texts(value: Any) -> list[str]:
    """Return all texts in a value of records."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for item in value.items() for text in texts(item)]
    if isinstance(value, tuple | list):
        return [text for item in value for text in texts(item)]
    fields = getattr(value, "__dataclass_fields__", ())
    return [text for name in fields for text in texts(getattr(value, name))]


def listener(**changes: Any) -> ListenerRegistration:
    fields = {"app": "hall", "instance": "main", "name": "on_motion", "topic": "state_changed", "handler": "f"}
    return ListenerRegistration(**{**fields, **changes})


@pytest.mark.parametrize("field", ["app", "instance", "name", "topic", "handler"])
def test_long_text_of_a_registration_is_cut_but_stays_different_from_others(field: str) -> None:
    one, same, other = (listener(**{field: text}) for text in (LONG, LONG, f"{LONG}x"))
    assert len(getattr(one, field)) == 500
    assert "…" in getattr(one, field)
    assert getattr(one, field) == getattr(same, field) != getattr(other, field)


def test_text_at_the_limit_is_not_changed() -> None:
    assert listener(name="x" * 500).name == "x" * 500
    assert listener(name="x" * 501).name.startswith("x" * 487 + "…")


def test_half_a_surrogate_pair_in_a_long_name_is_replaced() -> None:
    assert listener(name="\ud800" * 600).name.encode()


def test_settings_and_source_of_a_registration_are_bounded() -> None:
    job = JobRegistration(
        app="a",
        instance="b",
        name="c",
        schedule=LONG,
        handler="f",
        settings=tuple((f"{number}{LONG[:600]}", LONG) for number in range(200)),
        source=SourceLocation(file=LONG, line=1, snippet=LONG),
    )
    assert len(job.settings) == 50
    assert max(len(text) for text in texts(job)) <= MOST


async def test_every_text_that_an_app_can_record_is_bounded() -> None:
    sink = MemorySink()
    registration = listener(name=LONG)

    async def handler() -> None:
        call = ServiceCall(1, LONG, LONG, json.dumps({"entity_id": LONG}), LONG, 1, LONG, LONG)
        record_service_call(call)
        raise type(LONG[:70_000], (Exception,), {})(LONG)

    async with CommandExecutor(sink) as executor:
        executor.register(registration)
        executor.report(LONG, LONG, LONG)
        executor.set_session_facts(**{"time_zone": LONG, LONG[:600]: LONG})
        executor.count_skip(registration, LONG, trigger=EventTrigger(LONG, LONG, LONG, LONG, LONG), detail=LONG)
        executor.note(HomeChange(0, LONG, LONG, LONG, LONG, LONG, LONG))
        await executor.execute(
            InvokeHandler(registration=registration, call=handler, trigger=EventTrigger("x"), ready_ns=0)
        )
        assert await executor.force_flush()
    batches = list(sink.batches)
    found = [text for batch in batches for text in texts(batch)]
    assert len(found) > 20
    assert max(len(text) for text in found) <= MOST
    assert sum(len(text) for text in found) < 60_000
