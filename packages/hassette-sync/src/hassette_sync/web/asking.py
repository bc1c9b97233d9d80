"""What requests bring: time ranges, filters and ids, from text to values."""

from typing import Annotated

from fastapi import Depends, Path, Query, Request

from hassette_sync.ids import parse_id
from hassette_sync.questions.paging import DEFAULT_LIMIT, MAX_LIMIT
from hassette_sync.questions.runs import RunFilter
from hassette_sync.service import DataSyncService
from hassette_sync.time_range import DEFAULT_AGE, TimeRange

_MOMENT = "An age such as 24h or 7d, an ISO time, or microseconds since the Unix epoch."


def _data(request: Request) -> DataSyncService:
    return request.app.state.data


def _time_range(
    since: Annotated[str | None, Query(description=f"Start; 24 hours before the end if left out. {_MOMENT}")] = None,
    until: Annotated[str | None, Query(description=f"End; now if left out. {_MOMENT}")] = None,
) -> TimeRange:
    return TimeRange.parse(since or None, until or None)


def _all_time(
    since: Annotated[str | None, Query(description=f"Start; everything if left out. {_MOMENT}")] = None,
    until: Annotated[str | None, Query(description=f"End; now if left out. {_MOMENT}")] = None,
) -> TimeRange:
    return TimeRange.parse(since or "0", until or None)


def _filter(
    app: Annotated[str | None, Query(description="The app's key.")] = None,
    registration: Annotated[str | None, Query(description="The id of a handler or job.")] = None,
    kind: Annotated[str | None, Query(description="handler or job.")] = None,
    status: Annotated[
        str | None, Query(description="success, error, cancelled, timed_out, interrupted, or failed for all bad ones.")
    ] = None,
    text: Annotated[str | None, Query(description="Found in names, topics, entities, event types, errors.")] = None,
    entity: Annotated[str | None, Query(description="The event's entity.")] = None,
    session: Annotated[str | None, Query(description="The id of a session.")] = None,
    error_group: Annotated[str | None, Query(description="The id of an error group.")] = None,
    min_duration_us: Annotated[str | None, Query(description="At least this long.")] = None,
    max_duration_us: Annotated[str | None, Query(description="At most this long.")] = None,
) -> RunFilter:
    # An empty text comes from a form field that was left empty.
    return RunFilter(
        app=app or None,
        registration_id=parse_id(registration, "registration id") if registration else None,
        kind=kind or None,
        status=status or None,
        text=text.strip() or None if text else None,
        entity_id=entity or None,
        session_id=parse_id(session, "session id") if session else None,
        error_group_id=parse_id(error_group, "error group id") if error_group else None,
        min_duration_us=parse_id(min_duration_us, "duration in microseconds") if min_duration_us else None,
        max_duration_us=parse_id(max_duration_us, "duration in microseconds") if max_duration_us else None,
    )


def _id(id: Annotated[str, Path(description="An id, as given in the answers.")]) -> int:  # noqa: A002  the name in the address
    return parse_id(id)


Data = Annotated[DataSyncService, Depends(_data)]
Asked = Annotated[TimeRange, Depends(_time_range)]
AskedOrAll = Annotated[TimeRange, Depends(_all_time)]
Filter = Annotated[RunFilter, Depends(_filter)]
AskedId = Annotated[int, Depends(_id)]
Cursor = Annotated[str | None, Query(description="next_cursor of the page before.")]
Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT, description="How many at most.")]

__all__ = [
    "DEFAULT_AGE",
    "DEFAULT_LIMIT",
    "Asked",
    "AskedId",
    "AskedOrAll",
    "Cursor",
    "Data",
    "Filter",
    "Limit",
]
