"""Find the author of an action: the visitor who started a job by hand, or disabled an app."""

import json
import re

from hassette_store.ids import first_id_at
from hassette_sync.answers.runs import Run
from hassette_sync.queries.why_not import LAST_EVENT
from hassette_sync.reader import ReadTransaction
from hassette_sync.time_range import SECOND_US

_AROUND_US = 2 * SECOND_US
_EXAMINED = 1_000
_REQUESTED_BY = re.compile(r" Requested by (.+)\.$")


async def requester_of(transaction: ReadTransaction, run: Run) -> str | None:
    """Return who requested a manual run with the page, the API or the terminal; None if no request is recorded."""
    ref, offered_us = run.registration, run.started_us - run.waited_us
    names = (ref.title, f"{ref.app}.{ref.name}", f"{ref.app}.{ref.instance}.{ref.name}")
    row = await transaction.one(
        LAST_EVENT,
        {
            "first_id": first_id_at(offered_us - _AROUND_US),
            "end_id": first_id_at(offered_us + _AROUND_US),
            "examined": _EXAMINED,
            "subjects": json.dumps(names),
            "kinds": json.dumps(["control_run_job"]),
        },
    )
    return None if row is None else author_in(row["detail"])


def author_in(detail: str) -> str | None:
    """Return the author in the detail of an event about an action; None if it names none."""
    found = _REQUESTED_BY.search(detail)
    return None if found is None else found.group(1)
