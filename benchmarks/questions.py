"""Ask every question and open every page at size, next to the same question in plain SQL on the rows.

    python benchmarks/questions.py [--runs 5000000] [--file FILE] [--table FILE] [--only TEXT] [--quick]

The history comes from `large_history.py`; ``--file`` keeps it for later runs. ``first`` is the first call of a new
service, as after a start of the framework. ``raw`` is the same question in SQL on the tables of runs, without typed
answers and without the statistics; where a question has no such form, there is a dash.

The targets are in milliseconds on a machine that runs a small loop of Python and SQLite in 60 ms. A slower machine gets
more time in proportion. The script exits with 1 if a target is missed. ``--quick`` reads 100,000 runs, for CI.
``--table`` writes the figures as the table of docs/questions.md.
"""

import argparse
import asyncio
import os
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import httpx
from large_history import write_large_history

from hassette_store.ids import time_of
from hassette_sync import DataSyncService, LogFilter, RunFilter, TimeRange
from hassette_sync.settings import WebSettings
from hassette_sync.web.application import create_app

MEDIAN_MS, P95_MS, NEWEST_MS, ALL_PERCENTILES_MS, PAGE_MS, CROWDED_MS = 25.0, 60.0, 5.0, 50.0, 60.0, 20.0
_QUICK_RUNS = 100_000
_REFERENCE_S = 0.060
_MONTH = "30d"
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
    age: str = _MONTH
    median_ms: float = MEDIAN_MS
    p95_ms: float = P95_MS


def _runs(raw: str = "", *, age: str = _MONTH, median_ms: float = NEWEST_MS, **fields: Any) -> Question:
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


def _hour_before_the_end(facts: Facts) -> int:
    return time_of(facts.newest) - 3_600_000_000


