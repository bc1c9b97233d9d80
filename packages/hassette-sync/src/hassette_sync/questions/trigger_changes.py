"""Find the change that triggered an automation."""

from collections.abc import Sequence
from sqlite3 import Row

from hassette_store.ids import first_id_at, time_of
from hassette_sync.answers.explanations import StateChange
from hassette_sync.answers.kinds import EventTrigger
from hassette_sync.queries import causes as queries
from hassette_sync.questions.changes import RECORDED_LATER_US, change_of_row, change_of_run, is_row_of
from hassette_sync.questions.entities import HomeNames
from hassette_sync.questions.rows import run_of
from hassette_sync.reader import Parameters, ReadTransaction
from hassette_sync.time_range import MINUTE_US, SECOND_US

_NEAR_US = 2 * MINUTE_US


async def triggering_change(
    transaction: ReadTransaction, names: HomeNames, context: str, ran: Row | None, explained: Sequence[StateChange]
) -> tuple[StateChange, str | None, bool] | None:
    """Return the change with a context that triggered an automation, its user, and whether it was missed.

    If several changes have the context, it is the last change before the automation of an entity that the automation
    names, or else the last one of any entity. The record of the change may be later than that of the automation.

    Args:
        transaction: Read transaction of the question.
        names: Names of the home.
        context: The context.
        ran: The start of the automation; None if it is not recorded.
        explained: The explained changes. None of them is the trigger.
    """
    before_us = time_of(ran["id"]) if ran is not None else explained[-1].at_us if explained else None
    end_us = transaction.at_us if before_us is None else before_us
    before: Parameters = {"context_id": context, "end_id": first_id_at(end_us + SECOND_US)}
    rows = await transaction.all(queries.CHANGES_OF_CONTEXT, before)
    rows = [row for row in rows if not is_row_of(row, explained)]
    named = [row for row in rows if ran is not None and row["entity_id"] in (ran["detail"] or "").split()]
    if fitting := named or rows:
        in_time = [row for row in fitting if time_of(row["id"]) <= end_us + RECORDED_LATER_US]
        row = in_time[-1] if in_time else fitting[0]
        return await change_of_row(names, row), row["user_id"], False
    if before_us is None:
        return None
    # Changes of sensors are not recorded, but the runs that they triggered are.
    near = {"first_id": first_id_at(before_us - _NEAR_US), "end_id": first_id_at(before_us + _NEAR_US)}
    parameters: Parameters = {**near, "context_id": context, "examined": queries.EXAMINED, "limit": 10}
    for row in await transaction.all(queries.RUNS_OF_CONTEXT, parameters):
        run = run_of(row)
        found = await change_of_run(names, run)
        if found is not None and isinstance(run.trigger, EventTrigger):
            return found, run.trigger.user_id, run.trigger.missed
    return None
