"""The question which app makes the most noise."""

import json
from collections import defaultdict

from hassette_sync.answers.logs import AppNoise, Noise
from hassette_sync.queries import noise as queries
from hassette_sync.questions.periods import periods_of
from hassette_sync.questions.statistics import Sums, sums_by_registration
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
    active = await sums_by_registration(transaction, periods)
    some: Parameters = {"registrations": json.dumps(list(active)), "newest": _NEWEST}
    apps = {row["id"]: row["app"] for row in await transaction.all(queries.APPS_OF_REGISTRATIONS, some)}
    samples = {row["registration_id"]: row for row in await transaction.all(queries.SAMPLES, some)}
    counts: defaultdict[str, Sums] = defaultdict(Sums)
    totals: dict[str, list[float]] = defaultdict(lambda: [0.0] * 4)
    for registration_id, sums in active.items():
        app = apps.get(registration_id, "?")
        counts[app].add(sums)
        runs, total = sums.total, totals[app]
        total[0] += sums.total_us
        total[3] += runs * _BYTES_OF_RUN
        if (sample := samples.get(registration_id)) is not None:
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
                counts=counts[app].counts(),
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
