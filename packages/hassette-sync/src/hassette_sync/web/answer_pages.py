"""Pages of answers: ask, why, why not, logs, events, triggers that led to no run, comparison, and household."""

import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import cast

from fastapi import APIRouter, Depends, Request
from starlette.responses import HTMLResponse, Response

from hassette_sync.answers.comparison import GRAVITY
from hassette_sync.answers.explanations import Why, WhyNot
from hassette_sync.answers.registrations import SkipReason
from hassette_sync.errors import BadQuestionError, UnclearWordsError
from hassette_sync.formatting import QUESTION_SUBJECTS
from hassette_sync.ids import parse_id
from hassette_sync.questions.comparison import MAX_COMPARED, Against
from hassette_sync.questions.events import GROUPS, FrameworkEventFilter
from hassette_sync.questions.logs import LEVELS, LogFilter
from hassette_sync.questions.not_runs import NotRunFilter
from hassette_sync.time_range import TimeRange
from hassette_sync.web.api_answers import At, Text
from hassette_sync.web.chips import chips_of
from hassette_sync.web.columns import COMPARED_COLUMNS
from hassette_sync.web.lists import sorted_list
from hassette_sync.web.page_tags import check_tag
from hassette_sync.web.parameters import Cursor, History, Range
from hassette_sync.web.rendering import first_to_follow, page
from hassette_sync.web.visitors import VISITOR, Visitor
from hassette_sync.web.whole_lists import ListRequest

answer_pages = APIRouter(
    include_in_schema=False, default_response_class=HTMLResponse, dependencies=[Depends(check_tag)]
)

_GROUP_TITLES = ("starts, stops and connections", "new versions of apps", "stalls", "alerts", "actions from the page")
_GROUPS = tuple(zip(GROUPS, _GROUP_TITLES, strict=True))
_PAGE = 100


@answer_pages.get("/ask")
async def ask(request: Request, data: History, q: Text = None) -> Response:
    """Answer a question in words, such as: why did light.hall turn on at 03:12?"""
    if not (q or "").strip(" ?"):
        return await page(request, "ask_page.html", question="")
    try:
        asked = await data.ask(q or "")
    except BadQuestionError as error:
        code = HTTPStatus.NOT_FOUND if isinstance(error, UnclearWordsError) else HTTPStatus.BAD_REQUEST
        problem = error.named(QUESTION_SUBJECTS.get(error.parameter or "", error.parameter))
        return await page(request, "ask_page.html", code, question=q or "", problem=problem)
    if asked.elsewhere is not None:
        return await page(request, "ask_page.html", question=q or "", answer=asked.elsewhere)
    if asked.what_failed is not None:
        terminal = f"hassette ask {shlex.quote(q or '')}"
        return await page(request, "what_failed.html", answer=asked.what_failed, question=q or "", terminal=terminal)
    if asked.why_not is not None:
        return await _why_not_page(request, asked.why_not, of=asked.subject, question=q or "", at=asked.at)
    assert asked.why is not None  # an answer has one of the four
    return await _why_page(request, asked.why, question=q or "", at=asked.at)


@answer_pages.get("/why-not")
async def why_not(request: Request, data: History, of: Text = None, at: At = None) -> Response:
    """Why a handler or job did not run: each check with its result, and the first reason in one sentence."""
    if not of:
        return await page(request, "ask_page.html", question="why not ")
    answer = await data.why_not(of, at=await data.asked_time(at) if at else None)
    return await _why_not_page(request, answer, of=of, question=_question("why not", of, at), at=at)


async def _why_not_page(request: Request, answer: WhyNot, *, of: str, question: str, at: str | None) -> Response:
    terminal = f"hassette why-not {shlex.quote(of)}{_at_option(at)}"
    return await page(request, "why_not.html", answer=answer, subject=of, question=question, terminal=terminal)


@answer_pages.get("/why")
async def why(
    request: Request,
    data: History,
    entity: Text = None,
    service: Text = None,
    text: Text = None,
    state: Text = None,
    at: At = None,
) -> Response:
    """Why an entity changed, a service was called or a text was logged: the chain back to the first cause."""
    if not (entity or service or text):
        return await page(request, "ask_page.html", question="")
    answer = await data.why(
        entity=entity or None,
        service=service or None,
        text=text or None,
        state=state or None,
        at=await data.asked_time(at) if at else None,
    )
    return await _why_page(request, answer, question=_question("why", entity or service or text or "", at), at=at)


async def _why_page(request: Request, answer: Why, *, question: str, at: str | None) -> Response:
    option = {"entity": "", "service": "--service ", "text": "--text "}[answer.about]
    terminal = f"hassette why {option}{shlex.quote(answer.subject)}{_at_option(at)}"
    return await page(request, "why.html", answer=answer, question=question, terminal=terminal)


def _question(words: str, subject: str, at: str | None) -> str:
    return f"{words} {subject}{f' at {at}' if at and not at.isdigit() else ''}"


def _at_option(at: str | None) -> str:
    return f" --at {shlex.quote(at)}" if at else ""