async def _errors_with_trends(data: DataSyncService) -> None:
    time_range = TimeRange.last(_MONTH)
    await data.error_trends((await data.error_groups(time_range)).groups, time_range)


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
    **{f"overview {age}": _in(age, "overview", _BY_APP) for age in ("1h", "24h", "7d", _MONTH)},
    **{f"apps {age}": _in(age, "apps", _BY_APP) for age in ("24h", _MONTH)},
    **{f"percentiles of all registrations {age}": _percentiles(age) for age in ("1h", "24h", "3d", "7d", _MONTH)},
    "percentiles of all jobs 7d": _percentiles("7d", kind="job"),
    **{
        f"one busy registration {age}": Question(
            ask=lambda data, facts, age=age: data.registration(facts.busiest, TimeRange.last(age))
        )
        for age in ("24h", "7d", _MONTH)
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
        for age in ("24h", _MONTH)
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
    **{f"facets {age}": _in(age, "run_facets", _BY_APP) for age in ("24h", _MONTH)},
    "one run": Question(ask=lambda data, facts: data.run(facts.newest)),
    "one run with calls": Question(ask=lambda data, facts: data.run(facts.caller)),
    "one failed run": Question(ask=lambda data, facts: data.run(facts.failed)),
    "waterfall of a failed run": Question(ask=lambda data, facts: data.waterfall(facts.failed)),
    "waterfall of a run with calls": Question(ask=lambda data, facts: data.waterfall(facts.caller)),
    "time choices": Question(ask=lambda data, facts: data.time_choices()),
    "running": Question(ask=lambda data, facts: data.running()),
    **{f"error groups {age}": _in(age, "error_groups") for age in ("24h", "7d", _MONTH)},
    "the largest error group 30d": Question(
        ask=lambda data, facts: data.error_group(facts.group, TimeRange.last(_MONTH))
    ),
    "sessions": Question(ask=lambda data, facts: data.sessions()),
    "one session": Question(ask=lambda data, facts: data.session(facts.session)),
    "uptime 30d": _in(_MONTH, "uptime"),
    **{f"timeline {age}": _in(age, "timeline", _BY_HOUR) for age in ("1h", "24h", "7d", _MONTH)},
    "timeline of a busy handler 30d": Question(
        ask=lambda data, facts: data.timeline(TimeRange.last(_MONTH), facts.busiest)
    ),
    **{f"{name} 30d": _in(_MONTH, name) for name in ("skips", "lifecycle", "losses", "covered")},
    **{
        f"why {name}": Question(
            ask=lambda data, facts, asked=asked, at=at: data.why(
                **{key: value(facts) if callable(value) else value for key, value in asked.items()},
                at_us=_hour_before_the_end(facts) if at else None,
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
        ask=lambda data, facts: data.why_not(str(facts.rare), at_us=_hour_before_the_end(facts))
    ),
    "words in the ask box": Question(ask=lambda data, facts: data.ask("why did light.hall turn on at 03:12?")),
    **{f"{name} 30d": _in(_MONTH, name) for name in ("noise",)},
    "logs 30d": Question(ask=lambda data, facts: data.logs(time_range=TimeRange.last(_MONTH))),
    **{
        f"logs with {name} 30d": Question(
            ask=lambda data, facts, wanted=wanted: data.logs(LogFilter(**wanted), TimeRange.last(_MONTH))
        )
        for name, wanted in (
            ("a text", {"text": "lamp did not"}),
            ("a text of nothing", {"text": "zzzznothing"}),
            ("a level of none", {"level": "critical"}),
            ("an app", {"app": "irrigation"}),
        )
    },
    "events 30d": Question(ask=lambda data, facts: data.events(time_range=TimeRange.last(_MONTH))),
    "not-runs 30d": Question(ask=lambda data, facts: data.not_runs(time_range=TimeRange.last(_MONTH))),
    "versions": Question(ask=lambda data, facts: data.versions()),
    "household": Question(ask=lambda data, facts: data.household()),
    "errors with their course 30d": Question(ask=lambda data, facts: _errors_with_trends(data)),
    **{
        # A comparison asks for the percentiles of all registrations twice.
        f"compare {age}": Question(
            ask=lambda data, facts, age=age: data.compare(TimeRange.last(age)),
            median_ms=2.5 * ALL_PERCENTILES_MS,
            p95_ms=5 * ALL_PERCENTILES_MS,
        )
        for age in ("24h", "7d")
    },
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
        *("/apps", "/apps?since=30d", "/apps/irrigation?since=30d"),
    )
}
"""All pages. To measure a new one, add its path."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Times of one question in milliseconds; ``raw_ms`` is None if it has no form in SQL."""

    name: str
    first_ms: float
    median_ms: float
    p95_ms: float
    raw_ms: float | None
    target_ms: float
    missed: bool


def slowness() -> float:
    """Return how much slower this machine is than the reference machine, at least 1."""
    db = sqlite3.connect(":memory:")
    times: list[float] = []
    for _ in range(5):
        began = time.perf_counter()
        rows = db.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50000) SELECT i FROM n"
        )
        sum(value % 7 for (value,) in rows)
        times.append(time.perf_counter() - began)
    db.close()
    return max(1.0, min(times) / _REFERENCE_S)


async def _measure(
    ask: Callable[[], Awaitable[Any]], again: Callable[[], Awaitable[Any]], calls: int
) -> tuple[float, float, float]:
    """Return the time of the first call, the median and the 95th percentile, in milliseconds."""
    began = time.perf_counter()
    await ask()
    first = time.perf_counter() - began
    times: list[float] = []
    for _ in range(calls):
        began = time.perf_counter()
        await again()
        times.append(time.perf_counter() - began)
    times.sort()
    return 1e3 * first, 1e3 * statistics.median(times), 1e3 * times[min(len(times) - 1, int(0.95 * len(times)))]


def _raw_ms(db: sqlite3.Connection, question: Question, facts: Facts) -> float | None:
    if not question.raw:
        return None
    began = time.perf_counter()
    db.execute(question.raw.format(**vars(facts)), {"since": TimeRange.last(question.age).first_id}).fetchall()
    return 1e3 * (time.perf_counter() - began)


async def measure_questions(path: Path, facts: Facts, calls: int, only: str, slow: float) -> list[Figures]:
    found: list[Figures] = []
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    async with DataSyncService(path) as warm:
        for name, question in QUESTIONS.items():
            if only not in name:
                continue
            async with DataSyncService(path, deadline_s=60) as fresh:
                first, median, p95 = await _measure(
                    partial(question.ask, fresh, facts), partial(question.ask, warm, facts), calls
                )
            missed = median > question.median_ms * slow or p95 > question.p95_ms * slow
            found.append(Figures(name, first, median, p95, _raw_ms(db, question, facts), question.median_ms, missed))
            _print(found[-1])
    db.close()
    return found


