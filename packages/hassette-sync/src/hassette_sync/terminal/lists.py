"""Render lists for the terminal: apps, log lines, events, triggers without a run, running and upcoming runs."""

from collections.abc import Sequence

from hassette_sync.answers.explanations import NotRunEntry
from hassette_sync.answers.logs import AppNoise, FrameworkEvent, LogEntry, Noise
from hassette_sync.answers.overview import Restriction, Timeline, Upcoming
from hassette_sync.answers.registrations import AppSummary
from hassette_sync.answers.runs import Running, RunningNow
from hassette_sync.answers.sessions import Uptime
from hassette_sync.answers.stream import LiveRun
from hassette_sync.formatting import (
    duration,
    event_label,
    event_subject,
    group_label,
    number,
    plural,
    reason_label,
    registration_title,
    rough_duration,
    share,
    size,
    status_label,
)
from hassette_sync.home_time import ShownTimes
from hassette_sync.terminal.colours import STATUS_STYLES, styled
from hassette_sync.terminal.render import sessions, styled_status, trigger_text, with_restrictions
from hassette_sync.terminal.tables import TableColumn, plain, table
from hassette_sync.time_range import DAY_US

_APP_COLUMNS = (
    TableColumn("App", can_be_cut=True, is_name=True),
    TableColumn("Instances", can_be_cut=True, drop_order=6),
    TableColumn("Handlers", right=True),
    TableColumn("Jobs", right=True),
    TableColumn("Runs", right=True),
    TableColumn("Failures", right=True),
    TableColumn("Time", right=True, drop_order=2),
    TableColumn("Log lines", right=True, drop_order=4),
    TableColumn("Calls", right=True, drop_order=3),
    TableColumn("Size", right=True, drop_order=5),
)
_LOG_COLUMNS = (
    TableColumn("Time"),
    TableColumn("Level", styles=STATUS_STYLES),
    TableColumn("Where", can_be_cut=True, is_name=True),
    TableColumn("Message", can_be_cut=True),
    TableColumn("Run", drop_order=1),
)
_EVENT_COLUMNS = (
    TableColumn("Time"),
    TableColumn("Group", drop_order=1),
    TableColumn("Event"),
    TableColumn("Subject", can_be_cut=True),
    TableColumn("Detail", can_be_cut=True),
)
_NOT_RUN_COLUMNS = (
    TableColumn("Time"),
    TableColumn("Handler or job", can_be_cut=True, is_name=True),
    TableColumn("Reason"),
    TableColumn("Detail", can_be_cut=True, drop_order=1),
    TableColumn("Trigger", can_be_cut=True, drop_order=2),
)
_RUNNING_COLUMNS = (
    TableColumn("Running for", right=True),
    TableColumn("Started"),
    TableColumn("Handler or job", can_be_cut=True, is_name=True),
    TableColumn("Trigger", can_be_cut=True, drop_order=1),
)
_UPCOMING_COLUMNS = (
    TableColumn("Due"),
    TableColumn("In", right=True),
    TableColumn("Job", can_be_cut=True, is_name=True),
)
_TIMELINE_COLUMNS = (
    TableColumn("From"),
    TableColumn("Runs", right=True),
    TableColumn("Failures", right=True, styles={}),
    TableColumn("p50", right=True, drop_order=2),
    TableColumn("p95", right=True),
    TableColumn("p99", right=True, drop_order=3),
    TableColumn("Not run", right=True, drop_order=1),
    TableColumn(""),
)
_BAR = 30
_NARROW_BAR = 10
_WIDTH_OF_FIGURES = 70
"""Width of the other columns with their gaps, for usual figures."""


def apps(
    found: tuple[AppSummary, ...],
    noise: Noise,
    width: int | None = None,
    *,
    restrictions: Sequence[Restriction] = (),
) -> str:
    """Render apps as a table: those that write most to the history first."""
    if not found:
        return "No apps. An app is listed if it has handlers or jobs, or had runs in this time range."
    loud = {one.app: one for one in noise.apps}
    ordered = sorted(found, key=lambda one: (loud[one.app].rank if one.app in loud else len(loud) + 1, one.app))
    rows = [
        (
            with_restrictions(one.app, restrictions, one.app, kind="app"),
            ", ".join(one.instances),
            number(one.handlers),
            number(one.jobs),
            number(one.counts.total),
            number(one.counts.failed),
            duration(one.total_us),
            *(_noise_cells(loud[one.app]) if one.app in loud else ("0", "0", "–")),
        )
        for one in ordered
    ]
    return table(_APP_COLUMNS, rows, width)


def _noise_cells(noise: AppNoise) -> tuple[str, str, str]:
    about = "≈" if noise.is_estimate else ""
    return f"{about}{number(noise.log_lines)}", f"{about}{number(noise.service_calls)}", size(noise.bytes)


