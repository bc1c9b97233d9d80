"""The question which app makes the most noise."""

import json
from collections import defaultdict

from hassette_sync.answers.logs import AppNoise, Noise
from hassette_sync.answers.values import Counts
from hassette_sync.queries import noise as queries
from hassette_sync.queries.statistics import statistics_sql
from hassette_sync.questions.periods import periods_of
from hassette_sync.questions.rows import counts_of, sum_of
from hassette_sync.reader import Parameters, ReadTransaction
from hassette_sync.time_range import TimeRange

# A stored run takes about this many bytes, indexes included.
_BYTES_OF_RUN = 100
_NEWEST = 10


async def noise(transaction: ReadTransaction, time_range: TimeRange | None = None) -> Noise:
    """Return what each app writes: runs, time, log lines, service calls and bytes, the noisiest app first.

    Runs and times are counted. Log lines, calls and bytes are estimates: those of the newest 10 runs of each handler
    and job, projected onto all its runs in the time range.

    Args:
        transaction: Read transaction of the question.
        time_range: Time range of the runs.
    """
    periods = await periods_of(transaction, time_range)
    statements = statistics_sql(periods.unit)
    within: Parameters = {"first": periods.first, "last": periods.last}
    active = [row["registration_id"] for row in await transaction.all(statements.registrations, within)]
    some: Parameters = {**within, "registrations": json.dumps(active), "newest": _NEWEST}
    apps = {row["id"]: row["app"] for row in await transaction.all(queries.APPS_OF_REGISTRATIONS, some)}
    samples = {row["registration_id"]: row for row in await transaction.all(queries.SAMPLES, some)}
    counts: dict[str, list[Counts]] = defaultdict(list)
    totals: dict[str, list[float]] = defaultdict(lambda: [0.0] * 4)
    for row in await transaction.all(statements.by_registration, some):
        app = apps.get(row["registration_id"], "?")
        counts[app].append(counts_of(row))
        runs, total = counts[app][-1].total, totals[app]
        total[0] += row["total_us"]
        total[3] += runs * _BYTES_OF_RUN
        if (sample := samples.get(row["registration_id"])) is not None:
            factor = runs / sample["runs"]
            total[1] += sample["log_lines"] * factor
            total[2] += sample["service_calls"] * factor
            total[3] += (sample["log_bytes"] + sample["call_bytes"]) * factor
    all_bytes = sum(total[3] for total in totals.values())
    ranking = sorted(totals, key=lambda app: (-totals[app][3], app))
    return Noise(
        apps=tuple(
            AppNoise(
                app=app,
                counts=sum_of(counts[app]),
                total_us=round(totals[app][0]),
                log_lines=round(totals[app][1]),
                service_calls=round(totals[app][2]),
                bytes=round(totals[app][3]),
                share=totals[app][3] / all_bytes,
                rank=rank,
            )
            for rank, app in enumerate(ranking, 1)
        ),
        since_us=periods.since_us,
        until_us=periods.until_us,
    )
