"""Render errors for the terminal: the list of errors, and one error."""

from hassette_sync.answers.errors import ErrorGroup, ErrorGroupDetail, ErrorGroupsPage
from hassette_sync.answers.trends import ErrorTrend
from hassette_sync.formatting import ago, number, plural
from hassette_sync.home_time import ShownTimes
from hassette_sync.terminal.colours import styled
from hassette_sync.terminal.render import runs
from hassette_sync.terminal.tables import TableColumn, plain, plain_lines, table

_ERROR_COLUMNS = (
    TableColumn("ID", right=True),
    TableColumn("Error, sample message", can_be_cut=True),
    TableColumn("Apps", can_be_cut=True, drop_order=1),
    TableColumn("State", can_be_cut=True, styles={"new": "yellow", "back": "yellow", "quiet": "green"}),
    TableColumn("Failures", right=True),
    TableColumn("Total", right=True, drop_order=2),
    TableColumn("First seen", drop_order=3),
    TableColumn("In version", can_be_cut=True, drop_order=4),
    TableColumn("Last seen"),
    TableColumn("Last run", drop_order=5),
)


def error_state(group: ErrorGroup, trend: ErrorTrend, shown: ShownTimes) -> str:
    """Return the state of an error in words: new, back or quiet, and the end of its silence."""
    states = [
        name for name, holds in (("new", trend.is_new), ("back", trend.is_back), ("quiet", trend.is_over)) if holds
    ]
    if group.silenced_until_us is not None and group.silenced_until_us > shown.now_us:
        states.append(f"silenced until {shown(group.silenced_until_us, seconds=False)}")
    return ", ".join(states)


def first_versions(trend: ErrorTrend) -> str:
    """Return the versions in which an error was first seen. The apps are named only if there are several."""
    found = trend.first_versions
    return ", ".join(one.version if len(found) == 1 else f"{one.version} of {one.app}" for one in found)


def error_groups(page: ErrorGroupsPage, shown: ShownTimes, width: int | None = None) -> str:
    """Render error groups as a table."""
    if not page.groups:
        return "No errors in this time range."
    rows = [
        (
            str(group.id),
            f"{group.type}, e.g. {group.sample_message}" if group.sample_message else group.type,
            ", ".join(trend.apps),
            error_state(group, trend, shown) or "–",
            number(group.recent),
            number(group.count),
            shown(group.first_seen_us),
            first_versions(trend) or "–",
            shown(group.last_seen_us),
            str(group.last_run_id),
        )
        for group, trend in zip(page.groups, page.trends, strict=True)
    ]
    return table(_ERROR_COLUMNS, rows, width)


def error_group(answer: ErrorGroupDetail, shown: ShownTimes, width: int | None = None) -> str:
    """Render one error: its figures, the sample traceback, the affected handlers and jobs, and the newest runs."""
    group = answer.group
    first, last, since = group.first_seen_us, group.last_seen_us, first_versions(answer.trend)
    in_version = f", in version {since}" if since else ""
    lines = [
        f"Error {group.id}: {styled(plain(group.type), 'bold')}",
        plain(f"  e.g. {group.sample_message}") if group.sample_message else "",
        f"Failures   {number(group.count)}, {number(group.recent)} in the time range",
        plain(f"First seen {shown(first)}, {ago(first, now_us=shown.now_us)}{in_version}"),
        f"Last seen  {shown(last)}, {ago(last, now_us=shown.now_us)}",
        f"Time zone  {shown.home.label}",
    ]
    if state := error_state(group, answer.trend, shown):
        lines.append(f"State      {state}")
    if answer.sample_traceback:
        lines += ["", f"Sample traceback: the first failure of this error, in run {group.sample_run_id}"]
        lines.append(plain_lines(answer.sample_traceback))
    if answer.registrations:
        lines += ["", f"Affected: {plural(len(answer.registrations), 'handler or job', 'handlers and jobs')}"]
        lines += [plain(f"  {ref.title}") for ref in answer.registrations]
    lines += ["", "Latest runs"]
    if answer.runs:
        lines.append(runs(answer.runs, shown, width))
    else:
        lines.append("No runs in the history: they have been deleted because of their age.")
    return "\n".join(lines)