def logs(found: tuple[LogEntry, ...], shown: ShownTimes, width: int | None = None, *, is_last: bool = True) -> str:
    """Render log lines as a table. ``is_last`` means that there are no older lines."""
    if not found:
        return (
            "No log line matches. Try a longer time range or fewer filters." if is_last else "No log line on this page."
        )
    rows = [
        (
            shown(one.at_us),
            one.level,
            one.registration.title if one.registration else f"{one.app or 'framework'} {one.logger}",
            one.message,
            str(one.run_id) if one.run_id else "–",
        )
        for one in found
    ]
    return table(_LOG_COLUMNS, rows, width)


def events(
    found: tuple[FrameworkEvent, ...], shown: ShownTimes, width: int | None = None, *, routine: bool = False
) -> str:
    """Render events of the framework as a table. ``routine`` means that ordinary starts and stops were asked for."""
    if not found:
        hidden = "" if routine else " Ordinary starts and stops are listed with --routine."
        return f"No event matches. Try a longer time range or fewer filters.{hidden}"
    rows = [
        (
            shown(one.at_us),
            group_label(one.group),
            event_label(one.kind),
            event_subject(one.kind, one.subject),
            one.detail,
        )
        for one in found
    ]
    return table(_EVENT_COLUMNS, rows, width)


def not_runs(found: tuple[NotRunEntry, ...], shown: ShownTimes, width: int | None = None) -> str:
    """Render triggers that led to no run as a table."""
    if not found:
        return "No trigger without a run was found. Try a longer time range or fewer filters."
    rows = [
        (
            shown(one.at_us),
            one.registration.title,
            reason_label(one.reason),
            one.detail,
            trigger_text(one.trigger, shown) if one.trigger else "–",
        )
        for one in found
    ]
    return table(_NOT_RUN_COLUMNS, rows, width)


def running(answer: RunningNow, shown: ShownTimes, width: int | None = None) -> str:
    """Render the runs in progress as a table."""
    if not answer.running:
        return "No run is in progress."
    rows = [
        (
            rough_duration(max(answer.at_us - one.started_us, 0)),
            shown(one.started_us),
            _name(one),
            trigger_text(one.trigger, shown),
        )
        for one in answer.running
    ]
    source = "" if answer.source == "live" else f"\n\nState of the last heartbeat, {shown(answer.at_us)}"
    return f"{table(_RUNNING_COLUMNS, rows, width)}{source}"


def _name(one: Running | Upcoming | LiveRun) -> str:
    return registration_title(one.app, one.instance, one.name)


def upcoming(found: tuple[Upcoming, ...], shown: ShownTimes, width: int | None = None) -> str:
    """Render the next runs of jobs as a table."""
    if not found:
        return "No job has a planned run."
    rows = [(shown(one.due_us), rough_duration(max(one.due_us - shown.now_us, 0)), _name(one)) for one in found]
    return table(_UPCOMING_COLUMNS, rows, width)


def timeline(answer: Timeline, shown: ShownTimes, width: int | None = None) -> str:
    """Render runs, failures and durations over time as a table with a bar for the runs."""
    bar = _BAR if width is None else min(max(width - _WIDTH_OF_FIGURES, _NARROW_BAR), _BAR)
    most = max((point.counts.total for point in answer.points), default=0)
    rows = [
        (
            shown.day(point.start_us) if answer.period_length_us >= DAY_US else shown(point.start_us, seconds=False),
            number(point.counts.total),
            number(point.counts.failed),
            duration(point.percentiles.p50_us),
            duration(point.percentiles.p95_us),
            duration(point.percentiles.p99_us),
            "–" if point.skipped is None else number(point.skipped),
            "█" * (-(-point.counts.total * bar // most) if most else 0),
        )
        for point in answer.points
    ]
    return table(_TIMELINE_COLUMNS, rows, width)


def uptime(answer: Uptime, shown: ShownTimes, width: int | None = None) -> str:
    """Render the uptime and the sessions of a time range."""
    since, until = (shown(us, seconds=False) for us in (answer.since_us, answer.until_us))
    crashes = plural(answer.crashes, "crash", "crashes")
    lines = [
        f"Uptime     {share(answer.share)}, {duration(answer.up_us)} from {since} to {until}",
        f"Sessions   {plural(answer.starts, 'start')}, {styled(crashes, 'red') if answer.crashes else crashes}",
    ]
    if answer.spans:
        lines += ["", sessions(tuple(reversed(answer.spans)), shown, width, filtered=True)]
    return "\n".join(lines)


def live_run(run: LiveRun, shown: ShownTimes) -> str:
    """Render a run that has just ended as one line."""
    failure = f"  {run.failure.text}" if run.failure else ""
    result = styled_status(run.status)
    padding = " " * max(11 - len(status_label(run.status)), 0)
    trigger = trigger_text(run.trigger, shown)
    took = duration(run.duration_us)
    return f"{shown(run.started_us)}  {result}{padding}  {took:>7}  {plain(f'{_name(run)}  {trigger}{failure}')}"
