"""Question about failures that are not over."""

import json
from collections.abc import Sequence

from hassette_sync.answers.kinds import RegistrationRef
from hassette_sync.queries.failing import NEWEST_RESULTS
from hassette_sync.queries.registrations import SOME_REGISTRATIONS
from hassette_sync.questions.restrictions import disabled_ids
from hassette_sync.questions.rows import registration_ref
from hassette_sync.questions.silences import silenced_groups
from hassette_sync.reader import Parameters, ReadTransaction

MAX_CHECKED = 500
_MIN_FAILED = 2


async def failing_now(
    transaction: ReadTransaction, registrations: Sequence[int], *, limit: int
) -> tuple[tuple[RegistrationRef, ...], int]:
    """Return the first handlers and jobs whose failures are not over, and the number of all of them.

    The failures of a handler or job are over if its newest run succeeded and at most one of its newest ten runs failed.
    Retired and disabled handlers and jobs do not count, and neither do runs with a silenced error.

    Args:
        transaction: Read transaction of the question.
        registrations: Ids of handlers and jobs with failures, the most important first.
        limit: Maximum number of handlers and jobs in the answer.
    """
    silenced = json.dumps(list(await silenced_groups(transaction)))
    asked: Parameters = {"registrations": json.dumps(registrations), "silenced": silenced}
    results = await transaction.all(NEWEST_RESULTS, asked)
    not_over = {row["registration_id"] for row in results if row["newest_failed"] or row["failed"] >= _MIN_FAILED}
    failing = [id_ for id_ in registrations if id_ in not_over]
    shown: Parameters = {"registrations": json.dumps(failing[:limit]), "disabled": await disabled_ids(transaction)}
    rows = await transaction.all(SOME_REGISTRATIONS, shown)
    return tuple(map(registration_ref, sorted(rows, key=lambda row: failing.index(row["id"])))), len(failing)
