"""Parse the states in Home Assistant's answers."""

import logging
from typing import Any, NamedTuple, cast

from hassette_core.errors import UnexpectedAnswerError
from hassette_core.events import State, parse_state
from hassette_core.link.messages import describe

logger = logging.getLogger(__name__)

MAX_NAMED = 10
"""Maximum number of malformed states that one log line names."""

_MALFORMED = (LookupError, TypeError, ValueError, AttributeError, OverflowError)


class ParsedStates(NamedTuple):
    """The answer to ``get_states``.

    Attributes:
        states: The states.
        malformed: The entity ids of malformed states. It contains None if a malformed state has no entity id.
    """

    states: list[State]
    malformed: frozenset[str | None]


def parse_states(raw: Any) -> ParsedStates:
    """Parse the answer to ``get_states``. Log malformed states and leave them out.

    Raises:
        UnexpectedAnswerError: The answer is not a list.
    """
    if type(raw) is not list:
        raise UnexpectedAnswerError("fetch the states", f"expected a list, got {describe(raw)}")
    states: list[State] = []
    problems: dict[str, str] = {}
    malformed: set[str | None] = set()
    for position, item in enumerate(cast("list[Any]", raw)):
        try:
            states.append(parse_state(item))
        except _MALFORMED as error:
            found = cast("dict[str, Any]", item).get("entity_id") if type(item) is dict else None
            entity_id = found if isinstance(found, str) else None
            malformed.add(entity_id)
            problems[entity_id or f"number {position + 1}"] = repr(error)
    if problems:
        named = "; ".join(f"{name}: {problem}" for name, problem in list(problems.items())[:MAX_NAMED])
        logger.warning(
            "States of Home Assistant have an unknown shape; their entities are left out",
            extra={"count": len(problems), "problem": named},
        )
    return ParsedStates(states, frozenset(malformed))


def parse_one_state(action: str, raw: Any) -> State:
    """Parse an answer that consists of one state.

    Raises:
        UnexpectedAnswerError: The state has an unknown shape.
    """
    try:
        return parse_state(raw)
    except _MALFORMED as error:
        raise UnexpectedAnswerError(action, repr(error)) from None