@answer_pages.get("/logs")
async def logs(
    request: Request,
    data: History,
    time_range: Range,
    text: Text = None,
    level: Text = None,
    app: Text = None,
    registration: Text = None,
    run: Text = None,
    cursor: Cursor = None,
) -> Response:
    """Log lines of runs, newest first, with filters."""
    time_range = await data.covered(time_range)
    follow_from = await first_to_follow(request, data, cursor)
    log_filter = LogFilter(
        text=text or None,
        level=level or None,
        app=app or None,
        registration_id=parse_id(registration, "registration id") if registration else None,
        run_id=parse_id(run, "run id") if run else None,
    )
    return await page(
        request,
        "logs.html",
        time_range=time_range,
        follow_from=follow_from,
        answer=await data.logs(log_filter, time_range, cursor=cursor, limit=_PAGE),
        apps=await data.apps(time_range),
        levels=LEVELS,
        active=chips_of(request.query_params, await _shown(data, log_filter.registration_id)),
        cursor=cursor,
    )


async def _shown(data: History, registration_id: int | None) -> dict[str, str]:
    """Return the name of a filtered handler or job, to show in place of its id."""
    if registration_id is None:
        return {}
    return {"registration": (await data.registration(registration_id)).registration.ref.title}


@answer_pages.get("/events")
async def events(
    request: Request,
    data: History,
    time_range: Range,
    text: Text = None,
    group: Text = None,
    app: Text = None,
    routine: Text = None,
    cursor: Cursor = None,
) -> Response:
    """Events of the framework, newest first: starts and stops, connections, versions, stalls and actions."""
    time_range = await data.covered(time_range)
    follow_from = await first_to_follow(request, data, cursor)
    event_filter = FrameworkEventFilter(group=group or None, app=app or None, text=text or None, routine=bool(routine))
    return await page(
        request,
        "events.html",
        time_range=time_range,
        follow_from=follow_from,
        answer=await data.events(event_filter, time_range, cursor=cursor, limit=_PAGE),
        groups=_GROUPS,
        routine=bool(routine),
        is_filtered=event_filter != FrameworkEventFilter(routine=bool(routine)) or cursor is not None,
        active=chips_of(request.query_params),
        cursor=cursor,
    )


@answer_pages.get("/not-run")
async def not_run(
    request: Request,
    data: History,
    time_range: Range,
    app: Text = None,
    registration: Text = None,
    reason: Text = None,
    entity: Text = None,
    cursor: Cursor = None,
) -> Response:
    """Triggers that led to no run, newest first, with their reasons."""
    time_range = await data.covered(time_range)  # the numbers cover whole hours or days, and so does the list
    follow_from = await first_to_follow(request, data, cursor)
    not_run_filter = NotRunFilter(
        app=app or None,
        registration_id=parse_id(registration, "registration id") if registration else None,
        reason=reason or None,
        entity_id=entity or None,
    )
    return await page(
        request,
        "not_runs.html",
        time_range=time_range,
        follow_from=follow_from,
        answer=await data.not_runs(not_run_filter, time_range, cursor=cursor, limit=_PAGE),
        counted=_counted(await data.skips(time_range), not_run_filter) if cursor is None else (),
        active=chips_of(request.query_params, await _shown(data, not_run_filter.registration_id)),
        cursor=cursor,
    )


def _counted(skips: Sequence[SkipReason], wanted: NotRunFilter) -> list[SkipReason]:
    """Return the numbers that a filter asks for. They are not counted by entity."""
    if wanted.entity_id is not None:
        return []
    return [
        one
        for one in skips
        if wanted.app in (None, one.registration.app)
        and wanted.registration_id in (None, one.registration.id)
        and wanted.reason in (None, one.reason)
    ]


@answer_pages.get("/compare")
async def compare(
    request: Request,
    data: History,
    time_range: Range,
    against: Text = None,
    finding: Text = None,
    sort: Text = None,
    find: Text = None,
) -> Response:
    """Handlers, jobs and errors that differ from the previous period or version."""
    if finding and finding not in GRAVITY:
        raise BadQuestionError(f"must be one of {', '.join(GRAVITY)}, got {finding[:40]!r}.", parameter="finding")
    follow_from = await first_to_follow(request, data)
    answer = await data.compare(time_range, against=cast("Against", against or "period"), limit=MAX_COMPARED)
    counts = Counter(one for registration in answer.registrations for one in registration.findings)
    asked = ListRequest(sort=sort, find=find)
    rows = [
        one
        for one in answer.registrations
        if (not finding or finding in one.findings) and asked.matches(one.registration.title)
    ]
    listed = sorted_list(COMPARED_COLUMNS, rows, sort, is_part=len(rows) > _PAGE)
    return await page(
        request,
        "compare.html",
        # The figures begin at a whole hour or day. The choice of the time shows the same start as the sentence.
        time_range=TimeRange(answer.since_us, answer.until_us) if answer.against == "period" else time_range,
        follow_from=follow_from,
        answer=answer,
        list=replace(listed, rows=listed.rows[:_PAGE]),
        more=len(rows[_PAGE:]),
        groups=[one for one in answer.groups if finding in (None, "", one.finding)],
        findings=sorted(counts.items(), key=lambda pair: GRAVITY.index(pair[0])),
        active=chips_of(request.query_params),
    )


@answer_pages.get("/home")
async def household(request: Request, data: History) -> Response:
    """The actions of the automations today, for the people of the home."""
    visitor: Visitor = request.scope[VISITOR]
    return await page(request, "household.html", answer=await data.household(), may_see_more=visitor.is_admitted)
