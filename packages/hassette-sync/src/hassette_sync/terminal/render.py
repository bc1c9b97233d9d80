"""Answers as text for people."""

from hassette_sync.answers.errors import ErrorGroup
from hassette_sync.answers.overview import Overview
from hassette_sync.answers.registrations import Registration
from hassette_sync.answers.runs import Run, RunDetail
from hassette_sync.answers.sessions import Session
from hassette_sync.answers.values import EventTrigger, RegistrationRef, Trigger
from hassette_sync.terminal.tables import Column, plain, plain_lines, table
from hassette_sync.verdict import verdict_of
from hassette_sync.words import ago, coarse, duration, moment, number, share, size, status, words


def name(ref: RegistrationRef | Registration) -> str:
    """Say whose run it is: ``app.instance.name``."""
    full = ref.ref if isinstance(ref, Registration) else ref
    return full.title


def why(trigger: Trigger, now_us: int) -> str:
    """Say why a run began."""
    if isinstance(trigger, EventTrigger):
        if trigger.entity_id is None:
            return trigger.event_type
        if trigger.old_state is None and trigger.new_state is None:
            return trigger.entity_id
        return f"{trigger.entity_id}: {_state(trigger.old_state)} → {_state(trigger.new_state)}"
    return "by hand" if trigger.manual else f"due {moment(trigger.due_us, now_us=now_us)}"


def _state(state: str | None) -> str:
    return "∅" if state is None else state


def runs(found: tuple[Run, ...], now_us: int) -> str:
    """Say runs as a table."""
    if not found:
        return "No run matches. Try a longer time, such as --since 7d."
    return table(
        (
            Column("ID"),
            Column("Ended"),
            Column("Handler or job", stretch=True),
            Column("Why", stretch=True),
            Column("Took", right=True),
            Column("Result"),
            Column("Error", stretch=True),
        ),
        [
            (
                str(run.id),
                moment(run.ended_us, now_us=now_us),
                name(run.registration),
                why(run.trigger, now_us),
                duration(run.duration_us),
                status(run.status),
                f"{run.failure.type}: {run.failure.message}" if run.failure else "",
            )
            for run in found
        ],
    )


def registrations(found: tuple[Registration, ...], kind: str, app: str | None = None) -> str:
    """Say handlers or jobs as a table; of one app, if that was asked."""
    if not found and app:
        return f"No {kind}s of an app {app!r}. Without --app, all {kind}s are listed, with the names of their apps."
    if not found:
        return f"No {kind}s yet: one appears when an app registers it."
    return table(
        (
            Column("ID", right=True),
            Column("Handler" if kind == "handler" else "Job", stretch=True),
            Column("Listens to" if kind == "handler" else "Schedule", stretch=True),
            Column("Runs", right=True),
            Column("Failed", right=True),
            Column("p50", right=True),
            Column("p95", right=True),
            Column("Not run", right=True),
            Column("Last"),
        ),
        [
            (
                str(one.id),
                name(one) + (" (retired)" if one.retired_us else ""),
                one.listens_to,
                number(one.counts.total),
                number(one.counts.failed),
                duration(one.percentiles.p50_us),
                duration(one.percentiles.p95_us),
                number(one.skipped),
                status(one.last_status) if one.last_status else "–",
            )
            for one in found
        ],
    )


def error_groups(found: tuple[ErrorGroup, ...], now_us: int) -> str:
    """Say error groups as a table."""
    if not found:
        return "No errors in this time."
    return table(
        (
            Column("ID", right=True),
            Column("Error", stretch=True),
            Column("Now", right=True),
            Column("Ever", right=True),
            Column("First seen"),
            Column("Last seen"),
            Column("Last run"),
        ),
        [
            (
                str(group.id),
                f"{group.type}: {group.message}" if group.message else group.type,
                number(group.recent),
                number(group.count),
                moment(group.first_seen_us, now_us=now_us),
                moment(group.last_seen_us, now_us=now_us),
                str(group.last_run_id),
            )
            for group in found
        ],
    )


