"""Ask every question and open every page at size, next to the same question in plain SQL on the rows.

    python benchmarks/questions.py [--runs 5000000] [--file FILE] [--table FILE] [--only TEXT] [--quick]

The history comes from `large_history.py`; ``--file`` keeps it for later runs. ``first`` is the first call of a new
service, as after a start of the framework; the first call of a page comes after the preparation. ``raw`` is the same
question in SQL on the tables of runs, without typed answers and without the statistics; where a question has no such
form, there is a dash.

The targets are in milliseconds on a machine that runs a small loop of Python and SQLite in 60 ms. A slower machine gets
more time in proportion. The garbage collector runs as rarely as in ``hassette run``. With a million runs or more, the
same questions are asked in a history of 100,000 runs, too: a question must not take more than three times as long,
unless it takes less than 5 ms. The script exits with 1 if a target is missed. ``--quick`` reads 100,000 runs, for CI.
``--table`` writes the figures as the page docs/questions.md.
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
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import httpx
from asking.questions import MONTH, PAGES, QUESTIONS, Facts, Question
from large_history import write_large_history

from hassette_core.cli.collection import collect_rarely, keep_all_objects
from hassette_store.sketch import nearest_rank
from hassette_sync import DataSyncService, RunFilter, TimeRange
from hassette_sync.settings import WebSettings
from hassette_sync.web.application import create_app
from hassette_sync.web.preparation import prepare_pages

PAGE_MS, CROWDED_MS = 60.0, 20.0
PAGE_INTRODUCTION = """# How long questions take

A question is a method of `DataSyncService`, a command of the terminal or a page. The table has the time of each
question and page in a large history of 30 days with 250 handlers and jobs, on one machine. The command
`python benchmarks/questions.py --runs 5000000 --table docs/questions.md` writes this page.

- *first* is the first call after a start. Pages are prepared before, as two seconds after each start.
- *raw rows* is the same question in SQL on the rows of the runs, without the statistics and the search index. A dash
  means that the question has no such form.
- *100,000 runs* is the median in a small history.

"""
MAX_GROWTH, GROWTH_COUNTS_FROM_MS = 3.0, 5.0
_QUICK_RUNS = 100_000
_REFERENCE_S = 0.060


@dataclass(frozen=True, slots=True)
class Figures:
    """Times of one question in milliseconds.

    Attributes:
        name: The question or the path of the page.
        first_ms: The first call.
        median_ms: Median of the next calls.
        p95_ms: 95th percentile of the next calls.
        raw_ms: The same question in SQL on the rows; None if it has no such form.
        target_ms: Target of the median.
        missed: Whether a target is missed.
        small_ms: Median in a history of `_QUICK_RUNS` runs; None if it was not measured.
    """

    name: str
    first_ms: float
    median_ms: float
    p95_ms: float
    raw_ms: float | None
    target_ms: float
    missed: bool
    small_ms: float | None = None


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
    return 1e3 * first, 1e3 * statistics.median(times), 1e3 * times[nearest_rank(0.95, len(times)) - 1]


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
        await prepare_pages(app)  # as `hassette run` does soon after its start
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
        searches = [asyncio.create_task(data.runs(RunFilter(text=f"zzz{n}"), TimeRange.last(MONTH))) for n in range(4)]
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


async def measure_all(path: Path, facts: Facts, calls: int, only: str, slow: float) -> list[Figures]:
    """Measure all questions and pages whose name contains a text."""
    figures = await measure_questions(path, facts, calls, only, slow)
    figures += await measure_pages(path, facts, calls, only, slow)
    return figures + await measure_crowd(path, only, slow)


def grown(figures: list[Figures], small: list[Figures]) -> list[Figures]:
    """Add the medians in a small history. A question that takes much longer in the large history misses its target."""
    medians = {one.name: one.median_ms for one in small}
    found: list[Figures] = []
    for one in figures:
        is_slower = one.median_ms > max(GROWTH_COUNTS_FROM_MS, MAX_GROWTH * medians[one.name])
        if is_slower:
            print(f"{one.name} takes {one.median_ms / medians[one.name]:.1f} x as long as in the small history  MISSED")
        found.append(replace(one, small_ms=medians[one.name], missed=one.missed or is_slower))
    return found


def _print(found: Figures) -> None:
    raw = f"{found.raw_ms:9.1f}" if found.raw_ms is not None else "        -"
    print(
        f"{found.name:<46} first {found.first_ms:8.1f}  median {found.median_ms:7.1f}  p95 {found.p95_ms:7.1f}  "
        f"raw {raw}  target {found.target_ms:3.0f} ms{'  MISSED' if found.missed else ''}",
        flush=True,
    )


def table_of(figures: list[Figures], runs: int) -> str:
    """Return the page docs/questions.md."""
    lines = [
        PAGE_INTRODUCTION.rstrip(),
        "",
        f"Times in milliseconds over {runs:,} runs, on {os.cpu_count()} cores.",
        "",
        "| question | first | median | p95 | raw rows | target | 100,000 runs |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for one in figures:
        raw = f"{one.raw_ms:,.1f}" if one.raw_ms is not None else "–"
        name = one.name.replace("|", "\\|")
        lines.append(
            f"| {name} | {one.first_ms:.1f} | {one.median_ms:.1f} | {one.p95_ms:.1f} | {raw} | {one.target_ms:.0f} "
            f"| {'–' if one.small_ms is None else f'{one.small_ms:.1f}'} |"
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
    # As in `hassette run`. Otherwise, a collection of all objects of the packages would take 50 ms now and then.
    collect_rarely()
    keep_all_objects()
    with tempfile.TemporaryDirectory() as folder:
        path: Path = options.file or Path(folder, "hassette.db")
        if not path.exists():  # noqa: ASYNC240  no other task uses the event loop yet
            await write_large_history(path, runs, report=True)
        db = sqlite3.connect(path)
        facts = Facts(db)
        (runs,) = db.execute("SELECT count(*) FROM runs").fetchone()
        db.close()
        slow, calls = slowness(), 5 if options.quick else 20
        figures = await measure_all(path, facts, calls, options.only, slow)
        if runs >= 10 * _QUICK_RUNS:
            print(f"The same questions in a history of {_QUICK_RUNS:,} runs")
            small = Path(folder, "small.db")
            await write_large_history(small, _QUICK_RUNS)
            with closing(sqlite3.connect(small)) as db:
                facts = Facts(db)
            figures = grown(figures, await measure_all(small, facts, calls, options.only, slow))
    if options.table:
        options.table.write_text(table_of(figures, runs))
    if missed := [one.name for one in figures if one.missed]:
        sys.exit(f"target missed: {', '.join(missed)} (targets times {slow:.2f})")


if __name__ == "__main__":
    asyncio.run(main())
