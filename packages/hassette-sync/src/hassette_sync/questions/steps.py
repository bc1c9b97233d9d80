"""The steps of an explanation, from the first cause to the effect, as a page or the terminal lists them."""

from collections.abc import Iterator
from dataclasses import dataclass

from hassette_sync.answers.explanations import CallMade, Cause, Explained, StateChange
from hassette_sync.questions.targets import entities_of, others_of

_MAX_DEPTH = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One line of an explanation: a change, a cause or a service call.

    Attributes:
        depth: Indentation, from 0 to 6.
        at_us: Time of the step; None if it is not known.
        change: A change of a state.
        cause: A cause. A change that a device made has both.
        call: A service call.
        is_effect: Whether the step is the answer's own change, call or log line.
        text: Text of a log line.
    """

    depth: int
    at_us: int | None
    change: StateChange | None = None
    cause: Cause | None = None
    call: CallMade | None = None
    is_effect: bool = False
    text: str = ""


def steps_of(found: Explained) -> list[Step]:
    """Return the steps that led to a finding, the first cause first."""
    steps: list[Step] = []
    shown: set[tuple[int, str]] = set()
    for depth, cause in enumerate(reversed(found.causes)):
        steps += _steps_of_cause(cause, min(depth, _MAX_DEPTH), shown)
    depth = min(len(found.causes), _MAX_DEPTH)
    effect = Step(
        depth=depth,
        at_us=found.at_us,
        change=found.change,
        call=found.call if found.change is None else None,
        is_effect=True,
        text=found.text or "",
    )
    if effect.call is not None and steps and steps[-1].call == effect.call:
        steps.pop()
    return [*steps, effect]


def _steps_of_cause(cause: Cause, depth: int, shown: set[tuple[int, str]]) -> Iterator[Step]:
    change = cause.change
    key = (change.at_us, change.entity.entity_id) if change is not None else None
    if cause.kind == "device":
        # The device itself is the cause: its change and its cause are one line.
        yield Step(depth=depth, at_us=cause.at_us, change=change, cause=cause)
    else:
        if change is not None and key not in shown:
            yield Step(depth=depth, at_us=change.at_us, change=change)
        yield Step(depth=depth, at_us=cause.at_us, cause=cause)
    if key is not None:
        shown.add(key)
    if cause.call is not None:
        yield Step(depth=min(depth + 1, _MAX_DEPTH), at_us=cause.call.at_us, call=cause.call)


def target_text(target: str | None) -> str:
    """Return the target of a service call for display: ``light.hall, area kitchen``."""
    return ", ".join((*entities_of(target), *others_of(target))) or (target or "")
