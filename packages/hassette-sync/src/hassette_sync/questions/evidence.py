"""Evidence about an entity or a service in a time range: state changes, service calls, triggers without a run."""

from collections import defaultdict
from dataclasses import dataclass, field
from sqlite3 import Row

from hassette_store.ids import MAX_ID, first_id_at, time_of
from hassette_sync.answers.explanations import NotRunEntry, StateChange
from hassette_sync.answers.kinds import EventTrigger
from hassette_sync.answers.runs import Run
from hassette_sync.queries import causes as queries
from hassette_sync.queries.not_runs import not_runs_sql
from hassette_sync.questions.changes import change_of_row, change_of_run
from hassette_sync.questions.entities import HomeNames
from hassette_sync.questions.not_runs import sample_of
from hassette_sync.questions.rows import runs_of
from hassette_sync.questions.targets import entities_of
from hassette_sync.reader import Parameters, ReadTransaction
from hassette_sync.time_range import HOUR_US, MINUTE_US, SECOND_US, TimeRange

MAX_RELATED = 50
_MAX_EVIDENCE = 100
MAX_NEWEST = 40
LATER_END_US = 10 * MINUTE_US
"""A run has the id of its end. Answers about changes find it if it ended at most this long after its event or call."""
# Two records of one change differ by the delay of the event and by the wait before the run.
_SAME_CHANGE_US = 10 * SECOND_US
_LONGEST_DELAY_US = HOUR_US


@dataclass(slots=True, kw_only=True)
class FoundChange:
    """A state change, and what it led to.

    Attributes:
        change: The change.
        user_id: Id of the user in its context.
        missed: Whether it happened while Hassette was not connected to Home Assistant.
        is_recorded: Whether the change itself is recorded, and not only a run that it triggered.
        reactions: Runs that it triggered.
        not_run: Handlers that received it and did not run.
    """

    change: StateChange
    user_id: str | None
    missed: bool = False
    is_recorded: bool = False
    reactions: list[Run] = field(default_factory=list[Run])
    not_run: list[NotRunEntry] = field(default_factory=list[NotRunEntry])

    def is_same(self, change: StateChange) -> bool:
        """Return whether another record describes the same change."""
        mine, later_us = self.change, change.at_us - self.change.at_us
        if mine.context_id != change.context_id or mine.new_state != change.new_state:
            return False
        # A debounce or a duration delays the run, and so the time of the event that the run shows.
        latest_us = _LONGEST_DELAY_US if self.is_recorded else _SAME_CHANGE_US
        return self.missed or -_SAME_CHANGE_US <= later_us <= latest_us


def within(time_range: TimeRange, **more: object) -> Parameters:
    """Return the parameters of statements about runs and calls in a time range."""
    return {
        "first_id": time_range.first_id,
        "end_id": first_id_at(time_range.until_us + LATER_END_US),
        "since_us": time_range.since_us,
        "until_us": time_range.until_us,
        "examined": queries.EXAMINED,
        "limit": _MAX_EVIDENCE,
        **more,
    }


async def changes_of(
    transaction: ReadTransaction, names: HomeNames, entity_id: str, time_range: TimeRange, at_us: int | None
) -> list[FoundChange]:
    """Return the known changes of an entity, newest first, each with the runs that it triggered.

    Args:
        transaction: Read transaction of the question.
        names: Names of entities.
        entity_id: The entity.
        time_range: Time range of the changes.
        at_us: If there are too many changes, those around this moment are returned. None for the newest.
    """
    found: dict[tuple[str | None, str | None], list[FoundChange]] = defaultdict(list)

    def known_or_new(change: StateChange, user_id: str | None, missed: bool) -> FoundChange:
        same = found[change.context_id, change.new_state]
        matching = [one for one in same if one.is_same(change)]
        known = min(matching, key=lambda one: abs(one.change.at_us - change.at_us), default=None)
        if known is None:
            known = FoundChange(change=change, user_id=user_id, missed=missed)
            same.append(known)
        return known

    for row in await _recorded(transaction, entity_id, time_range, at_us):
        change = await change_of_row(names, row)
        same = FoundChange(change=change, user_id=row["user_id"], is_recorded=True)
        found[change.context_id, change.new_state].append(same)
    limit = MAX_NEWEST if at_us is None else _MAX_EVIDENCE
    rows = await transaction.all(queries.RUNS_OF_ENTITY, within(time_range, entity=entity_id, limit=limit))
    for run in runs_of(rows):
        change = await change_of_run(names, run)
        if change is None or not isinstance(run.trigger, EventTrigger) or run.trigger.immediate:
            continue
        if not time_range.since_us <= change.at_us < time_range.until_us:
            continue
        known = known_or_new(change, run.trigger.user_id, run.trigger.missed)
        known.reactions.append(run)
        # The run that waited least shows the time of the event best.
        if change.at_us < known.change.at_us and not known.is_recorded:
            known.change = change
    for sample in await not_runs_of(transaction, entity_id, time_range):
        trigger = sample.trigger
        change = await _change_of_sample(names, sample)
        if change is not None and isinstance(trigger, EventTrigger):
            known_or_new(change, trigger.user_id, trigger.missed).not_run.append(sample)
    return sorted((one for same in found.values() for one in same), key=lambda one: -one.change.at_us)


