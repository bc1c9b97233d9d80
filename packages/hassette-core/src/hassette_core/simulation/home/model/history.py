"""`HomeHistory`: the past states of the simulated home, for history, statistics and the logbook."""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from hassette_core.simulation.home.core import HomeContext, HomeCore, Json

MAX_ROWS = 20_000
"""The history keeps this many newest states."""
MAX_CAUSES = 2_000
"""The history keeps this many newest causes, for the logbook. With more of them, a demo would grow for hours."""
PERIODS = {
    "5minute": timedelta(minutes=5),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(days=7),
    "month": timedelta(days=30),
}


class RecordedState(NamedTuple):
    """A state of an entity, and the time from which it held."""

    entity_id: str
    since: datetime
    state: str
    attributes: Mapping[str, Any]
    context: HomeContext


class HomeHistory:
    """The newest states of all entities, in memory.

    Args:
        core: The states and events of the home.
    """

    def __init__(self, core: HomeCore) -> None:
        self._core = core
        self._rows: deque[RecordedState] = deque(maxlen=MAX_ROWS)
        self._causes: dict[str, Json] = {}
        core.listen_to_changes(self._on_change)
        for event_type in ("call_service", "automation_triggered", "script_started"):
            core.listen(event_type, self._on_cause)

    def add(self, entity_id: str, since: datetime, state: object, attributes: Mapping[str, Any] | None = None) -> None:
        """Add a past state, which listeners do not see.

        Raises:
            ValueError: ``since`` is naive, or is not in the past.
        """
        if since.tzinfo is None or since > self._core.clock.now():
            raise ValueError(f"since must be an aware datetime in the past, got {since!r}")
        row = RecordedState(entity_id, since, str(state), dict(attributes or {}), self._core.context())
        self._rows = deque(sorted([*self._rows, row], key=lambda each: each.since), maxlen=MAX_ROWS)

    def states(
        self, entity_id: str, start: datetime, end: datetime, *, with_first: bool = True, significant: bool = False
    ) -> list[RecordedState]:
        """Return the states of an entity in a period.

        Args:
            entity_id: The entity.
            start: The start of the period.
            end: The end of the period.
            with_first: Whether the result begins with the state at ``start``.
            significant: Whether the result leaves out changes of attributes only.
        """
        first: RecordedState | None = None
        found: list[RecordedState] = []
        for row in self._rows:
            if row.entity_id != entity_id or row.since > end:
                continue
            if row.since <= start:
                first = row._replace(since=start)
            elif not (significant and (found or [first])[-1:] and self._same(found[-1] if found else first, row)):
                found.append(row)
        return [first, *found] if with_first and first is not None else found

    def statistics(self, entity_id: str, start: datetime, end: datetime, period: str) -> list[Json]:
        """Return mean, minimum and maximum of a numeric entity for each period.

        Raises:
            KeyError: There is no such period.
        """
        step = PERIODS[period]
        rows: list[Json] = []
        begin = start.replace(minute=start.minute // 5 * 5 if period == "5minute" else 0, second=0, microsecond=0)
        if step >= timedelta(days=1):
            begin = begin.replace(hour=0)
        end = min(end, self._core.clock.now())
        states = self.states(entity_id, begin, end)
        values = [(state.since, value) for state in states if (value := _number(state.state)) is not None]
        while values and begin < end:
            until = min(begin + step, end)
            inside = [(since, value) for since, value in values if begin < since < until]
            before = [value for since, value in values if since <= begin]
            spans = [*([(begin, before[-1])] if before else []), *inside]
            if spans:
                numbers = [value for _, value in spans]
                ends = [since for since, _ in spans[1:]] + [until]
                weighted = sum(
                    value * (over - since).total_seconds() for (since, value), over in zip(spans, ends, strict=True)
                )
                rows.append(
                    {
                        "start": _milliseconds(begin),
                        "end": _milliseconds(begin + step),
                        "mean": weighted / (until - spans[0][0]).total_seconds(),
                        "min": min(numbers),
                        "max": max(numbers),
                        "state": numbers[-1],
                        "sum": numbers[-1],
                        "change": numbers[-1] - numbers[0],
                    }
                )
            begin += step
        return rows

    def logbook(
        self, start: datetime, end: datetime, entity_ids: Iterable[str] | None, context_id: str | None
    ) -> list[Json]:
        """Return the entries of the logbook in a period, oldest first."""
        wanted = None if entity_ids is None else set(entity_ids)
        entries: list[Json] = []
        seen: dict[str, str] = {}
        for row in self._rows:
            is_change = seen.get(row.entity_id) not in (None, row.state)
            seen[row.entity_id] = row.state
            if (
                not is_change
                or not start <= row.since <= end
                or (wanted is not None and row.entity_id not in wanted)
                or (context_id is not None and row.context.id != context_id)
                or "unit_of_measurement" in row.attributes
            ):
                continue
            entry: Json = {"when": row.since.timestamp(), "state": row.state, "entity_id": row.entity_id}
            if row.context.user_id is not None:
                entry["context_user_id"] = row.context.user_id
            entries.append(entry | self._causes.get(row.context.id, {}))
        return entries

    def _on_change(self, entity_id: str, _old: Json | None, new: Json | None, context: HomeContext) -> None:
        if new is not None:
            since = datetime.fromisoformat(new["last_updated"])
            self._rows.append(RecordedState(entity_id, since, new["state"], new["attributes"], context))

    def _on_cause(self, event: Json) -> None:
        data, context_id = event["data"], event["context"]["id"]
        if not {"domain", "service"} <= data.keys() and not {"entity_id", "name"} <= data.keys():
            return  # a client has fired the event
        cause: Json = {"context_event_type": event["event_type"]}
        if "service" in data:
            cause |= {"context_domain": data["domain"], "context_service": data["service"]}
        else:
            cause |= {
                "context_domain": data["entity_id"].partition(".")[0],
                "context_name": data["name"],
                "context_entity_id": data["entity_id"],
            }
        self._causes.setdefault(context_id, cause)
        while len(self._causes) > MAX_CAUSES:
            del self._causes[next(iter(self._causes))]

    def _same(self, before: RecordedState | None, row: RecordedState) -> bool:
        return before is not None and before.state == row.state


def history_rows(states: Iterable[RecordedState], *, with_attributes: bool) -> Iterator[Json]:
    """Yield states in the form of ``history/history_during_period``."""
    changed: datetime | None = None
    before: str | None = None
    for state in states:
        if state.state != before:
            changed, before = state.since, state.state
        row: Json = {"s": state.state, "a": dict(state.attributes) if with_attributes else {}}
        row["lu"] = state.since.timestamp()
        if changed is not None and changed != state.since:
            row["lc"] = changed.timestamp()
        yield row


def _number(state: str) -> float | None:
    try:
        value = float(state)
    except ValueError:
        return None
    return value if value - value == 0 else None  # neither infinite nor NaN


def _milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
