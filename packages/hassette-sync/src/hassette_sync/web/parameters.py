"""Parameters of the pages and the API, converted from text: time ranges, filters, cursors and ids."""

from typing import Annotated

from fastapi import Depends, Path, Query, Request

from hassette_store.statuses import STATUS_NAMES
from hassette_sync.answers.kinds import LABELS
from hassette_sync.home_time import HomeTime
from hassette_sync.ids import parse_id
from hassette_sync.questions.paging import DEFAULT_LIMIT, MAX_LIMIT
from hassette_sync.questions.runs import RunFilter
from hassette_sync.service import DataSyncService
from hassette_sync.time_range import DEFAULT_AGE, TimeRange

_MOMENT = "An age such as 24h, a time such as 07:00, an ISO time, or microseconds since the Unix epoch."


def _data(request: Request) -> DataSyncService:
    return request.app.state.data


async def home_time(request: Request, data: Annotated[DataSyncService, Depends(_data)]) -> HomeTime:
    """Return the home's time zone, in which the page shows times."""
    request.state.home = await data.home_time()
    return request.state.home


Home = Annotated[HomeTime, Depends(home_time)]


def _time_range(
    home: Home,
    since: Annotated[str | None, Query(description=f"Start; default: 24 hours before the end. {_MOMENT}")] = None,
    until: Annotated[str | None, Query(description=f"End; default: now. {_MOMENT}")] = None,
) -> TimeRange:
    return TimeRange.parse(since or None, until or None, home=home)


def _all_time(
    home: Home,
    since: Annotated[str | None, Query(description=f"Start; default: the oldest entry. {_MOMENT}")] = None,
    until: Annotated[str | None, Query(description=f"End; default: now. {_MOMENT}")] = None,
) -> TimeRange:
    return TimeRange.parse(since or "0", until or None, home=home)


def _filter(
    app: Annotated[str | None, Query(description="The app's key.")] = None,
    registration: Annotated[str | None, Query(description="The id of a handler or job.")] = None,
    kind: Annotated[str | None, Query(description=f"{' or '.join(LABELS)}.")] = None,
    status: Annotated[str | None, Query(description=f"{', '.join(STATUS_NAMES)}, or failed for all failures.")] = None,
    text: Annotated[
        str | None, Query(description="Text in a name, topic, entity, event type, error, service, target or log line.")
    ] = None,
    entity: Annotated[str | None, Query(description="The entity of the event.")] = None,
    session: Annotated[str | None, Query(description="The id of a session.")] = None,
    error_group: Annotated[str | None, Query(description="The id of an error group.")] = None,
    min_duration_us: Annotated[str | None, Query(description="Minimum duration in microseconds.")] = None,
    max_duration_us: Annotated[str | None, Query(description="Maximum duration in microseconds.")] = None,
) -> RunFilter:
    # The form on the page sends an empty text for each field that is not filled in.
    return RunFilter(
        app=app or None,
        registration_id=parse_id(registration, "registration id") if registration else None,
        kind=kind or None,
        status=status or None,
        text=text.strip() or None if text else None,
        entity_id=entity or None,
        session_id=parse_id(session, "session id") if session else None,
        error_group_id=parse_id(error_group, "error group id") if error_group else None,
        min_duration_us=parse_id(min_duration_us, "min_duration_us") if min_duration_us else None,
        max_duration_us=parse_id(max_duration_us, "max_duration_us") if max_duration_us else None,
    )


def _id(id: Annotated[str, Path(description="An id from another answer.")]) -> int:  # noqa: A002  the name in the URL
    return parse_id(id)


History = Annotated[DataSyncService, Depends(_data)]
Range = Annotated[TimeRange, Depends(_time_range)]
RangeOrAll = Annotated[TimeRange, Depends(_all_time)]
Filter = Annotated[RunFilter, Depends(_filter)]
PathId = Annotated[int, Depends(_id)]
Cursor = Annotated[str | None, Query(description="next_cursor of the previous page.")]
Sort = Annotated[str | None, Query(description="Column of the list, with - for the highest value first.")]
Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT, description="Maximum number of entries.")]

__all__ = [
    "DEFAULT_AGE",
    "DEFAULT_LIMIT",
    "Cursor",
    "Filter",
    "History",
    "Home",
    "Limit",
    "PathId",
    "Range",
    "RangeOrAll",
    "Sort",
]
