"""Lists that are sorted and filtered before they are cut to one page.

A list that fits on one page is sorted here or by the browser, and only the browser filters it. The browser has only a
part of a longer list. So the server reads the whole list, sorts and filters it, and shows the first rows.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Generic, TypeVar

from hassette_store.search_form import search_form
from hassette_sync.answers.errors import ErrorGroup, ErrorGroupsPage
from hassette_sync.answers.kinds import KindLabels
from hassette_sync.answers.registrations import Registration, Registrations
from hassette_sync.answers.trends import ErrorTrend
from hassette_sync.questions.paging import MAX_LIMIT
from hassette_sync.questions.registrations import MAX_LISTED
from hassette_sync.service import DataSyncService
from hassette_sync.time_range import TimeRange
from hassette_sync.web.columns import ERROR_COLUMNS, ErrorRow, registration_columns
from hassette_sync.web.lists import SortedList, sorted_list

RowT = TypeVar("RowT")

ERRORS_ON_A_PAGE: Final = 50
REGISTRATIONS_ON_A_PAGE: Final = 1_000
MOST_ERRORS: Final = 2_000
MOST_REGISTRATIONS: Final = 20_000
_OF_TRENDS: Final = ("apps", "trend")


@dataclass(frozen=True, slots=True, kw_only=True)
class ListRequest:
    """The part of a list that the address of a page asks for.

    Attributes:
        sort: Column, with - for the highest value first; None for the order of the question.
        find: Words that each row must contain.
        cursor: ``next_cursor`` of the previous page; it counts only without the others.
    """

    sort: str | None = None
    find: str | None = None
    cursor: str | None = None

    @property
    def is_whole(self) -> bool:
        """Whether the answer depends on the whole list."""
        return bool(self.sort or self.find)

    def matches(self, text: str) -> bool:
        """Return whether a text contains all words, in any case."""
        form = search_form(text) or ""
        return all((search_form(word) or "") in form for word in (self.find or "").split())


@dataclass(frozen=True, slots=True)
class ShownList(Generic[RowT]):
    """Rows of one page.

    Attributes:
        list: The rows in their order.
        next_cursor: Cursor of the next page; None if there is none, and for a whole list.
        total: Number of rows that match, of a whole list that was cut; None for other lists.
        examined: Number of rows that were sorted and filtered, if the list has more; None if it has no more.
        cursor: Cursor of this page.
    """

    list: SortedList[RowT]
    next_cursor: str | None = None
    total: int | None = None
    examined: int | None = None
    cursor: str | None = None


def _cut(
    shown: SortedList[RowT], asked: ListRequest, text_of: Callable[[RowT], str], most: int
) -> tuple[SortedList[RowT], int]:
    """Return the first rows that match, and the number of all that match."""
    rows = [row for row in shown.rows if asked.matches(text_of(row))]
    return replace(shown, rows=rows[:most]), len(rows)


async def listed_errors(
    data: DataSyncService, time_range: TimeRange, asked: ListRequest, *, most: int = MOST_ERRORS
) -> ShownList[ErrorRow]:
    """Return the errors of one page.

    A list that is sorted or filtered has at most the ``most`` errors that were seen most recently.
    """
    page = await data.error_groups(time_range, cursor=None if asked.is_whole else asked.cursor, limit=ERRORS_ON_A_PAGE)
    rows = list(zip(page.groups, page.trends, strict=True))
    if not asked.is_whole or page.next_cursor is None:
        is_part = page.next_cursor is not None or (asked.cursor is not None and not asked.is_whole)
        shown = sorted_list(ERROR_COLUMNS, rows, asked.sort, is_part=is_part)
        return ShownList(shown, page.next_cursor, cursor=None if asked.is_whole else asked.cursor)
    groups, has_more = await _newest_errors(data, time_range, page, most)
    # The course of many errors takes a while, and few orders need it.
    needs_trends = bool(asked.find) or (asked.sort or "").removeprefix("-") in _OF_TRENDS
    trends = (
        [*page.trends, *await data.error_trends(groups[len(page.trends) :], time_range)]
        if needs_trends
        else [_no_trend(group) for group in groups]
    )
    whole = sorted_list(ERROR_COLUMNS, zip(groups, trends, strict=True), asked.sort, is_part=True)
    cut, total = _cut(whole, asked, _text_of_error, ERRORS_ON_A_PAGE)
    if not needs_trends:
        kept = [group for group, _ in cut.rows]
        cut = replace(cut, rows=list(zip(kept, await data.error_trends(kept, time_range), strict=True)))
    return ShownList(cut, total=total, examined=len(groups) if has_more else None)


async def _newest_errors(
    data: DataSyncService, time_range: TimeRange, first: ErrorGroupsPage, most: int
) -> tuple[list[ErrorGroup], bool]:
    """Return the newest errors, and whether there are more. The first page of them has been read already."""
    groups, cursor = list(first.groups), first.next_cursor
    while cursor is not None and len(groups) < most:
        limit = min(MAX_LIMIT, most - len(groups))
        page = await data.error_groups(time_range, cursor=cursor, limit=limit, with_trends=False)
        groups += page.groups
        cursor = page.next_cursor
    return groups, cursor is not None


def _no_trend(group: ErrorGroup) -> ErrorTrend:
    return ErrorTrend(id=group.id, points=(), apps=(), first_versions=(), is_new=False, is_back=False, is_over=False)


def _text_of_error(row: ErrorRow) -> str:
    group, trend = row
    return " ".join((group.type, group.sample_message, *trend.apps))


async def listed_registrations(
    data: DataSyncService,
    time_range: TimeRange,
    kind: KindLabels,
    app: str | None,
    asked: ListRequest,
    *,
    most: int = MOST_REGISTRATIONS,
) -> tuple[ShownList[Registration], Mapping[tuple[str, str, str], int], int]:
    """Return the handlers or jobs of one page, the next runs of jobs, and the number of hidden retired ones.

    A list that is sorted or filtered has at most the first ``most`` handlers or jobs by name.
    """

    async def ask(cursor: str | None, limit: int) -> Registrations:
        return await data.registrations(time_range, kind=kind.name, app=app, idle=False, cursor=cursor, limit=limit)

    cursor = None if asked.is_whole else asked.cursor
    page = await ask(cursor, REGISTRATIONS_ON_A_PAGE)
    found: Sequence[Registration] = page.registrations
    has_more = False
    is_cut = asked.is_whole and page.next_cursor is not None
    if is_cut:
        found, has_more = await _first_registrations(ask, page, most)
    upcoming = data.next_runs(found)
    is_part = is_cut or cursor is not None or page.next_cursor is not None
    shown = sorted_list(registration_columns(kind, upcoming), found, asked.sort, is_part=is_part)
    if not is_cut:
        return ShownList(shown, page.next_cursor, cursor=cursor), upcoming, page.hidden
    cut, total = _cut(shown, asked, _text_of_registration, REGISTRATIONS_ON_A_PAGE)
    return ShownList(cut, total=total, examined=len(found) if has_more else None), upcoming, page.hidden


async def _first_registrations(
    ask: Callable[[str | None, int], Awaitable[Registrations]], first: Registrations, most: int
) -> tuple[list[Registration], bool]:
    """Return the first handlers or jobs by name, and whether there are more."""
    found, cursor = list(first.registrations), first.next_cursor
    while cursor is not None and len(found) < most:
        page = await ask(cursor, min(MAX_LISTED, most - len(found)))
        found += page.registrations
        cursor = page.next_cursor
    return found, cursor is not None


def _text_of_registration(one: Registration) -> str:
    return " ".join((one.app, one.instance, one.name, one.listens_to))
