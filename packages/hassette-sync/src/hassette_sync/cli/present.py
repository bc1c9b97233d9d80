"""Commands about the present: running, upcoming, tail."""

import asyncio
from pathlib import Path

import click
from pydantic import TypeAdapter, ValidationError

from hassette_store.statuses import FAILED_STATUSES
from hassette_sync.answers.overview import SystemStatus, Upcoming
from hassette_sync.answers.stream import LiveRun
from hassette_sync.cli.asking import history, list_page, show_answer, show_json, show_text
from hassette_sync.cli.control import EPILOG as RUNNING_EPILOG
from hassette_sync.cli.control import connection_options
from hassette_sync.cli.shared import HistoryOptions, epilog, history_options
from hassette_sync.errors import NotRunningError
from hassette_sync.home_time import HomeTime, ShownTimes
from hassette_sync.questions.runs import RunFilter
from hassette_sync.service import DataSyncService
from hassette_sync.terminal import lists
from hassette_sync.terminal.running import running_framework
from hassette_sync.time_range import TimeRange, now_us

_UPCOMING: TypeAdapter[tuple[Upcoming, ...]] = TypeAdapter(tuple[Upcoming, ...])


@click.command(epilog=epilog("running"))
@history_options(since=None)
def running(options: HistoryOptions) -> None:
    """List the runs in progress, longest first.

    The history contains them as of the last heartbeat.
    """
    show_answer(
        options,
        lambda data, _: data.running(),
        lambda answer, shown: list_page(lists.running(answer, shown, options.table_width), shown),
    )


@click.command(epilog=f"Example: hassette upcoming\n{RUNNING_EPILOG}")
@connection_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
@click.option("--wide", is_flag=True, help="Do not cut tables to the width of the terminal.")
def upcoming(url: str | None, configuration: Path, as_json: bool, wide: bool) -> None:
    """List the next runs of jobs, soonest first. Only the running Hassette knows them."""
    framework = running_framework(url, configuration)
    try:
        found = _UPCOMING.validate_json(framework.get("upcoming"))
        zone = SystemStatus.model_validate_json(framework.get("status")).time_zone
    except ValidationError:
        raise NotRunningError(framework.url, "the answer is not from this version of Hassette") from None
    if as_json:
        show_json(found)
        return
    shown = ShownTimes(HomeTime.named(zone.name if zone.source == "home" else None), now_us())
    width = HistoryOptions(db=None, as_json=False, wide=wide).table_width
    show_text(list_page(lists.upcoming(found, shown, width), shown))


@click.command(epilog=epilog("tail", "tail --app motion_light", "tail --failed --json"))
@history_options(tables=False, since=None)
@click.option("--app", metavar="APP", help="Only runs of this app.")
@click.option("--failed", is_flag=True, help="Only failed runs.")
@click.option("--last", type=click.IntRange(0, 500), default=10, show_default=True, help="Begin with the last N runs.")
@click.option("--count", type=click.IntRange(1), metavar="N", help="End after N runs.")
def tail(options: HistoryOptions, app: str | None, failed: bool, last: int, count: int | None) -> None:
    """Show runs as they end, until Ctrl+C. With --json, each line is one run."""

    async def main() -> None:
        async with history(options) as data:
            home = await data.home_time()
            await _follow(data, home, options, RunFilter(app=app, status="failed" if failed else None), last, count)

    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        return  # the usual end of this command


async def _follow(
    data: DataSyncService, home: HomeTime, options: HistoryOptions, wanted: RunFilter, last: int, count: int | None
) -> None:
    left = count

    def show(run: LiveRun) -> bool:
        """Print a run. Return whether more runs are wanted."""
        nonlocal left
        if (wanted.app is not None and run.app != wanted.app) or (wanted.status and run.status not in FAILED_STATUSES):
            return True
        text = lists.live_run(run, ShownTimes(home, now_us()))
        is_read = show_json(run, indent=None) if options.as_json else show_text(text)
        left = None if left is None else left - 1
        return is_read and left != 0

    after = await data.newest_id()
    if last:
        page = await data.runs(wanted, TimeRange.last("30d"), limit=last)
        for run in reversed(page.runs):
            if not show(LiveRun.of(run)):
                return
        # A run that ended between the two questions is in the page already.
        after = max(after, page.runs[0].id if page.runs else 0)
    async for batch in data.follow(after):
        if not all(show(run) for run in batch):
            return
