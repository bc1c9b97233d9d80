"""Questions about silenced error groups. Until the end of the silence, their failures need no attention."""

import json
from collections.abc import Sequence

from hassette_sync.answers.errors import Silenced
from hassette_sync.queries import silences as queries
from hassette_sync.queries.errors import RECENT_COUNTS
from hassette_sync.reader import Parameters, ReadTransaction
from hassette_sync.time_range import TimeRange

_NEWEST = 20


async def silenced_groups(transaction: ReadTransaction) -> dict[int, int]:
    """Return the error groups that are silenced now with the ends of their silences, soonest end first."""
    rows = await transaction.once(queries.SILENCED, {"at_us": transaction.at_us})
    return {row["id"]: row["silenced_until_us"] for row in rows}


async def silenced(transaction: ReadTransaction) -> Silenced:
    """Return the number of silenced error groups and the soonest end of a silence."""
    ends = tuple((await silenced_groups(transaction)).values())
    return Silenced(errors=len(ends), first_end_us=ends[0] if ends else None)


async def silenced_failures(transaction: ReadTransaction, time_range: TimeRange) -> int:
    """Return the number of failures in a time range that belong to silenced error groups."""
    groups = list(await silenced_groups(transaction))
    if not groups:
        return 0
    within: Parameters = {
        "first_id": time_range.first_id,
        "end_id": time_range.end_id,
        "groups": json.dumps(groups),
    }
    return sum(row["count"] for row in await transaction.all(RECENT_COUNTS, within))


async def without_silenced(
    transaction: ReadTransaction, registrations: Sequence[int], time_range: TimeRange
) -> tuple[int, ...]:
    """Return the handlers and jobs with a failure that is not silenced, in their order.

    The answer is about the newest 20 failures of each handler and job in the time range.

    Args:
        transaction: Read transaction of the question.
        registrations: Ids of handlers and jobs with failures.
        time_range: Time range of the failures.
    """
    groups = list(await silenced_groups(transaction))
    if not groups:
        return tuple(registrations)
    asked: Parameters = {
        "registrations": json.dumps(registrations),
        "silenced": json.dumps(groups),
        "first_id": time_range.first_id,
        "end_id": time_range.end_id,
        "newest": _NEWEST,
    }
    left_out = {row["registration_id"] for row in await transaction.all(queries.SILENCED_REGISTRATIONS, asked)}
    return tuple(id_ for id_ in registrations if id_ not in left_out)
