"""All questions and pages, each with its targets and, where there is one, the same question in SQL on the rows."""

import sqlite3
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from hassette_store.ids import time_of
from hassette_sync import DataSyncService, LogFilter, RunFilter, TimeRange
from hassette_sync.asked_time import AskedTime

MEDIAN_MS, P95_MS, NEWEST_MS, ALL_PERCENTILES_MS = 25.0, 60.0, 5.0, 50.0
MONTH = "30d"
"""Age of the longest questions: the whole history."""


class Facts:
    """Ids and names in one history that the questions ask for."""

    def __init__(self, db: sqlite3.Connection) -> None:
        def one(sql: str) -> Any:
            row = db.execute(sql).fetchone()
            return row[0] if row else None

        by_count = "SELECT listener_id FROM handler_invocations GROUP BY 1 ORDER BY count(*)"
        entities = (
            "SELECT name FROM handler_invocations JOIN names ON names.id = entity_id GROUP BY 1 ORDER BY count(*)"
        )
        self.busiest: int = one(f"{by_count} DESC")
        self.rare: int = one(by_count)
        self.entity: str = one(f"{entities} DESC")
        self.rare_entity: str = one(entities)
        self.group: int = one("SELECT id FROM error_groups ORDER BY count DESC")
        self.newest: int = one("SELECT max(id) FROM handler_invocations")
        self.failed: int = one("SELECT max(run_id) FROM failures")
        self.caller: int = one("SELECT max(run_id) FROM service_calls")
        self.session: int = one("SELECT max(id) FROM sessions")


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One question.

    Attributes:
        ask: Asks the service. It gets the service and the facts of the history.
        raw: The same question in SQL on the rows of runs; ``:since`` is the first id of the time range, and names in
            braces are facts of the history. Empty for none.
        age: Time range, for ``raw`` only.
        median_ms: Target of the median.
        p95_ms: Target of the 95th percentile.
    """

    ask: Callable[[DataSyncService, Facts], Awaitable[Any]]
    raw: str = ""
    age: str = MONTH
    median_ms: float = MEDIAN_MS
    p95_ms: float = P95_MS


def _runs(raw: str = "", *, age: str = MONTH, median_ms: float = NEWEST_MS, **fields: Any) -> Question:
    """Return the question for the newest 50 runs with a filter. A callable field gets the facts of the history."""

    def ask(data: DataSyncService, facts: Facts) -> Awaitable[Any]:
        values = {name: value(facts) if callable(value) else value for name, value in fields.items()}
        return data.runs(RunFilter(**values), TimeRange.last(age))

    sql = f"SELECT * FROM named_runs WHERE id >= :since {'AND ' + raw if raw else ''} ORDER BY id DESC LIMIT 50"
    return Question(ask=ask, raw=sql, age=age, median_ms=median_ms, p95_ms=P95_MS)


def _percentiles(age: str, **more: Any) -> Question:
    ranks = "ntile(100) OVER (PARTITION BY registration_id ORDER BY duration_us)"
    raw = f"""
        SELECT registration_id, max(CASE WHEN part <= 50 THEN duration_us END),
               max(CASE WHEN part <= 95 THEN duration_us END), count(*), sum(status_id <> 0)
        FROM (SELECT registration_id, duration_us, status_id, {ranks} AS part FROM runs WHERE id >= :since) GROUP BY 1
    """
    return Question(
        ask=lambda data, facts: data.registrations(TimeRange.last(age), **more),
        raw=raw,
        age=age,
        median_ms=ALL_PERCENTILES_MS,
        p95_ms=2 * ALL_PERCENTILES_MS,
    )


def _in(age: str, name: str, raw: str = "", **more: Any) -> Question:
    """Return a question about a time range that is a method of `DataSyncService`."""
    return Question(ask=lambda data, facts: getattr(data, name)(TimeRange.last(age), **more), raw=raw, age=age)


def _hour_before_the_end(facts: Facts) -> AskedTime:
    return AskedTime.moment(time_of(facts.newest) - 3_600_000_000)


_BY_APP = """
SELECT app, status_id, count(*) FROM runs JOIN registrations ON registrations.id = registration_id
WHERE runs.id >= :since GROUP BY 1, 2
"""
_BY_HOUR = (
    "SELECT id >> 21, count(*), sum(status_id <> 0), max(duration_us) FROM runs WHERE id >= :since GROUP BY 1 / 3600000"
)
_FAILED = "status_id IN (1, 3, 4)"
_OF_APP = "registration_id IN (SELECT id FROM registrations WHERE app = 'irrigation')"
_IN_GROUP = "id IN (SELECT run_id FROM failures WHERE error_group_id = {group})"
_CONTAINS = "id IN (SELECT run_id FROM {} WHERE instr(lower({}), '{}') > 0)"

QUESTIONS: Final[dict[str, Question]] = {
    "status": Question(ask=lambda data, facts: data.status()),
    **{f"overview {age}": _in(age, "overview", _BY_APP) for age in ("1h", "24h", "7d", MONTH)},
    **{f"apps {age}": _in(age, "apps", _BY_APP) for age in ("24h", MONTH)},
    **{f"percentiles of all registrations {age}": _percentiles(age) for age in ("1h", "24h", "3d", "7d", MONTH)},
    "percentiles of all jobs 7d": _percentiles("7d", kind="job"),
    **{
        f"one busy registration {age}": Question(
            ask=lambda data, facts, age=age: data.registration(facts.busiest, TimeRange.last(age))
        )
        for age in ("24h", "7d", MONTH)
    },
    "newest 50": _runs(),
    "newest 50, failed": _runs(_FAILED, status="failed"),
    "newest 50, error": _runs("status_id = 1", status="error"),
    "newest 50, interrupted": _runs("status_id = 4", status="interrupted"),
    "newest 50, success": _runs("status_id = 0", status="success"),
    "newest 50, jobs": _runs("kind = 'job'", kind="job"),
    "newest 50, failed jobs": _runs(f"kind = 'job' AND {_FAILED}", kind="job", status="failed"),
    "newest 50 of an app": _runs(_OF_APP, app="irrigation"),
    "newest 50 of an app, failed": _runs(f"{_OF_APP} AND {_FAILED}", app="irrigation", status="failed"),
    "newest 50 of an app, jobs": _runs(f"{_OF_APP} AND kind = 'job'", app="irrigation", kind="job"),
    "newest 50 of a busy handler": _runs("registration_id = {busiest}", registration_id=lambda facts: facts.busiest),
    "newest 50 of a rare handler": _runs("registration_id = {rare}", registration_id=lambda facts: facts.rare),
    "newest 50 of a rare handler, failed": _runs(
        f"registration_id = {{rare}} AND {_FAILED}", registration_id=lambda facts: facts.rare, status="failed"
    ),
    "newest 50 of a busy handler, over 1 s": _runs(
        "registration_id = {busiest} AND duration_us >= 1000000",
        registration_id=lambda facts: facts.busiest,
        min_duration_us=10**6,
    ),
    "newest 50 of a frequent entity": _runs("entity = '{entity}'", entity_id=lambda facts: facts.entity),
    "newest 50 of a rare entity": _runs("entity = '{rare_entity}'", entity_id=lambda facts: facts.rare_entity),
    "newest 50 of a rare entity, failed": _runs(
        f"entity = '{{rare_entity}}' AND {_FAILED}", entity_id=lambda facts: facts.rare_entity, status="failed"
    ),
    "newest 50 of an unknown entity": _runs("entity = 'light.none'", entity_id="light.none"),
    "newest 50 of the first session": _runs("session_id = 1", session_id=1, age="40d"),
    "newest 50 of the first session, failed": _runs(
        f"session_id = 1 AND {_FAILED}", session_id=1, status="failed", age="40d"
    ),
    "newest 50 over 100 ms": _runs("duration_us >= 100000", min_duration_us=100_000),
    "newest 50 over 60 s (none)": _runs("duration_us >= 60000000", min_duration_us=60_000_000),
    "newest 50 of an error group": _runs(_IN_GROUP, error_group_id=lambda facts: facts.group),
    "newest 50 of an error group in an app": _runs(
        f"{_IN_GROUP} AND {_OF_APP}", error_group_id=lambda facts: facts.group, app="irrigation"
    ),
    **{
        f"text in {name} {age}": _runs(raw, text=text, age=age, median_ms=MEDIAN_MS)
        for age in ("24h", MONTH)
        for name, text, raw in (
            ("an entity", "meter_14", "instr(entity, 'meter_14') > 0"),
            ("a service", "light.turn_on", _CONTAINS.format("run_service_calls", "service", "light.turn_on")),
            ("a target", "climate.cellar", _CONTAINS.format("service_calls", "target", "climate.cellar")),
            ("log lines", "lamp did not", _CONTAINS.format("log_lines", "message", "lamp did not")),
            ("log lines with a number", "set to 77", _CONTAINS.format("log_lines", "message", "set to 77")),
            ("errors", "(group y)", _CONTAINS.format("run_failures", "message", "(group y)")),
            ("a state", "unavailable", "new_state = 'unavailable'"),
            ("nothing", "zzzznothing", _CONTAINS.format("log_lines", "message", "zzzznothing")),
        )
    },
    "text and failed": _runs(text="cellar", status="failed", median_ms=MEDIAN_MS),
    "text of nothing in an error group": _runs(
        text="zzzznothing", error_group_id=lambda facts: facts.group, median_ms=MEDIAN_MS
    ),
    **{f"facets {age}": _in(age, "run_facets", _BY_APP) for age in ("24h", MONTH)},
    "one run": Question(ask=lambda data, facts: data.run(facts.newest)),
    "one run with calls": Question(ask=lambda data, facts: data.run(facts.caller)),
    "one failed run": Question(ask=lambda data, facts: data.run(facts.failed)),
    "waterfall of a failed run": Question(ask=lambda data, facts: data.waterfall(facts.failed)),
    "waterfall of a run with calls": Question(ask=lambda data, facts: data.waterfall(facts.caller)),
    "time choices": Question(ask=lambda data, facts: data.time_choices()),
    "running": Question(ask=lambda data, facts: data.running()),
    **{f"error groups {age}": _in(age, "error_groups") for age in ("24h", "7d", MONTH)},
    "the largest error group 30d": Question(
        ask=lambda data, facts: data.error_group(facts.group, TimeRange.last(MONTH))
    ),
    "sessions": Question(ask=lambda data, facts: data.sessions()),
    "one session": Question(ask=lambda data, facts: data.session(facts.session)),
    "uptime 30d": _in(MONTH, "uptime"),
    **{f"timeline {age}": _in(age, "timeline", _BY_HOUR) for age in ("1h", "24h", "7d", MONTH)},
    "timeline of a busy handler 30d": Question(
        ask=lambda data, facts: data.timeline(TimeRange.last(MONTH), facts.busiest)
    ),
    **{f"{name} 30d": _in(MONTH, name) for name in ("skips", "lifecycle", "losses", "covered")},
    **{
        f"why {name}": Question(
            ask=lambda data, facts, asked=asked, at=at: data.why(
                **{key: value(facts) if callable(value) else value for key, value in asked.items()},
                at=_hour_before_the_end(facts) if at else None,
            )
        )
        for name, asked, at in (
            ("a frequent entity", {"entity": lambda facts: facts.entity}, False),
            ("a frequent entity at a moment", {"entity": lambda facts: facts.entity}, True),
            ("a rare entity", {"entity": lambda facts: facts.rare_entity}, False),
            ("a light", {"entity": "light.hall"}, False),
            ("an unknown entity", {"entity": "light.none"}, False),
            ("a service", {"service": "light.turn_on"}, False),
            ("a service at a moment", {"service": "light.turn_on"}, True),
            ("a text", {"text": "lamp did not"}, False),
        )
    },
    "why not a busy handler": Question(ask=lambda data, facts: data.why_not(str(facts.busiest))),
    "why not at a moment": Question(
        ask=lambda data, facts: data.why_not(str(facts.rare), at=_hour_before_the_end(facts))
    ),
    "words in the ask box": Question(ask=lambda data, facts: data.ask("why did light.hall turn on at 03:12?")),
    "what failed today": Question(ask=lambda data, facts: data.ask("what failed today")),
    "what failed of an app this week": Question(
        ask=lambda data, facts: data.ask("what failed of irrigation this week")
    ),
    "what failed with a text": Question(ask=lambda data, facts: data.ask("when did the NoneType error begin")),
    "words that mean nothing": Question(ask=lambda data, facts: data.ask("why did the asdfgh jklm turn on")),
    **{f"{name} 30d": _in(MONTH, name) for name in ("noise",)},
    "logs 30d": Question(ask=lambda data, facts: data.logs(time_range=TimeRange.last(MONTH))),
    **{
        f"logs with {name} 30d": Question(
            ask=lambda data, facts, wanted=wanted: data.logs(LogFilter(**wanted), TimeRange.last(MONTH))
        )
        for name, wanted in (
            ("a text", {"text": "lamp did not"}),
            ("a text of nothing", {"text": "zzzznothing"}),
            ("a level of none", {"level": "critical"}),
            ("an app", {"app": "irrigation"}),
        )
    },
    "events 30d": Question(ask=lambda data, facts: data.events(time_range=TimeRange.last(MONTH))),
    "not-runs 30d": Question(ask=lambda data, facts: data.not_runs(time_range=TimeRange.last(MONTH))),
    "versions": Question(ask=lambda data, facts: data.versions()),
    "household": Question(ask=lambda data, facts: data.household()),
    **{f"compare {age}": _in(age, "compare") for age in ("24h", "7d", MONTH)},
    "compare with the previous version": _in(MONTH, "compare", against="version"),
    "restrictions": Question(ask=lambda data, facts: data.restrictions()),
}
"""All questions. To measure a new one, add one entry."""

PAGES: Final[dict[str, Callable[[Facts], str]]] = {
    f"page {path}": lambda facts, path=path: path.format(**vars(facts))
    for path in (
        *("/", "/?since=1h", "/?since=7d", "/?since=30d", "/handlers", "/handlers?since=7d", "/handlers?since=30d"),
        *("/jobs", "/jobs?since=7d", "/registrations/{busiest}", "/registrations/{busiest}?since=30d", "/runs"),
        *("/runs?since=30d", "/runs?status=failed&since=30d", "/runs?app=irrigation&since=30d", "/runs?session=1"),
        *("/runs?text=cellar&since=30d", "/runs?text=zzzznothing&since=30d", "/runs?entity={rare_entity}&since=30d"),
        *("/runs/{failed}", "/errors", "/errors?since=30d", "/errors/{group}?since=30d", "/sessions"),
        *("/apps", "/apps?since=30d", "/apps/irrigation?since=30d", "/home", "/compare", "/compare?since=30d"),
        *("/logs", "/logs?text=lamp&since=30d", "/events", "/events?since=30d", "/not-run", "/not-run?since=30d"),
        *("/why?entity={entity}", "/why?entity={rare_entity}", "/why-not?of={busiest}", "/ask?q=what+failed+today"),
    )
}
"""All pages. To measure a new one, add its path."""
