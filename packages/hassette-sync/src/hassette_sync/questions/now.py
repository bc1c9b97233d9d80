"""Questions about the present, answered from the live feed or from the last heartbeat in the file.

Texts of an app may hold lone surrogates, for example in a file name that is not UTF-8. The store replaces them when it
writes. Live values have not been written, so this module replaces them; JSON cannot hold them.
"""

from typing import cast

from hassette_store.kinds import kind_of
from hassette_store.rows import RegistrationRow, RunningRow
from hassette_sync.answers.kinds import TRIGGERS, Kind, Trigger
from hassette_sync.answers.overview import Accounting, Live, ServiceState, Upcoming
from hassette_sync.answers.runs import FailureBrief, Running, RunningNow
from hassette_sync.answers.stream import LiveRun
from hassette_sync.formatting import sendable
from hassette_sync.live import LiveRow, LiveSnapshot
from hassette_sync.queries.runs import RUNNING
from hassette_sync.questions.rows import trigger_of
from hassette_sync.questions.sessions import newest_session
from hassette_sync.reader import ReadTransaction


def live_run(row: LiveRow) -> LiveRun:
    """Convert a run of the live feed."""
    failure = row.failure
    brief = None
    if failure is not None:
        brief = FailureBrief(type=sendable(failure.type), message=sendable(failure.message))
    return LiveRun(
        id=row.id,
        kind=_kind(row.registration),
        app=sendable(row.registration.app),
        instance=sendable(row.registration.instance),
        name=sendable(row.registration.name),
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
        {field: _sendable(getattr(row.trigger, field)) for field in trigger.model_fields if field != "kind"}
    )


def _sendable(value: object) -> object:
    return sendable(value) if isinstance(value, str) else value


def live_state(snapshot: LiveSnapshot) -> Live:
    """Convert the present state of the framework."""
    accounting = snapshot.accounting
    return Live(
        ready=snapshot.ready,
        connection=snapshot.connection,
        services=tuple(
            ServiceState(name=service.name, status=str(service.status), detail=sendable(service.detail))
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
            app=sendable(row.registration.app),
            instance=sendable(row.registration.instance),
            name=sendable(row.registration.name),
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
        Upcoming(app=sendable(run.app), instance=sendable(run.instance), name=sendable(run.name), due_us=run.due_us)
        for run in snapshot.upcoming
    ]
    return tuple(sorted(upcoming, key=lambda run: run.due_us))


async def running_at_heartbeat(transaction: ReadTransaction) -> RunningNow:
    """Return the runs that had been in progress for over a second at the last heartbeat of a running session."""
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
