"""Questions about disabled and rehearsing apps and paused jobs."""

import json
from collections.abc import Sequence
from typing import Final, Literal

from hassette_sync.answers.overview import Restriction
from hassette_sync.control import Control
from hassette_sync.formatting import job_title, replace_surrogates
from hassette_sync.queries.events import ACTIONS
from hassette_sync.queries.registrations import MEMBERS_OF_DISABLED
from hassette_sync.questions.sessions import newest_session
from hassette_sync.reader import ReadTransaction

_EXAMINED: Final = 5_000
_Kind = Literal["disabled", "rehearsing", "paused"]
_BEGINS: Final[dict[str, _Kind]] = {
    "control_disable_app": "disabled",
    "control_rehearse_app": "rehearsing",
    "control_pause_job": "paused",
}
_ENDS: Final[dict[str, _Kind]] = {
    "control_enable_app": "disabled",
    "control_end_rehearsal": "rehearsing",
    "control_resume_job": "paused",
}
_ORDER: Final = tuple(_BEGINS.values())


def present_restrictions(control: Control) -> tuple[Restriction, ...]:
    """Return the restrictions in the running framework."""
    apps = control.apps()
    disabled = [_present("disabled", one.app) for one in apps if not one.enabled]
    rehearsing = [_present("rehearsing", one.app) for one in apps if one.rehearses]
    paused = [_present("paused", job_title(".".join(job))) for job in control.paused_jobs()]
    return (*disabled, *rehearsing, *paused)


def _present(kind: _Kind, subject: str) -> Restriction:
    return Restriction(kind=kind, subject=replace_surrogates(subject), since_us=None)


async def restrictions(transaction: ReadTransaction) -> tuple[Restriction, ...]:
    """Return the disabled and rehearsing apps and the paused jobs.

    Outside of the framework's process, the answer is from the recorded actions. A start of the framework ends all
    except pauses. Only the newest 5,000 events are read, so a pause that is older than these is missing in the answer.
    """
    if transaction.present is not None:
        return tuple(transaction.present)
    return await recorded_restrictions(transaction)


async def recorded_restrictions(transaction: ReadTransaction) -> tuple[Restriction, ...]:
    """Return the disabled and rehearsing apps and the paused jobs, from the recorded actions with their times."""
    session = await newest_session(transaction)
    if session is None:
        return ()
    found: dict[tuple[_Kind, str], Restriction] = {}
    rows = await transaction.once(ACTIONS, {"examined": _EXAMINED, "kinds": json.dumps([*_BEGINS, *_ENDS])})
    for row in rows:
        kind = _BEGINS.get(row["kind"]) or _ENDS[row["kind"]]
        if kind != "paused" and (row["session_id"] != session.id or session.state != "running"):
            continue
        subject = job_title(row["subject"]) if kind == "paused" else row["subject"]
        found.pop((kind, subject), None)
        if row["kind"] in _BEGINS:
            found[kind, subject] = Restriction(kind=kind, subject=subject, since_us=row["at_us"])
    return tuple(sorted(found.values(), key=lambda one: (_ORDER.index(one.kind), one.subject)))


async def disabled_ids(transaction: ReadTransaction) -> str:
    """Return the ids of the handlers and jobs that the disabled apps had until they were disabled, as a JSON array."""
    apps = sorted({one.subject for one in await restrictions(transaction) if one.kind == "disabled"})
    if not apps:
        return "[]"
    rows = await transaction.once(MEMBERS_OF_DISABLED, {"apps": json.dumps(apps)})
    return json.dumps([row["id"] for row in rows])


def by_subject(found: Sequence[Restriction]) -> dict[str, tuple[str, ...]]:
    """Return the kinds of the restrictions of each app and job, by the app's key or the name of the job."""
    kinds: dict[str, tuple[str, ...]] = {}
    for one in found:
        kinds[one.subject] = (*kinds.get(one.subject, ()), one.kind)
    return kinds
