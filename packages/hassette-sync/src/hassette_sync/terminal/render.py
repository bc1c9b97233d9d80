"""Render answers as text for the terminal. Tables are cut to ``width``, or not cut if it is None."""

from collections.abc import Iterator, Sequence

from hassette_sync.answers.kinds import KindLabels, RegistrationRef, Trigger
from hassette_sync.answers.overview import Overview, Restriction
from hassette_sync.answers.registrations import Registration
from hassette_sync.answers.runs import LogLine, Run, RunDetail, ServiceCall
from hassette_sync.answers.sessions import Session
from hassette_sync.answers.waterfall import Waterfall
from hassette_sync.formatting import (
    ago,
    duration,
    label,
    number,
    plural,
    rough_duration,
    share,
    size,
    status_label,
)
from hassette_sync.home_time import ShownTimes
from hassette_sync.terminal.colours import STATUS_STYLES, Style, styled
from hassette_sync.terminal.tables import TableColumn, plain, plain_lines, table
from hassette_sync.terminal.waterfall import waterfall
from hassette_sync.verdict import verdict_of

_MARKS: dict[str, tuple[str, Style]] = {"good": ("✓", "green"), "warning": ("!", "yellow"), "bad": ("✗", "red")}
_MOST_RUNNING = 5
_RUN_COLUMNS = (
    TableColumn("ID", drop_order=0),
    TableColumn("Ended"),
    TableColumn("Handler or job", can_be_cut=True, is_name=True),
    TableColumn("Trigger", can_be_cut=True, drop_order=3),
    TableColumn("Duration", right=True, drop_order=1),
    TableColumn("Result", styles=STATUS_STYLES),
    TableColumn("Error", can_be_cut=True, drop_order=2),
)
_SESSION_COLUMNS = (
    TableColumn("ID", right=True, drop_order=4),
    TableColumn("Started"),
    TableColumn("Ended", drop_order=1),
    TableColumn("Duration", right=True),
    TableColumn("State", styles=STATUS_STYLES),
    TableColumn("Reason", can_be_cut=True, drop_order=3),
    TableColumn("Runs", right=True),
    TableColumn("Failures", right=True),
    TableColumn("Lost records", right=True, drop_order=2),
)


def name(ref: RegistrationRef | Registration) -> str:
    """Return the full name of a handler or job: ``app.instance.name``."""
    full = ref.ref if isinstance(ref, Registration) else ref
    return full.title


def trigger_text(trigger: Trigger, shown: ShownTimes) -> str:
    """Describe a trigger: the entity with its change, the event type, or when the job was due."""
    title = trigger.title(shown)
    return title if trigger.change is None else f"{title}: {trigger.change}"


def styled_status(status: str) -> str:
    """Return the label of a run's status in its colour."""
    result = plain(status_label(status))
    return styled(result, STATUS_STYLES.get(result))


def runs(found: tuple[Run, ...], shown: ShownTimes, width: int | None = None) -> str:
    """Render runs as a table."""
    if not found:
        return "No run matches. Try a longer time range, such as --since 7d."
    rows = [
        (
            str(run.id),
            shown(run.ended_us),
            name(run.registration),
            trigger_text(run.trigger, shown),
            duration(run.duration_us),
            status_label(run.status),
            run.failure.text if run.failure else "",
        )
        for run in found
    ]
    return table(_RUN_COLUMNS, rows, width)


