"""Render the templates."""

import asyncio
import functools
import platform
import re
from typing import Any
from urllib.parse import urlencode

import jinja2
import markupsafe
from fastapi import Request
from starlette.responses import HTMLResponse, Response

from hassette_sync import formatting
from hassette_sync.__about__ import __version__
from hassette_sync.answers.kinds import LABELS
from hassette_sync.answers.sessions import Session
from hassette_sync.errors import SyncError
from hassette_sync.home_time import HomeTime, ShownTimes
from hassette_sync.questions.rows import time_of_fact
from hassette_sync.questions.steps import steps_of, target_text
from hassette_sync.service import DataSyncService
from hassette_sync.time_range import DAY_US, DEFAULT_AGE, HOUR_US, MINUTE_US, SECOND_US, TimeRange, now_us
from hassette_sync.verdict import framework_state
from hassette_sync.web import charts
from hassette_sync.web.changes import HOW_TO_ALLOW, is_allowed
from hassette_sync.web.links import Links
from hassette_sync.web.menu import MENU
from hassette_sync.web.notices import PARAMETER as NOTICE
from hassette_sync.web.notices import local_address
from hassette_sync.web.outside import editor_address, home_address
from hassette_sync.web.root import root_of
from hassette_sync.web.static_files import static_version
from hassette_sync.web.tracebacks import frames_of
from hassette_sync.web.visitors import VISITOR, Visitor
from hassette_sync.web.waterfall import waterfall_chart

RANGES = (("1h", "1 hour"), ("24h", "24 hours"), ("today", "Today"), ("7d", "7 days"), ("30d", "30 days"))
NAMED_RANGES = (
    ("15m", None, "15 minutes"),
    ("6h", None, "6 hours"),
    ("yesterday", "today", "Yesterday"),
    ("365d", None, "A year"),
)
"""Further time ranges: start, end and name."""
_HEADINGS = {403: "Not allowed", 404: "Not found", 409: "Not possible now"}
_SCRIPTS = ("live.js", "keys.js", "tables.js", "charts.js")
# Within a number such as 0.3, no line breaks.
_NAME_BREAK = re.compile(r"(?<=\w)(?:_|[./](?!\d)|(?<!\d)[./])(?=\w)")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_FILTERS = (
    *("duration", "rough_duration", "number", "share", "size", "label"),
    *(
        "event_label",
        "group_label",
        "status_label",
        "reason_label",
        "failure_label",
        "plural",
        "record_noun",
        "app_title",
    ),
)


async def page(
    request: Request, template: str, code: int = 200, /, follow_from: int | None = None, **values: Any
) -> HTMLResponse:
    """Render a page.

    Args:
        request: The request.
        template: File name of the template.
        code: HTTP status code.
        follow_from: Id of the newest run before the page asked its questions. Live updates start after it. None renders
            a page without live updates.
        values: Variables of the template.
    """
    about = await _about_the_framework(request)
    data: DataSyncService = request.app.state.data
    if "time_range" in values and "time_choices" not in values:
        values["time_choices"] = await data.time_choices()
    # Rendering a range of a year takes a while. It happens in a thread, because automations run on this event loop.
    tag: str | None = getattr(request.state, "tag", None) if code == 200 else None
    text = await asyncio.to_thread(_render, request, template, follow_from=follow_from, tag=tag, **about, **values)
    return HTMLResponse(text, code, {"etag": tag} if tag is not None else None)


async def first_to_follow(request: Request, data: DataSyncService, cursor: str | None = None) -> int | None:
    """Return the id after which live updates of a list start; None for a list that new entries do not change.

    New entries appear only on the first page of a list whose time range has no end.
    """
    return None if cursor is not None or request.query_params.get("until") else await data.newest_id()


async def _about_the_framework(request: Request) -> dict[str, Any]:
    """Return the state of the framework and the addresses of Home Assistant and the editor, for the template."""
    data, settings = request.app.state.data, request.app.state.settings
    allowed = is_allowed(request.scope[VISITOR], settings)
    try:
        if not hasattr(request.state, "home"):  # a page of an error shows times, too
            request.state.home = await data.home_time()
        known = hasattr(request.state, "session")
        session: Session | None = request.state.session if known else await data.newest_session()
        state = framework_state(session, data.live_state())
    except SyncError:  # the page itself shows why the history cannot be read
        session = state = None
    return {
        "framework": state,
        "home_url": home_address(settings.home_url, session.facts if session is not None else {}),
        "editor": functools.partial(editor_address, settings.editor_url),
        "household_token": settings.household_token,
        "can_control": data.can_control and allowed,
        "how_to_allow": HOW_TO_ALLOW if data.can_control and not allowed else "",
    }


