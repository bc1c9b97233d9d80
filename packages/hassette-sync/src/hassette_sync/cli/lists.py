"""Commands that list: apps, logs, events, not-run, timeline, uptime."""

import click

from hassette_sync.answers.logs import LogsPage, Noise, NotRunsPage
from hassette_sync.answers.overview import Restriction, Timeline
from hassette_sync.answers.registrations import AppSummary
from hassette_sync.cli.asking import list_page, show_answer
from hassette_sync.cli.shared import DEFAULT_LIMIT, HistoryOptions, epilog, history_options
from hassette_sync.home_time import HomeTime
from hassette_sync.ids import parse_id
from hassette_sync.questions.events import GROUPS, FrameworkEventFilter
from hassette_sync.questions.logs import LEVELS, LogFilter
from hassette_sync.questions.not_runs import NotRunFilter
from hassette_sync.service import DataSyncService
from hassette_sync.terminal import lists

_APP = click.option("--app", metavar="APP", help="Only entries of this app.")
_OF = click.option("--of", metavar="NAME", help="Only one handler or job: APP.HANDLER, or its id.")
_TEXT = click.option("--text", metavar="TEXT", help="Only entries with this text. Case does not matter.")


async def _id_of(data: DataSyncService, of: str | None) -> int | None:
    return None if of is None else (await data.registration_named(of)).id


@click.command(epilog=epilog("apps --since 7d"))
@history_options()
def apps(options: HistoryOptions) -> None:
    """List apps, the noisiest first.

    Log lines and calls are counted if the runs are few. Otherwise they are estimates from the newest runs, marked ≈.
    The size is always an estimate.
    """
    noise: list[Noise] = []
    restrictions: list[Restriction] = []

    async def ask(data: DataSyncService, home: HomeTime) -> tuple[AppSummary, ...]:
        time_range = options.time_range(home)
        noise.append(await data.noise(time_range))
        restrictions.extend(await data.restrictions())
        return await data.apps(time_range)

    show_answer(
        options,
        ask,
        lambda found, _: lists.apps(found, noise[0], options.table_width, restrictions=restrictions),
    )


@click.command(epilog=epilog("logs --level warning --since 7d", "logs --text unavailable", "logs --at 03:12"))
@history_options(limit=DEFAULT_LIMIT)
@_TEXT
@click.option("--level", type=click.Choice(LEVELS, case_sensitive=False), help="Lowest level.")
@_APP
@_OF
@click.option("--run", metavar="ID", help="Only log lines of one run.")
def logs(
    options: HistoryOptions, text: str | None, level: str | None, app: str | None, of: str | None, run: str | None
) -> None:
    """List log lines of runs, apps and the framework, newest first."""

    async def ask(data: DataSyncService, home: HomeTime) -> LogsPage:
        wanted = LogFilter(
            text=text,
            level=level,
            app=app,
            registration_id=await _id_of(data, of),
            run_id=parse_id(run, "run id") if run else None,
        )
        time_range = options.time_range(home, default="0" if run else None)
        return await data.logs(wanted, time_range, cursor=options.cursor, limit=options.limit)

    show_answer(
        options,
        ask,
        lambda page, shown: list_page(
            lists.logs(page.lines, shown, options.table_width, is_last=page.next_cursor is None),
            shown,
            page.next_cursor,
        ),
    )


@click.command(epilog=epilog("events --since 7d", "events --group deploy"))
@history_options(limit=DEFAULT_LIMIT)
@click.option("--group", type=click.Choice(GROUPS), help="Only events of this group.")
@_APP
@_TEXT
@click.option("--routine", is_flag=True, help="Also list ordinary starts and stops.")
def events(options: HistoryOptions, group: str | None, app: str | None, text: str | None, routine: bool) -> None:
    """List events of the framework, newest first.

    Events are starts, stops, lost connections, new versions of apps, stalls, alerts and actions of users.
    """
    event_filter = FrameworkEventFilter(group=group, app=app, text=text, routine=routine)
    show_answer(
        options,
        lambda data, home: data.events(
            event_filter, options.time_range(home), cursor=options.cursor, limit=options.limit
        ),
        lambda page, shown: list_page(
            lists.events(page.events, shown, options.table_width, routine=routine), shown, page.next_cursor
        ),
    )


@click.command("not-run", epilog=epilog("not-run --since 7d", "not-run --reason condition --app motion_light"))
@history_options(limit=DEFAULT_LIMIT)
@_APP
@_OF
@click.option("--reason", metavar="REASON", help="Only this reason, such as condition or rate_limited.")
@click.option("--entity", metavar="ENTITY", help="Only events of this entity.")
def not_run(options: HistoryOptions, app: str | None, of: str | None, reason: str | None, entity: str | None) -> None:
    """List triggers that led to no run, with reasons.

    The history keeps the newest 20 of each handler and job.
    """

    async def ask(data: DataSyncService, home: HomeTime) -> NotRunsPage:
        registration_id = await _id_of(data, of)
        wanted = NotRunFilter(app=app, registration_id=registration_id, reason=reason, entity_id=entity)
        return await data.not_runs(wanted, options.time_range(home), cursor=options.cursor, limit=options.limit)

    show_answer(
        options,
        ask,
        lambda page, shown: list_page(
            lists.not_runs(page.samples, shown, options.table_width), shown, page.next_cursor
        ),
    )


@click.command(epilog=epilog("timeline --since 7d", "timeline --of motion_light.on_motion"))
@history_options()
@_OF
def timeline(options: HistoryOptions, of: str | None) -> None:
    """Show runs, failures and durations over time."""

    async def ask(data: DataSyncService, home: HomeTime) -> Timeline:
        return await data.timeline(options.time_range(home), await _id_of(data, of))

    show_answer(
        options, ask, lambda answer, shown: list_page(lists.timeline(answer, shown, options.table_width), shown)
    )


@click.command(epilog=epilog("uptime --since 30d"))
@history_options()
def uptime(options: HistoryOptions) -> None:
    """Show when the framework was up.

    The answer has the share of the time, the crashes and the sessions.
    """
    show_answer(
        options,
        lambda data, home: data.uptime(options.time_range(home)),
        lambda answer, shown: list_page(lists.uptime(answer, shown, options.table_width), shown),
    )
