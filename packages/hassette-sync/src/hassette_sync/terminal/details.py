"""Render one app, and one handler or job for the terminal."""

from collections.abc import Iterator, Sequence

from hassette_sync.answers.apps import AppDetail
from hassette_sync.answers.overview import Restriction
from hassette_sync.answers.registrations import Registration, RegistrationDetail
from hassette_sync.formatting import duration, label, number, reason_label, share, status_label
from hassette_sync.home_time import ShownTimes
from hassette_sync.terminal.colours import STATUS_STYLES, styled
from hassette_sync.terminal.render import name, runs, styled_status, trigger_text
from hassette_sync.terminal.tables import TableColumn, plain, plain_lines, table

_MEMBER_COLUMNS = (
    TableColumn("ID", right=True),
    TableColumn("Kind", drop_order=3),
    TableColumn("Name", can_be_cut=True, is_name=True),
    TableColumn("Topic or schedule", can_be_cut=True, drop_order=4),
    TableColumn("Runs", right=True),
    TableColumn("Failures", right=True),
    TableColumn("p95", right=True, drop_order=1),
    TableColumn("Not run", right=True, drop_order=2),
    TableColumn("Last result", styles=STATUS_STYLES),
)


def app(answer: AppDetail, shown: ShownTimes, width: int | None = None) -> str:
    """Render one app: its figures, its handlers and jobs, its versions, and its newest runs."""
    one, since = answer.app, shown(answer.since_us, seconds=False)
    counts = one.counts
    lines = [
        styled(plain(one.app), "bold"),
        f"Instances  {plain(', '.join(one.instances)) or '–'}",
        f"Since      {since}",
        f"Runs       {number(counts.total)}, {number(counts.failed)} failed ({share(counts.failure_share)})",
        f"Total time {duration(one.total_us)}",
        f"Time zone  {shown.home.label}",
    ]
    for version in answer.versions[:1]:
        commit = f", commit {version.commit}" if version.commit else ""
        lines.append(plain(f"Version    {version.version} since {shown(version.since_us)}{commit}"))
    if answer.registrations:
        rows = [
            (
                str(each.id),
                each.kind,
                name(each) + (f" ({each.state})" if each.state else ""),
                each.listens_to,
                number(each.counts.total),
                number(each.counts.failed),
                duration(each.percentiles.p95_us),
                number(each.skipped),
                status_label(each.last_status) if each.last_status else "–",
            )
            for each in answer.registrations
        ]
        lines += ["", table(_MEMBER_COLUMNS, rows, width)]
    if answer.more_registrations:
        lines.append("More are listed by “handlers --app” and “jobs --app”.")
    if answer.versions[1:]:
        lines += ["", "Earlier versions"]
    for version in answer.versions[1:]:
        lines.append(plain(f"  {version.version}  {shown(version.since_us)} to {shown(version.until_us)}"))
    lines += ["", "Latest runs", runs(answer.recent, shown, width)]
    return "\n".join(lines)


def registration(
    answer: RegistrationDetail,
    shown: ShownTimes,
    restrictions: Sequence[Restriction] = (),
    *,
    is_live: bool = False,
    was_asked: bool = True,
) -> str:
    """Render one handler or job: its figures, settings and source, and the triggers that led to no run.

    Args:
        answer: The handler or job.
        shown: Formats times.
        restrictions: Disabled and rehearsing apps and paused jobs.
        is_live: Whether the answer of the running framework contains the next run of a job.
        was_asked: Whether the terminal has asked the running framework. It does not ask about another file (``--db``).
    """
    one = answer.registration
    counts, ranks = one.counts, one.percentiles
    since, until = (shown(us, seconds=False) for us in (answer.since_us, answer.until_us))
    figures = f"p50 {duration(ranks.p50_us)}, p95 {duration(ranks.p95_us)}, p99 {duration(ranks.p99_us)}"
    lines = [
        f"{one.kind.capitalize()} {styled(plain(name(one)), 'bold')}{f' ({one.state})' if one.state else ''}",
        "",
        f"{'Topic' if one.kind == 'handler' else 'Schedule':<10} {plain(one.listens_to)}",
        f"ID         {one.id}",
        f"Function   {plain(one.handler)}",
        f"Runs       {number(counts.total)}, {number(counts.failed)} failed ({share(counts.failure_share)})",
        f"Durations  {figures}, longest {duration(one.max_us)}",
        f"Not run    {number(one.skipped)}",
        f"Covers     {since} to {until}",
        f"Time zone  {shown.home.label}",
    ]
    if one.last_run_id and one.last_status:
        lines.append(f"Last run   {one.last_run_id}: {styled_status(one.last_status)}")
    lines += _restricted(answer.registration, shown, restrictions)
    if one.kind == "job" and one.is_current:
        unknown = "known only to the running Hassette" + (", which did not answer" if was_asked else "")
        planned = "none is planned" if is_live else unknown
        lines.append(f"Next run   {planned if answer.next_run_us is None else shown(answer.next_run_us)}")
    lines += _settings(answer)
    if answer.skips:
        lines += ["", "Not run"]
        lines += [f"  {number(each.count)}  {plain(reason_label(each.reason))}" for each in answer.skips]
    if answer.not_runs:
        lines += ["", "Latest triggers that led to no run"]
    for each in answer.not_runs:
        trigger = f"  {trigger_text(each.trigger, shown)}" if each.trigger else ""
        lines.append(plain(f"  {shown(each.at_us)}  {each.detail or reason_label(each.reason)}{trigger}"))
    return "\n".join(lines)


def _restricted(one: Registration, shown: ShownTimes, restrictions: Sequence[Restriction]) -> Iterator[str]:
    for each in restrictions:
        since = "" if each.since_us is None else f" since {shown(each.since_us)}"
        if each.kind == "paused" and one.kind == "job" and each.subject == one.ref.title:
            yield f"State      paused{since}; its due runs are skipped"
        elif each.kind != "paused" and each.subject == one.app:
            yield f"App        {each.kind}{since}"


def _settings(answer: RegistrationDetail) -> Iterator[str]:
    if answer.settings:
        yield ""
        yield "Settings"
    for setting in answer.settings:
        yield plain(f"  {label(setting.name)}: {setting.value}")
    if (source := answer.source) is not None:
        yield ""
        yield plain(f"Source     {source.file}, line {source.line}")
        yield plain_lines(source.snippet)
