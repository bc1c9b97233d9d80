"""What is not history yet: from the live feed, or as far as the file tells.

An app's texts may hold half a surrogate pair, such as a file's name that is not UTF-8. The store mends what it writes;
what is still live is mended here, or it could not be sent.
"""

from hassette_sync.answers.overview import Accounting, Live, ServiceState, Upcoming
from hassette_sync.answers.runs import FailureBrief, Running, RunningNow
from hassette_sync.answers.stream import LiveRun
from hassette_sync.answers.values import DueTrigger, EventTrigger, Trigger
from hassette_sync.live import LiveEventTrigger, LiveRow, LiveSnapshot, LiveTrigger
from hassette_sync.queries.runs import RUNNING
from hassette_sync.questions.rows import trigger_of
from hassette_sync.questions.sessions import newest_session
from hassette_sync.reader import Snapshot
from hassette_sync.words import sendable


def live_trigger(trigger: LiveTrigger) -> Trigger:
    """Make a trigger of a live one."""
    if isinstance(trigger, LiveEventTrigger):
        return EventTrigger(
            event_type=sendable(trigger.event_type),
            entity_id=_sendable(trigger.entity_id),
            old_state=_sendable(trigger.old_state),
            new_state=_sendable(trigger.new_state),
            context_id=_sendable(trigger.context_id),
            parent_id=_sendable(trigger.parent_id),
            user_id=_sendable(trigger.user_id),
        )
    return DueTrigger(due_us=trigger.due_us, manual=trigger.manual)


def _sendable(text: str | None) -> str | None:
    return None if text is None else sendable(text)


def live_run(row: LiveRow) -> LiveRun:
    """Make a run of the live stream of a live row."""
    trigger = live_trigger(row.trigger)
    failure = row.failure
    brief = None
    if failure is not None:
        brief = FailureBrief(type=sendable(failure.type), message=sendable(failure.message))
    return LiveRun(
        id=row.id,
        kind="handler" if isinstance(trigger, EventTrigger) else "job",
        app=sendable(row.registration.app),
        instance=sendable(row.registration.instance),
        name=sendable(row.registration.name),
        status=str(row.status),
        started_us=row.started_us,
        duration_us=row.duration_us,
        waited_us=row.waited_us,
        trigger=trigger,
        failure=brief,
    )


def live_state(snapshot: LiveSnapshot) -> Live:
    """Answer what the framework says of itself."""
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
    """Answer what is running at this moment."""
    running = [
        Running(
            app=sendable(one.registration.app),
            instance=sendable(one.registration.instance),
            name=sendable(one.registration.name),
            kind="handler" if isinstance(one.trigger, LiveEventTrigger) else "job",
            started_us=one.started_us,
            trigger=live_trigger(one.trigger),
        )
        for one in snapshot.running
    ]
    return RunningNow(running=tuple(sorted(running, key=lambda one: one.started_us)), source="live", at_us=at_us)


def live_upcoming(snapshot: LiveSnapshot) -> tuple[Upcoming, ...]:
    """Answer the jobs' next runs, the nearest first."""
    upcoming = [
        Upcoming(app=sendable(one.app), instance=sendable(one.instance), name=sendable(one.name), due_us=one.due_us)
        for one in snapshot.upcoming
    ]
    return tuple(sorted(upcoming, key=lambda one: one.due_us))


async def running_at_heartbeat(snapshot: Snapshot, at_us: int) -> RunningNow:
    """Answer what had been running for over a second at the last heartbeat of a session that is alive."""
    newest = await newest_session(snapshot, at_us)
    if newest is None or newest.state != "running":
        return RunningNow(running=(), source="heartbeat", at_us=at_us)
    return RunningNow(
        running=tuple(
            Running(
                app=row["app"],
                instance=row["instance"],
                name=row["name"],
                kind="job" if row["kind"] == "job" else "handler",
                started_us=row["started_us"],
                trigger=trigger_of(row),
            )
            for row in await snapshot.all(RUNNING, {"session_id": newest.id})
        ),
        source="heartbeat",
        at_us=newest.heartbeat_us,
    )