def registrations(
    found: tuple[Registration, ...],
    kind: KindLabels,
    app: str | None = None,
    width: int | None = None,
    *,
    restrictions: Sequence[Restriction] = (),
) -> str:
    """Render handlers or jobs as a table. ``app`` is the filter. If no rows pass it, the message names the app."""
    if not found and app:
        return f"There are no {kind.plural} of an app {app!r}. Without --app, the {kind.plural} of all apps are listed."
    if not found:
        return f"No {kind.plural} yet. They appear when an app registers them."
    columns = (
        TableColumn("ID", right=True),
        TableColumn(kind.name.capitalize(), can_be_cut=True, is_name=True),
        TableColumn(kind.source, can_be_cut=True, drop_order=4),
        TableColumn("Runs", right=True),
        TableColumn("Failures", right=True),
        TableColumn("p50", right=True, drop_order=3),
        TableColumn("p95", right=True, drop_order=1),
        TableColumn("Not run", right=True, drop_order=2),
        TableColumn("Last result", styles=STATUS_STYLES),
    )
    rows = [
        (
            str(one.id),
            with_restrictions(name(one), restrictions, name(one), kind=one.kind)
            + (f" ({one.state})" if one.state else ""),
            one.listens_to,
            number(one.counts.total),
            number(one.counts.failed),
            duration(one.percentiles.p50_us),
            duration(one.percentiles.p95_us),
            number(one.skipped),
            status_label(one.last_status) if one.last_status else "–",
        )
        for one in found
    ]
    return table(columns, rows, width)


def sessions(found: tuple[Session, ...], shown: ShownTimes, width: int | None = None, *, filtered: bool = False) -> str:
    """Render sessions as a table. ``filtered`` means that filters may hide other sessions."""
    if not found and filtered:
        return "No session in this time range. Without --since, --until and --at, all sessions are listed."
    if not found:
        return "No sessions yet: Hassette has not run with this database."
    rows = [
        (
            str(one.id),
            shown(one.started_us),
            shown(one.ended_us),
            duration((shown.now_us if one.state == "running" else one.until_us) - one.started_us),
            label(one.state),
            one.reason or "",
            number(one.runs),
            number(one.failures),
            number(one.lost_runs + one.lost_details),
        )
        for one in found
    ]
    return table(_SESSION_COLUMNS, rows, width)


def overview(answer: Overview, shown: ShownTimes) -> str:
    """Render the overall status on one screen."""
    verdict, status = verdict_of(answer), answer.status
    mark, style = _MARKS[verdict.level]
    return "\n".join(
        (
            f"{styled(mark, style)} {styled(plain(verdict.title), 'bold')}",
            *(f"  · {plain(reason)}" for reason in verdict.reasons),
            *_session_lines(answer),
            *_figure_lines(answer, shown),
            *_running_lines(answer),
            *([f"Silenced   {sentence}"] if (sentence := status.silenced.sentence(shown)) else []),
            *_restriction_lines(answer),
            f"Time zone  {shown.home.label}",
            f"Database   {status.path}, {size(status.size_bytes)}, schema {status.schema_revision}",
            *(f"Note       {notice}" for notice in status.notices),
        )
    )


def _session_lines(answer: Overview) -> Iterator[str]:
    session, now_us = answer.status.session, answer.status.at_us
    yield ""
    if session is None:
        return
    if session.state == "running":
        when = f"up for {duration(now_us - session.started_us)}"
    else:
        when = f"last heartbeat {ago(session.until_us, now_us=now_us)}"
    yield f"Session    {session.id}, {label(session.state)}, {when}"


def _figure_lines(answer: Overview, shown: ShownTimes) -> Iterator[str]:
    counts, percentiles, uptime, now_us = answer.counts, answer.percentiles, answer.uptime, answer.status.at_us
    since, until = (shown(us, seconds=False) for us in (answer.since_us, answer.until_us))
    yield f"Since      {since}" + (f", until {until}" if answer.until_us <= now_us else "")
    yield f"Runs       {number(counts.total)}, {number(counts.failed)} failed ({share(counts.failure_share)})"
    yield f"Durations  p50 {duration(percentiles.p50_us)}, p95 {duration(percentiles.p95_us)}"
    yield f"Uptime     {share(uptime.share)}, {plural(uptime.crashes, 'crash', 'crashes')}"
    yield f"Apps       {', '.join(plain(app.app) for app in answer.apps) or 'none'}"


def _running_lines(answer: Overview) -> Iterator[str]:
    for one in answer.running.running[:_MOST_RUNNING]:
        since = rough_duration(max(answer.status.at_us - one.started_us, 0))
        yield f"Running    {plain(one.app)}.{plain(one.name)} for {since}"