def sessions(found: tuple[Session, ...], now_us: int, *, all_asked: bool = True) -> str:
    """Say sessions as a table; without ``all_asked``, there may be others than those found."""
    if not found and not all_asked:
        return "No session in this time. Without --since and --until, all are listed."
    if not found:
        return "No sessions yet: Hassette has not run with this file."
    return table(
        (
            Column("ID", right=True),
            Column("Started"),
            Column("Ended"),
            Column("Lasted", right=True),
            Column("How"),
            Column("Why", stretch=True),
            Column("Runs", right=True),
            Column("Failed", right=True),
            Column("Lost", right=True),
        ),
        [
            (
                str(one.id),
                moment(one.started_us, now_us=now_us),
                moment(one.ended_us, now_us=now_us),
                duration((now_us if one.state == "running" else one.until_us) - one.started_us),
                words(one.state),
                one.reason or "",
                number(one.runs),
                number(one.failures),
                number(one.lost_runs + one.lost_details),
            )
            for one in found
        ],
    )


def overview(answer: Overview) -> str:
    """Say how things are, on one screen."""
    now_us, session = answer.status.at_us, answer.status.session
    verdict = verdict_of(answer)
    mark = {"good": "✓", "warning": "!", "bad": "✗"}[verdict.level]
    lines = [f"{mark} {plain(verdict.title)}"]
    lines.extend(f"  · {plain(reason)}" for reason in verdict.reasons)
    if session is not None:
        if session.state == "running":
            when = f"up for {duration(now_us - session.started_us)}"
        else:
            when = f"last alive {ago(session.until_us, now_us=now_us)}"
        lines += ["", f"Session    {session.id}, {words(session.state)}, {when}"]
    counts, typical, uptime = answer.counts, answer.percentiles, answer.uptime
    crashes = "1 crash" if uptime.crashes == 1 else f"{uptime.crashes} crashes"
    since, until = (moment(us, now_us=now_us, seconds=False) for us in (answer.since_us, answer.until_us))
    lines += [
        f"Since      {since}" + (f", until {until}" if answer.until_us <= now_us else ""),
        f"Runs       {number(counts.total)}, {number(counts.failed)} failed ({share(counts.failure_share)})",
        f"Durations  half within {duration(typical.p50_us)}, 95 % within {duration(typical.p95_us)}",
        f"Up         {share(uptime.share)} of the time, {crashes}",
        f"Apps       {', '.join(plain(app.app) for app in answer.apps) or 'none'}",
    ]
    for one in answer.running.running[:5]:
        lines.append(f"Running    {plain(one.app)}.{plain(one.name)} for {coarse(max(now_us - one.started_us, 0))}")
    file = answer.status
    lines.append(f"History    {file.path}, {size(file.size_bytes)}, schema {file.schema_revision}")
    lines.extend(f"Note       {notice}" for notice in answer.status.notices)
    return "\n".join(lines)


def story(detail: RunDetail, now_us: int) -> str:
    """Say the story of one run."""
    run = detail.run
    lines = [
        f"Run {run.id} of {plain(name(run.registration))}: {status(run.status)}",
        "",
        f"Why        {plain(why(run.trigger, now_us))}",
        f"Started    {moment(run.started_us, now_us=now_us)} after waiting {duration(run.waited_us)}",
        f"Took       {duration(run.duration_us)}",
        f"Session    {run.session_id}",
    ]
    if isinstance(run.trigger, EventTrigger) and run.trigger.context_id:
        lines.append(f"Context    {run.trigger.context_id}")
    if run.failure is not None:
        lines += ["", plain(f"{run.failure.type}: {run.failure.message}")]
        if detail.traceback:
            lines.append(plain_lines(detail.traceback))
    if detail.caused_by:
        lines += ["", "Caused by", runs(detail.caused_by, now_us)]
    if detail.log_lines:
        lines += ["", "Log"]
        lines.extend(
            f"  +{duration(max(line.at_us - run.started_us, 0))}  {line.level}  {plain(line.message)}"
            for line in detail.log_lines
        )
    for call in detail.service_calls:
        failed = f", failed: {call.error}" if call.error else ""
        lines += [
            "",
            plain(f"Called {call.service} on {call.target or 'nothing'} with {call.data or 'nothing'}{failed}"),
        ]
        if call.caused:
            lines += ["which set off", runs(call.caused, now_us)]
    if detail.dropped_log_lines or detail.dropped_service_calls:
        lines += [
            "",
            f"{detail.dropped_log_lines} more log lines and {detail.dropped_service_calls} more calls were not kept.",
        ]
    return "\n".join(lines)