async def error_page(request: Request, code: int, sentence: str, *, is_unreadable: bool = False) -> Response:
    """Render an error. A page with code 503 follows the history, and updates when the history can be read again.

    Args:
        request: The request.
        code: HTTP status code.
        sentence: Description of the error.
        is_unreadable: Whether the history is damaged or cannot be read. Then the page shows the next step.
    """
    follow_from = 0 if code == 503 else None
    back = local_address(getattr(request.state, "came_from", ""))[1:]
    return await page(
        request,
        "error.html",
        code,
        follow_from=follow_from,
        sentence=sentence,
        level="warning" if code < 500 else "bad",
        heading=_HEADINGS.get(code, "Invalid request" if code < 500 else "No data available"),
        back=back,
        is_unreadable=is_unreadable,
    )


def axis_ticks(time_range: TimeRange, home: HomeTime) -> tuple[charts.Tick, ...]:
    """Return the ticks of an axis for a time range, in the home's time zone."""
    return charts.ticks(time_range.since_us, time_range.until_us, home.utc_offset_us)


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("hassette_sync"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update({name: getattr(formatting, name) for name in _FILTERS})
    environment.filters["target"] = target_text
    environment.filters["breakable"] = _breakable
    shared: dict[str, Any] = {
        "event_subject": formatting.event_subject,
        "is_named_instance": formatting.is_named_instance,
        "steps_of": steps_of,
        "time_of_fact": time_of_fact,
        "version": __version__,
        "static_version": static_version(),
        "host": platform.node(),
        "menu": MENU,
        "scripts": _SCRIPTS,
        "kinds": LABELS,
        "ranges": RANGES,
        "named_ranges": NAMED_RANGES,
        "SECOND_US": SECOND_US,
        "MINUTE_US": MINUTE_US,
        "HOUR_US": HOUR_US,
        "DAY_US": DAY_US,
        "chart_width": charts.WIDTH,
        "plot_height": charts.PLOT_HEIGHT,
        "latency_height": charts.LATENCY_HEIGHT,
        "timeline_chart": charts.timeline_chart,
        "titled_columns": charts.titled_columns,
        "session_strip": charts.session_strip,
        "heat_chart": charts.heat_chart,
        "waterfall_chart": waterfall_chart,
        "frames_of": frames_of,
        "is_unreadable": False,  # only a page of an error sets it
    }
    environment.globals.update(shared)
    return environment


def _breakable(value: object) -> markupsafe.Markup:
    """Return a text as markup. Its lines break after a dot, underscore or slash in a name, not between two letters."""
    return _with_breaks(str(value))  # a text with other markup would be escaped, too


@functools.lru_cache(4_096)
def _with_breaks(text: str) -> markupsafe.Markup:
    return markupsafe.Markup(_NAME_BREAK.sub(r"\g<0><wbr>", str(markupsafe.escape(text))))  # noqa: S704  escaped above


def compile_templates() -> None:
    """Compile all templates. Otherwise, each is compiled for the first page that needs it."""
    environment = _environment()
    for name in environment.list_templates():
        environment.get_template(name)


def _render(request: Request, template: str, /, **values: Any) -> str:
    at_us = now_us()
    visitor: Visitor = request.scope[VISITOR]
    path: str = request.scope["path"]
    # If the history cannot be read, an error page shows times in the time zone of this machine.
    shown = ShownTimes(getattr(request.state, "home", HomeTime()), at_us)
    query = dict(request.query_params)
    notice = request.app.state.notices.get(query.pop(NOTICE, ""))  # links do not contain it
    root = root_of(path, request.headers)
    links = Links(path, root, query)
    text = _environment().get_template(template).render(
        path=path,
        root=root,
        page_key_name=request.app.state.page_keys.name,
        page_key=request.app.state.page_keys.new(visitor.session),
        signed_in=visitor.kind == "session",
        query=query,
        here=f"{path}?{urlencode(query)}" if query else path,
        notice=notice,
        since=query.get("since") or DEFAULT_AGE,
        now_us=at_us,
        moment=shown,
        tick_label=functools.partial(_tick_label, shown=shown),
        ago=functools.partial(formatting.ago, now_us=at_us),
        link=links.here,
        to=links.to,
        **values,
    )  # fmt: skip
    return _CONTROL.sub(_reference, text)


def _reference(found: re.Match[str]) -> str:
    """Return a control character as HTML. As it is, HTML does not allow it, and a terminal would interpret it.

    A button needs the exact name of its job. HTML has no reference for NUL, and it reads those from 128 on as other
    characters.
    """
    number = ord(found[0])
    return f"&#{number};" if 0 < number < 128 else "\ufffd"


def _tick_label(tick_us: int, *, shown: ShownTimes) -> str:
    """Return the label of a tick: the day at midnight, otherwise the time."""
    clock = shown.clock(tick_us)
    return shown.day(tick_us) if clock == "00:00" else clock