def _restriction_lines(answer: Overview) -> Iterator[str]:
    for kind in ("disabled", "rehearsing", "paused"):
        if found := [plain(one.subject) for one in answer.status.restrictions if one.kind == kind]:
            yield f"{kind.capitalize():<10} {', '.join(found)}"


def with_restrictions(shown_name: str, restrictions: Sequence[Restriction], subject: str, *, kind: str) -> str:
    """Add the restrictions of an app or job to its name in a table: ``motion_light (disabled)``.

    Args:
        shown_name: The name in the table.
        restrictions: The restrictions of all apps and jobs.
        subject: The app's key, or the name of the job.
        kind: ``app``, ``job`` or ``handler``. A handler cannot be restricted.
    """
    of_kind = [one.kind for one in restrictions if one.subject == subject and (one.kind == "paused") == (kind == "job")]
    return f"{shown_name} ({', '.join(of_kind)})" if of_kind and kind != "handler" else shown_name


def run_detail(detail: RunDetail, shown: ShownTimes, chain: Waterfall | None = None) -> str:
    """Render one run in detail.

    Args:
        detail: The run.
        shown: Formats times.
        chain: Its causes and effects. With None, its trigger and its log lines are shown instead.
    """
    run = detail.run
    lines = [
        f"Run {run.id} of {plain(name(run.registration))}: {styled_status(run.status)}",
        "",
        plain(f"Trigger    {trigger_text(run.trigger, shown)}" if chain is None else chain.sentence),
        "",
        f"Started    {shown(run.started_us)} after waiting {duration(run.waited_us)}",
        f"Duration   {duration(run.duration_us)}",
        f"Session    {run.session_id}",
        f"Time zone  {shown.home.label}",
    ]
    if run.trigger.own_context:
        lines.append(f"Context    {run.trigger.own_context}")
    lines += _failure_lines(detail)
    logged: list[LogLine] = []
    if chain is not None:
        lines += ["", *waterfall(chain, shown)]
        logged = [row.log for row in chain.rows if row.log is not None]
    if any(line not in logged for line in detail.log_lines):
        lines += _log_lines(detail)
    lines += [line for call in detail.service_calls for line in _call_lines(call)]
    left_out = (
        (detail.dropped_log_lines, "more log line"),
        (detail.dropped_service_calls, "more service call"),
        (detail.dropped_state_reads, "more read"),
    )
    if any(count for count, _ in left_out):
        lines += ["", f"Not recorded: {', '.join(plural(count, noun) for count, noun in left_out if count)}."]
    if chain is not None:
        lines += ["", plain(chain.similar.sentence)]
    return "\n".join(lines)


def _failure_lines(detail: RunDetail) -> Iterator[str]:
    if (failure := detail.run.failure) is not None:
        yield ""
        yield plain(failure.text)
        if (line := detail.failing_line) is not None:
            yield plain(f'  File "{line.file}", line {line.line}, in {line.function}')
            if line.code:
                yield plain(f"    {line.code}")
        if detail.sample_traceback:
            yield ""
            yield (
                "Traceback"
                if detail.is_sample
                else (f"Sample traceback: the first failure of this error, in run {detail.sample_run_id}")
            )
            yield plain_lines(detail.sample_traceback)


def _log_lines(detail: RunDetail) -> Iterator[str]:
    yield ""
    yield "Log"
    for line in detail.log_lines:
        after = duration(max(line.at_us - detail.run.started_us, 0))
        yield f"  +{after}  {line.level}  {plain(line.message)}"


def _call_lines(call: ServiceCall) -> Iterator[str]:
    target = f" on {call.target}" if call.target else ""
    data = f" with {call.data}" if call.data else ""
    attempt = f" (attempt {call.attempt})" if call.attempt > 1 else ""
    outcome = f", failed: {call.error}" if call.error else ""
    if call.confirmed_us is not None:
        outcome = f", confirmed after {duration(call.confirmed_us)}"
    verb = "Not sent, because the app rehearses:" if call.rehearsed else "Called"
    yield ""
    yield plain(f"{verb} {call.service}{target}{data}{attempt}{outcome}")
