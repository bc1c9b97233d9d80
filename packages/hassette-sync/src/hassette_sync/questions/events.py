"""Questions about the events of the framework: its lifecycle, versions of apps, stalls, alerts and actions of users."""

import json
from dataclasses import dataclass
from typing import Final

from hassette_sync.answers.logs import EventsPage, FrameworkEvent
from hassette_sync.errors import BadQuestionError
from hassette_sync.formatting import replace_surrogates
from hassette_sync.queries import events as queries
from hassette_sync.questions.paging import DEFAULT_LIMIT, check_limit, id_below
from hassette_sync.questions.periods import resolve
from hassette_sync.questions.runs import check_text, known_app, search_text
from hassette_sync.reader import Parameters, ReadTransaction
from hassette_sync.time_range import TimeRange

ROUTINE: Final = (
    *("service_starting", "service_started", "service_stopping", "service_stopped", "app_started", "app_stopped"),
)
"""Kinds of ordinary starts and stops. Each session has about forty of them."""

PREFIXES: Final = {"deploy": "app_changed", "stall": "loop_blocked", "alert": "alert", "control": "control_"}
"""Beginning of the kinds of the events in each group except ``lifecycle``, which has all other kinds."""

GROUPS: Final = ("lifecycle", *PREFIXES)


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameworkEventFilter:
    """Filter on events. A field of None does not filter.

    Attributes:
        group: ``lifecycle``, ``deploy``, ``stall``, ``alert`` or ``control``.
        app: Key of the app that the event is about.
        text: Text within the kind, the subject or the detail, at most 200 characters. Case does not matter.
        routine: If false, ordinary starts and stops are left out.
    """

    group: str | None = None
    app: str | None = None
    text: str | None = None
    routine: bool = True

    def __post_init__(self) -> None:
        if self.group is not None and self.group not in GROUPS:
            raise BadQuestionError(f"must be one of {', '.join(GROUPS)}, got {self.group[:40]!r}.", parameter="group")
        check_text(self.text)


async def events_page(
    transaction: ReadTransaction,
    event_filter: FrameworkEventFilter = FrameworkEventFilter(),
    time_range: TimeRange | None = None,
    *,
    cursor: str | None = None,
    limit: int = DEFAULT_LIMIT,
) -> EventsPage:
    """Return one page of events, newest first.

    Args:
        transaction: Read transaction of the question.
        event_filter: Filter on the events.
        time_range: Time range of the events.
        cursor: ``next_cursor`` of the page before.
        limit: Maximum number of events.
    """
    check_limit(limit)
    time_range = await resolve(transaction, time_range)
    parameters: Parameters = {
        "cursor": min(id_below(cursor), time_range.end_id),
        "first_id": time_range.first_id,
        "limit": limit + 1,
    }
    conditions = await _conditions(transaction, event_filter, parameters)
    rows = await transaction.all(queries.events_sql(conditions), parameters)
    events = tuple(FrameworkEvent(**dict(row), group=_group_of(row["kind"])) for row in rows[:limit])
    return EventsPage(
        events=events,
        next_cursor=str(events[-1].id) if len(rows) > limit else None,
        since_us=time_range.since_us,
        until_us=time_range.until_us,
    )


def _group_of(kind: str) -> str:
    return next((group for group, prefix in PREFIXES.items() if kind.startswith(prefix)), "lifecycle")


async def _conditions(transaction: ReadTransaction, wanted: FrameworkEventFilter, parameters: Parameters) -> list[str]:
    """Return the names of the conditions of a filter. Add their values to ``parameters``."""
    conditions: list[str] = []
    if wanted.group is not None:
        prefix = PREFIXES.get(wanted.group)
        conditions.append("not_prefixed" if prefix is None else "prefixed")
        parameters["prefixes"] = json.dumps(list(PREFIXES.values()) if prefix is None else [prefix])
    if not wanted.routine:
        conditions.append("notable")
        parameters["routine"] = json.dumps(ROUTINE)
    if wanted.app is not None:
        conditions.append("app")
        parameters["app"] = await known_app(transaction, replace_surrogates(wanted.app))
    if (text := search_text(wanted.text)) is not None:
        conditions.append("text")
        parameters["text"] = text
    return conditions