async def _recorded(
    transaction: ReadTransaction, entity_id: str, time_range: TimeRange, at_us: int | None
) -> list[Row]:
    middle = time_range.end_id if at_us is None else first_id_at(at_us)
    ranges = (
        (queries.CHANGES_BEFORE, time_range.first_id, middle),
        (queries.CHANGES_FROM, middle, time_range.end_id),
    )
    rows: list[Row] = []
    for statement, first_id, end_id in ranges:
        parameters = {"entity": entity_id, "first_id": first_id, "end_id": end_id, "limit": _MAX_EVIDENCE}
        rows += await transaction.all(statement, dict(parameters))
    return rows


async def near_changes(
    transaction: ReadTransaction, entity_id: str, time_range: TimeRange
) -> tuple[int | None, int | None]:
    """Return the times of the last recorded change of an entity before a range, and of the first one after it."""
    ends = (
        (queries.CHANGES_BEFORE, 0, time_range.first_id),
        (queries.CHANGES_FROM, time_range.end_id, MAX_ID),
    )
    found: list[int | None] = []
    for statement, first_id, end_id in ends:
        parameters: Parameters = {"entity": entity_id, "first_id": first_id, "end_id": end_id, "limit": 1}
        row = await transaction.one(statement, parameters)
        found.append(time_of(row["id"]) if row is not None else None)
    return found[0], found[1]


async def calls_by_home(
    transaction: ReadTransaction, time_range: TimeRange, *, service: str | None = None, entity_id: str | None = None
) -> list[Row]:
    """Return the calls of a service, or with an entity in their target, that no app made; newest first."""
    parameters = within(time_range, service=service, entity=entity_id) | {"end_id": time_range.end_id}
    rows = await transaction.all(queries.CALLS_BY_HOME, parameters)
    return [row for row in rows if row["service"] == service or entity_id in entities_of(row["target"])]


async def not_runs_of(transaction: ReadTransaction, entity_id: str, time_range: TimeRange) -> list[NotRunEntry]:
    """Return the stored triggers without a run whose event is about an entity, newest first."""
    parameters = {
        "since_us": time_range.since_us,
        "before_us": time_range.until_us,
        "cursor": 0,
        "limit": _MAX_EVIDENCE,
        "entity": entity_id,
    }
    return [sample_of(row) for row in await transaction.all(not_runs_sql(["entity"]), dict(parameters))]


async def _change_of_sample(names: HomeNames, sample: NotRunEntry) -> StateChange | None:
    trigger = sample.trigger
    if not isinstance(trigger, EventTrigger) or trigger.immediate or not trigger.entity_id:
        return None
    return StateChange(
        at_us=sample.at_us,
        entity=await names.entity(trigger.entity_id),
        old_state=trigger.old_state,
        new_state=trigger.new_state,
        context_id=trigger.context_id,
        parent_id=trigger.parent_id,
    )


async def calls_on(transaction: ReadTransaction, entity_id: str, time_range: TimeRange) -> list[Row]:
    """Return the service calls of apps that name an entity in their target, newest first."""
    rows = await transaction.all(queries.CALLS_ON_ENTITY, within(time_range, entity=entity_id))
    return [row for row in rows if entity_id in entities_of(row["target"])]


async def calls_of(transaction: ReadTransaction, service: str, time_range: TimeRange) -> list[Row]:
    """Return the calls of a service by apps, newest first."""
    return await transaction.all(queries.CALLS_OF_SERVICE, within(time_range, service=service))
