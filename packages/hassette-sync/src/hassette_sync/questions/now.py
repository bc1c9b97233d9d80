"""Questions about the present, answered from the live feed or from the last heartbeat in the file.

Texts of an app may contain lone surrogates, for example from a file name that is not UTF-8. JSON cannot contain them.
The store replaces them when it writes a value. Live values do not pass through the store, so this module replaces them.
"""

from dataclasses import dataclass
from typing import cast

from hassette_store.kinds import kind_of
from hassette_store.rows import RegistrationRow, RunningRow
from hassette_sync.answers.kinds import TRIGGERS, Kind, Trigger
from hassette_sync.answers.overview import Accounting, Live, ServiceState, TriggerState, Upcoming
from hassette_sync.answers.runs import FailureBrief, Running, RunningNow
from hassette_sync.answers.sessions import Session
from hassette_sync.answers.stream import LiveRun
from hassette_sync.formatting import replace_surrogates
from hassette_sync.live import LiveRow, LiveSnapshot
from hassette_sync.queries.runs import RUNNING
from hassette_sync.questions.rows import trigger_of
from hassette_sync.questions.runs import newest_id
from hassette_sync.questions.sessions import newest_session
from hassette_sync.reader import ReadTransaction


def live_run(row: LiveRow) -> LiveRun:
    """Convert a run of the live feed."""
    failure = row.failure
    brief = None
    if failure is not None:
        brief = FailureBrief(type=replace_surrogates(failure.type), message=replace_surrogates(failure.message))
    return LiveRun(
        id=row.id,
        kind=_kind(row.registration),
        app=replace_surrogates(row.registration.app),
        instance=replace_surrogates(row.registration.instance),
        name=replace_surrogates(row.registration.name),
        status=str(row.status),
        started_us=row.started_us,
        duration_us=row.duration_us,
        waited_us=row.waited_us,
        trigger=_trigger(row),
        failure=brief,
    )


def _kind(registration: RegistrationRow) -> Kind:
    return cast("Kind", kind_of(registration).name)


def _trigger(row: LiveRow | RunningRow) -> Trigger:
    trigger = TRIGGERS[_kind(row.registration)]
    return trigger.model_validate(
        {field: _replace_in_text(getattr(row.trigger, field)) for field in trigger.model_fields if field != "kind"}
    )


def _replace_in_text(value: object) -> object:
    return replace_surrogates(value) if isinstance(value, str) else value


@dataclass(frozen=True, slots=True)
class PresentFacts:
    """Facts about the present that decide whether a page must be made again.

    Attributes:
        newest_id: Id of the newest run; 0 for an empty history.
        session: Newest session; None if Hassette has never run.
        running: Runs in progress.
    """

    newest_id: int
    session: Session | None
    running: tuple[Running, ...]


async def present_facts(transaction: ReadTransaction, snapshot: LiveSnapshot | None) -> PresentFacts:
    """Return the newest run and session, and the runs in progress."""
    return PresentFacts(
        newest_id=await newest_id(transaction),
        session=await newest_session(transaction),
        running=(await running(transaction, snapshot)).running,
    )


async def running(transaction: ReadTransaction, snapshot: LiveSnapshot | None) -> RunningNow:
    """Return the runs in progress, from the live feed or from the last heartbeat in the file."""
    if snapshot is not None:
        return live_running(snapshot, transaction.at_us)
    return await running_at_heartbeat(transaction)


def live_state(snapshot: LiveSnapshot) -> Live:
    """Convert the present state of the framework."""
    accounting = snapshot.accounting
    return Live(
        ready=snapshot.ready,
        connection=snapshot.connection,
        services=tuple(
            ServiceState(name=service.name, status=str(service.status), detail=replace_surrogates(service.detail))
            for service in snapshot.services
        ),
        accounting=Accounting(
            executed=accounting.executed,
            persisted=accounting.persisted,
            waiting=accounting.waiting,
            shed=dict(accounting.shed),
        ),
    )


def live_running(snapshot: LiveSnapshot, at_us: int) -> RunningNow:
    """Return the runs in progress at this moment, longest first."""
    running = [
        Running(
            app=replace_surrogates(row.registration.app),
            instance=replace_surrogates(row.registration.instance),
            name=replace_surrogates(row.registration.name),
            kind=_kind(row.registration),
            started_us=row.started_us,
            trigger=_trigger(row),
        )
        for row in snapshot.running
    ]
    return RunningNow(running=tuple(sorted(running, key=lambda run: run.started_us)), source="live", at_us=at_us)


def live_upcoming(snapshot: LiveSnapshot) -> tuple[Upcoming, ...]:
    """Return the next runs of the jobs, soonest first."""
    upcoming = [
        Upcoming(
            app=replace_surrogates(run.app),
            instance=replace_surrogates(run.instance),
            name=replace_surrogates(run.name),
            due_us=run.due_us,
        )
        for run in snapshot.upcoming
    ]
    return tuple(sorted(upcoming, key=lambda run: run.due_us))


def live_triggers(snapshot: LiveSnapshot) -> tuple[TriggerState, ...]:
    """Return Home Assistant's answers to the triggers of the handlers."""
    return tuple(
        TriggerState(
            app=replace_surrogates(trigger.app),
            instance=replace_surrogates(trigger.instance),
            name=replace_surrogates(trigger.name),
            topic=replace_surrogates(trigger.topic),
            status=trigger.status,
            detail=replace_surrogates(trigger.detail),
        )
        for trigger in snapshot.triggers
    )


async def running_at_heartbeat(transaction: ReadTransaction) -> RunningNow:
    """Return the runs that had lasted longer than about 0.25 s at the last heartbeat of a running session."""
    newest = await newest_session(transaction)
    if newest is None or newest.state != "running":
        return RunningNow(running=(), source="heartbeat", at_us=transaction.at_us)
    return RunningNow(
        running=tuple(
            Running(
                app=row["app"],
                instance=row["instance"],
                name=row["name"],
                kind=row["kind"],
                started_us=row["started_us"],
                trigger=trigger_of(row),
            )
            for row in await transaction.all(RUNNING, {"session_id": newest.id})
        ),
        source="heartbeat",
        at_us=newest.heartbeat_us,
    )
