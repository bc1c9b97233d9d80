"""Parameters of the pages and the API, converted from text: time ranges, filters, cursors and ids."""

import difflib
from collections import Counter
from collections.abc import Iterator
from typing import Annotated, Any, Final

from fastapi import Depends, Path, Query, Request
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError

from hassette_store.statuses import STATUS_NAMES
from hassette_sync.answers.kinds import LABELS
from hassette_sync.asked_time import ASKED_PATTERN
from hassette_sync.home_time import HomeTime
from hassette_sync.ids import parse_id
from hassette_sync.questions.paging import MAX_LIMIT
from hassette_sync.questions.runs import MAX_TEXT, RunFilter
from hassette_sync.service import DataSyncService
from hassette_sync.time_range import WEEKDAYS, TimeRange

_ID_PATTERN = "([0-9]{1,18}|[0-8][0-9]{18}|9[01][0-9]{17})"
_DAY_PATTERN = (
    "(197[1-9]|19[89][0-9]|20[0-9][0-9])-((0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])"
    "|(0[13-9]|1[0-2])-(29|30)|(0[13578]|1[02])-31)"
)
_DAY_NAMES = "|".join(("today", "yesterday", *WEEKDAYS))
_CLOCK_PATTERN = "([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?"
_MOMENT_PATTERN = (
    f"(|now|[0-9]{{1,6}}[smhdw]|({_DAY_NAMES})( {_CLOCK_PATTERN})?|{_CLOCK_PATTERN}|(1[0-2]|[1-9])(:[0-5][0-9])? ?[ap]m"
    f"|{_DAY_PATTERN}(T{_CLOCK_PATTERN}(Z|[+-](0[0-9]|1[0-3]):[0-5][0-9])?)?|0|[1-9][0-9]{{14}}|[1-3][0-9]{{15}})"
)

# The schemas only describe the values. The conversion of a value checks it, and names what is wrong.
ID_SCHEMA: dict[str, Any] = {"pattern": f"^{_ID_PATTERN}?$", "examples": ["3766229139456005721"]}
MOMENT_SCHEMA: dict[str, Any] = {"pattern": f"^{_MOMENT_PATTERN}$", "examples": ["24h", "07:00", "2026-01-31T18:00"]}
_END_SCHEMA: dict[str, Any] = {"pattern": f"^{_MOMENT_PATTERN}$", "examples": ["now", "08:00", "2026-01-31T19:00"]}
ASKED_TIME_SCHEMA: dict[str, Any] = {
    "pattern": f"^({_MOMENT_PATTERN}|{ASKED_PATTERN})$",
    "examples": ["03:12", "monday", "last night", "2026-01-31T18:00"],
}
TEXT_SCHEMA: dict[str, Any] = {"maxLength": MAX_TEXT}
WORDS_SCHEMA: dict[str, Any] = {"minLength": 1, "maxLength": MAX_TEXT, "pattern": r"[^\s\x1c-\x1f\x85]"}
"""Schema of a text that must not be empty. For Python, U+001C to U+001F and U+0085 are spaces, too."""


def choice(*names: str) -> dict[str, Any]:
    """Return the schema of a parameter with these values, or without one."""
    return {"enum": [*names, "", None]}


_MOMENT = (
    "An age such as 24h, a time such as 07:00, an ISO time, or microseconds since the Unix epoch. If the start is "
    "after the end, the two are swapped."
)


# Coroutines, because FastAPI calls functions in a thread, and each thread costs a page some milliseconds.
async def _data(request: Request) -> DataSyncService:
    return request.app.state.data


async def home_time(request: Request, data: Annotated[DataSyncService, Depends(_data)]) -> HomeTime:
    """Return the home's time zone, in which the page shows times."""
    request.state.home = await data.home_time()
    return request.state.home


Home = Annotated[HomeTime, Depends(home_time)]


async def _time_range(
    home: Home,
    since: Annotated[
        str | None,
        Query(description=f"Start; default: 24 hours before the end. {_MOMENT}", json_schema_extra=MOMENT_SCHEMA),
    ] = None,
    until: Annotated[
        str | None, Query(description=f"End; default: now. {_MOMENT}", json_schema_extra=_END_SCHEMA)
    ] = None,
) -> TimeRange:
    return TimeRange.parse(since or None, until or None, home=home, in_any_order=True)


async def _all_time(
    home: Home,
    since: Annotated[
        str | None, Query(description=f"Start; default: the oldest entry. {_MOMENT}", json_schema_extra=MOMENT_SCHEMA)
    ] = None,
    until: Annotated[
        str | None, Query(description=f"End; default: now. {_MOMENT}", json_schema_extra=_END_SCHEMA)
    ] = None,
) -> TimeRange:
    return TimeRange.parse(since or "0", until or None, home=home, in_any_order=True)


