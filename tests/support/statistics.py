"""Comparison of the statistics with plain SQL over the rows of runs."""

import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

from hassette_store.sketch import bucket_of, counts_of

HOUR_MS = 3_600_000
UNITS = (("hour", "hourly", HOUR_MS), ("day", "daily", 24 * HOUR_MS))
COUNTS = "sum(success), sum(error), sum(cancelled), sum(timed_out), sum(interrupted)"
BY_ROWS = "sum(status_id = 0), sum(status_id = 1), sum(status_id = 2), sum(status_id = 3), sum(status_id = 4)"
DURATION = "CASE WHEN status_id <> 4 THEN duration_us ELSE 0 END"


def assert_statistics_equal_the_rows(path: Path) -> None:
    """Compare counts, durations and latency sketches with the rows, for each registration, hour and day.

    No run of the history may be evicted or deleted, and no process may be writing to it.
    """
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        for unit, suffix, length in UNITS:
            period = f"(id >> 21) / {length}"
            counted = db.execute(
                f"SELECT {unit}, registration_id, {COUNTS}, sum(total_us), max(max_us), sum(waited_us) "
                f"FROM statistics_{suffix} GROUP BY 1, 2"
            ).fetchall()
            rows = db.execute(
                f"SELECT {period}, registration_id, {BY_ROWS}, sum({DURATION}), max({DURATION}), sum(waited_us) "
                "FROM runs GROUP BY 1, 2"
            ).fetchall()
            assert counted == rows
            durations = db.execute(f"SELECT {period}, registration_id, duration_us FROM runs WHERE status_id <> 4")
            by_rows = Counter((period, id_, bucket_of(us)) for period, id_, us in durations)
            waiting = f"SELECT {unit}, registration_id, duration_us FROM uncounted_runs WHERE status <> 4"
            in_sketches = Counter((period, id_, bucket_of(us)) for period, id_, us in db.execute(waiting))
            for period, id_, sketch in db.execute(f"SELECT {unit}, registration_id, sketch FROM counted_{suffix}"):
                for bucket, count in counts_of(sketch):
                    in_sketches[period, id_, bucket] += count
            assert in_sketches == by_rows
