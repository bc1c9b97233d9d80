"""`PastState`, `Statistic`, `LogbookEntry`: the answers of Home Assistant's recorder as values."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

from hassette_core.errors import UnexpectedAnswerError

PastTime = datetime | timedelta
"""An aware `datetime`, or how long ago, as a `timedelta`."""

_T = TypeVar("_T")


class PastState(NamedTuple):
    """A state of the past. It has the names of `State`, but no context, because Home Assistant's history has none.

    Attributes:
        entity_id: For example ``sensor.hall_temperature``.
        state: For example ``21.5``.
        attributes: The attributes that the recorder keeps. Empty if they were not requested.
        last_changed: The time of the last change of `state` (timezone-aware, UTC).
        last_updated: The time of the last change of `state` or `attributes` (timezone-aware, UTC). For the first state
            of an answer, this is the start of the range.
    """

    entity_id: str
    state: str
    attributes: Mapping[str, Any]
    last_changed: datetime
    last_updated: datetime


class Statistic(NamedTuple):
    """A statistic of one period. A value that the statistic does not have, or that was not requested, is None.

    Attributes:
        start: Start of the period (timezone-aware, UTC).
        end: End of the period (timezone-aware, UTC).
        mean: Mean value.
        min: Smallest value.
        max: Largest value.
        state: Value at the end of the period.
        sum: Sum since the first record, for a meter.
        change: Growth of the sum in the period, for a meter.
    """

    start: datetime
    end: datetime
    mean: float | None = None
    min: float | None = None
    max: float | None = None
    state: float | None = None
    sum: float | None = None
    change: float | None = None


class LogbookEntry(NamedTuple):
    """An entry of Home Assistant's logbook.

    Attributes:
        when: The time (timezone-aware, UTC).
        name: The name of the entity, automation or integration.
        message: The text, such as ``triggered by state of binary_sensor.hall``. Empty for a change of state.
        state: The new state. None if the entry is not a change of state.
        entity_id: The entity. None if there is none.
        domain: The integration. None for most changes of state.
        user_id: The user who caused it. None if no user did.
        details: All fields of Home Assistant's answer, such as ``context_name``.
    """

    when: datetime
    name: str
    message: str
    state: str | None
    entity_id: str | None
    domain: str | None
    user_id: str | None
    details: Mapping[str, Any]


def past_time(option: str, value: PastTime, now: datetime) -> datetime:
    """Return a moment in UTC.

    Raises:
        ValueError: The value has no time zone.
        TypeError: The value is neither a datetime nor a timedelta.
    """
    if isinstance(value, timedelta):
        return now - value
    if not isinstance(value, datetime):  # pyright: ignore[reportUnnecessaryIsInstance]  apps are not always type-checked
        raise TypeError(f"{option} must be a datetime with a time zone or a timedelta, got {value!r}")
    if value.tzinfo is None:
        raise ValueError(f"{option} must have a time zone, got {value!r}; write datetime.now(UTC), for example")
    return value.astimezone(UTC)


def parse_history(action: str, answer: Any, known: Mapping[str, Sequence[PastState]]) -> dict[str, list[PastState]]:
    """Return the states in an answer to ``history/history_during_period``, by entity id.

    Args:
        action: The purpose of the request, for the error message.
        answer: The answer.
        known: The states of an earlier range. States that are not newer are left out.

    Raises:
        UnexpectedAnswerError: The answer has an unknown shape.
    """

    def parse(raw: Any) -> dict[str, list[PastState]]:
        found: dict[str, list[PastState]] = {}
        for entity_id, rows in raw.items():
            earlier = known.get(entity_id)
            after = earlier[-1].last_updated if earlier else None
            states = [_past_state(entity_id, row) for row in rows]
            found[entity_id] = [state for state in states if after is None or state.last_updated > after]
        return found

    return _parsed(action, answer, parse)


def _past_state(entity_id: str, row: Mapping[str, Any]) -> PastState:
    updated = _from_seconds(row["lu"])
    return PastState(
        str(entity_id),
        str(row["s"]),
        MappingProxyType(row.get("a") or {}),
        _from_seconds(row["lc"]) if "lc" in row else updated,
        updated,
    )


def parse_statistics(action: str, answer: Any) -> dict[str, list[Statistic]]:
    """Return the statistics in an answer to ``recorder/statistics_during_period``, by statistic id.

    Raises:
        UnexpectedAnswerError: The answer has an unknown shape.
    """
    values = Statistic._fields[2:]

    def parse(raw: Any) -> dict[str, list[Statistic]]:
        return {
            str(name): [
                Statistic(
                    _from_seconds(row["start"] / 1000),
                    _from_seconds(row["end"] / 1000),
                    **{key: row[key] for key in values if row.get(key) is not None},
                )
                for row in rows
            ]
            for name, rows in raw.items()
        }

    return _parsed(action, answer, parse)


def parse_logbook(action: str, answer: Any) -> list[LogbookEntry]:
    """Return the entries in an answer to ``logbook/get_events``, oldest first.

    Raises:
        UnexpectedAnswerError: The answer has an unknown shape.
    """

    def parse(raw: Any) -> list[LogbookEntry]:
        return [
            LogbookEntry(
                _from_seconds(row["when"]) if isinstance(row["when"], int | float) else _from_text(row["when"]),
                str(row.get("name") or ""),
                str(row.get("message") or ""),
                row.get("state"),
                row.get("entity_id"),
                row.get("domain"),
                row.get("context_user_id"),
                MappingProxyType(row),
            )
            for row in raw
        ]

    return _parsed(action, answer, parse)


def _parsed(action: str, answer: Any, parse: Callable[[Any], _T]) -> _T:
    try:
        return parse(answer)
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise UnexpectedAnswerError(action, repr(error)) from None


def _from_seconds(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _from_text(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