async def measure_pages(path: Path, facts: Facts, calls: int, only: str, slow: float) -> list[Figures]:
    found: list[Figures] = []
    async with DataSyncService(path) as data:
        app = create_app(data, WebSettings())
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as client:
            for name, path_of in PAGES.items():
                if only not in name:
                    continue

                async def open_page(address: str = path_of(facts)) -> None:
                    (await client.get(address)).raise_for_status()

                first, median, p95 = await _measure(open_page, open_page, calls)
                found.append(Figures(name, first, median, p95, None, PAGE_MS, median > PAGE_MS * slow))
                _print(found[-1])
    return found


async def measure_crowd(path: Path, only: str, slow: float) -> list[Figures]:
    """Measure the status while four slow searches run."""
    name = "status during four searches of 30 days"
    if only not in name:
        return []
    async with DataSyncService(path, deadline_s=60) as data:
        await data.status()
        searches = [asyncio.create_task(data.runs(RunFilter(text=f"zzz{n}"), TimeRange.last(_MONTH))) for n in range(4)]
        await asyncio.sleep(0)
        times: list[float] = []
        for _ in range(20):
            began = time.perf_counter()
            await data.status()
            times.append(1e3 * (time.perf_counter() - began))
        await asyncio.gather(*searches)
    times.sort()
    median = statistics.median(times)
    found = Figures(name, times[0], median, times[-2], None, CROWDED_MS, median > CROWDED_MS * slow)
    _print(found)
    return [found]


def _print(found: Figures) -> None:
    raw = f"{found.raw_ms:9.1f}" if found.raw_ms is not None else "        -"
    print(
        f"{found.name:<46} first {found.first_ms:8.1f}  median {found.median_ms:7.1f}  p95 {found.p95_ms:7.1f}  "
        f"raw {raw}  target {found.target_ms:3.0f} ms{'  MISSED' if found.missed else ''}",
        flush=True,
    )


def table_of(figures: list[Figures], runs: int) -> str:
    """Return the table of docs/questions.md."""
    lines = [
        f"Times in milliseconds over {runs:,} runs, on {os.cpu_count()} cores.",
        "",
        "| question | first | median | p95 | raw rows | target |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for one in figures:
        raw = f"{one.raw_ms:,.1f}" if one.raw_ms is not None else "–"
        name = one.name.replace("|", "\\|")
        lines.append(
            f"| {name} | {one.first_ms:.1f} | {one.median_ms:.1f} | {one.p95_ms:.1f} | {raw} | {one.target_ms:.0f} |"
        )
    return "\n".join(lines) + "\n"


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1_000_000, help="number of runs in the history")
    parser.add_argument("--file", type=Path, help="history to read; it is written if it does not exist")
    parser.add_argument("--table", type=Path, help="write the figures as a table in Markdown")
    parser.add_argument("--only", default="", help="measure only the questions whose name contains this text")
    parser.add_argument("--quick", action="store_true", help="read 100,000 runs, for CI")
    options = parser.parse_args()
    runs = _QUICK_RUNS if options.quick else options.runs
    with tempfile.TemporaryDirectory() as folder:
        path: Path = options.file or Path(folder, "hassette.db")
        if not path.exists():  # noqa: ASYNC240  no other task uses the event loop yet
            await write_large_history(path, runs, report=True)
        db = sqlite3.connect(path)
        facts = Facts(db)
        (runs,) = db.execute("SELECT count(*) FROM runs").fetchone()
        db.close()
        slow, calls = slowness(), 5 if options.quick else 20
        figures = await measure_questions(path, facts, calls, options.only, slow)
        figures += await measure_pages(path, facts, calls, options.only, slow)
        figures += await measure_crowd(path, options.only, slow)
    if options.table:
        options.table.write_text(table_of(figures, runs))
    if missed := [one.name for one in figures if one.missed]:
        sys.exit(f"target missed: {', '.join(missed)} (targets times {slow:.2f})")


if __name__ == "__main__":
    asyncio.run(main())