MAX_PROBLEMS: Final = 10
"""An answer names this many invalid parameters."""
MONTH: Final = "30d"
"""Start of the time range of the sessions, if the visitor has chosen none."""


async def _month(home: Home, since: str | None = None, until: str | None = None) -> TimeRange:
    return TimeRange.parse(since or MONTH, until or None, home=home, in_any_order=True)


AppKey = Annotated[str | None, Query(description="The app's key.")]
RegistrationId = Annotated[str | None, Query(description="The id of a handler or job.", json_schema_extra=ID_SCHEMA)]
KindName = Annotated[str | None, Query(description=f"{' or '.join(LABELS)}.", json_schema_extra=choice(*LABELS))]


async def _filter(
    app: AppKey = None,
    registration: RegistrationId = None,
    kind: KindName = None,
    status: Annotated[
        str | None,
        Query(
            description=f"{', '.join(STATUS_NAMES)}, or failed for all failures.",
            json_schema_extra=choice(*STATUS_NAMES, "failed"),
        ),
    ] = None,
    text: Annotated[
        str | None,
        Query(
            description="Text in a name, topic, entity, state, event type, error, service, target or log line.",
            json_schema_extra=TEXT_SCHEMA,
        ),
    ] = None,
    entity: Annotated[str | None, Query(description="The entity of the event.")] = None,
    session: Annotated[str | None, Query(description="The id of a session.", json_schema_extra=ID_SCHEMA)] = None,
    error_group: Annotated[
        str | None, Query(description="The id of an error group.", json_schema_extra=ID_SCHEMA)
    ] = None,
    min_duration_us: Annotated[
        str | None, Query(description="Minimum duration in microseconds.", json_schema_extra=ID_SCHEMA)
    ] = None,
    max_duration_us: Annotated[
        str | None, Query(description="Maximum duration in microseconds.", json_schema_extra=ID_SCHEMA)
    ] = None,
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


_PATH_ID_SCHEMA: dict[str, Any] = {**ID_SCHEMA, "pattern": f"^{_ID_PATTERN}$"}
_IdText = Annotated[str, Path(description="An id from another answer.", json_schema_extra=_PATH_ID_SCHEMA)]


async def _id(id: _IdText) -> int:  # noqa: A002  the name in the URL
    return parse_id(id)


async def check_names(request: Request) -> None:
    """Refuse a request with an unknown parameter, or with two values of one.

    Without this, a misspelt ``sicne=7d`` would get the answer for another time.
    """
    given = Counter(name for name, _ in request.query_params.multi_items())
    if not given:
        return
    known = set(_names(request.scope["route"].dependant))
    wrong = [name for name, count in given.items() if name not in known or count > 1]
    if wrong:
        # The search for a similar name takes a while, in which the event loop stops.
        raise RequestValidationError(
            [{"loc": ("query", name), "msg": _what_is_wrong(name, known)} for name in wrong[:MAX_PROBLEMS]]
        )


def _names(dependant: Dependant) -> Iterator[str]:
    yield from (one.alias for one in dependant.query_params)
    for one in dependant.dependencies:
        yield from _names(one)


def _what_is_wrong(name: str, known: set[str]) -> str:
    if name in known:
        return "This parameter must have one value, and got several"
    if near := difflib.get_close_matches(name, known, 1):
        return f"There is no such parameter. Did you mean {near[0]}?"
    return f"There is no such parameter. The parameters here: {', '.join(sorted(known)) or 'none'}"


History = Annotated[DataSyncService, Depends(_data)]
Range = Annotated[TimeRange, Depends(_time_range)]
RangeOfMonth = Annotated[TimeRange, Depends(_month)]
RangeOrAll = Annotated[TimeRange, Depends(_all_time)]
Filter = Annotated[RunFilter, Depends(_filter)]
PathId = Annotated[int, Depends(_id)]


def _cursor(pattern: str) -> Any:
    return Query(
        description="next_cursor of the previous page.",
        json_schema_extra={"pattern": f"^({pattern})?$", "examples": [""]},
    )


_NAME_PATTERN = "[A-Za-z0-9_.~%-]*"
Cursor = Annotated[str | None, _cursor(_ID_PATTERN)]
ErrorCursor = Annotated[str | None, _cursor(f"{_ID_PATTERN}-{_ID_PATTERN}-{_ID_PATTERN}")]
LogCursor = NotRunCursor = Annotated[str | None, _cursor(rf"{_ID_PATTERN}\.{_ID_PATTERN}")]
RegistrationCursor = Annotated[str | None, _cursor(f"{_ID_PATTERN}(:{_NAME_PATTERN}){{3}}")]
Sort = Annotated[str | None, Query(description="Column of the list, with - for the highest value first.")]
Find = Annotated[str | None, Query(description="Words that each row of the list must contain.")]
Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT, description="Maximum number of entries.")]
