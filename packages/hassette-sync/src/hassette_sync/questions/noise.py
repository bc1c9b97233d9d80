"""The question which app makes the most noise."""

import json
from collections import defaultdict
from collections.abc import Mapping
from sqlite3 import Row

from hassette_sync.answers.logs import AppNoise, Noise
from hassette_sync.queries import noise as queries
from hassette_sync.questions.periods import periods_of
from hassette_sync.questions.statistics import Sums, sums_by_registration
from hassette_sync.reader import Parameters, ReadTransaction
from hassette_sync.time_range import TimeRange

# A stored run takes about this many bytes, indexes included.
_BYTES_OF_RUN = 100
_NEWEST = 10
# To count the log lines and calls of so many runs takes a few milliseconds.
_MOST_COUNTED = 1_000
_KNOWN = {"log_lines": queries.KNOWN_LOG_LINES, "service_calls": queries.KNOWN_CALLS}


async def noise(transaction: ReadTransaction, time_range: TimeRange | None = None) -> Noise:
    """Return what each app writes: runs, time, log lines, service calls and bytes, the noisiest app first.

    Runs and times are counted, and also log lines and calls of handlers and jobs with few runs. Those of the others are
    estimates: those of the newest 10 runs, projected onto all runs in the time range, and at least those among the
    newest 1,000 log lines and calls of the time range. Bytes are always estimates.

    Args:
        transaction: Read transaction of the question.
        time_range: Time range of the runs.
    """
    periods = await periods_of(transaction, time_range)
    active = await sums_by_registration(transaction, periods)
    some: Parameters = {"registrations": json.dumps(list(active))}
    apps = {row["id"]: row["app"] for row in await transaction.all(queries.APPS_OF_REGISTRATIONS, some)}
    samples = await _samples(transaction, periods.time_range, {id_: sums.total for id_, sums in active.items()})
    guessed = {id_ for id_, sums in active.items() if id_ not in samples or samples[id_]["runs"] != sums.total}
    known = await _known(transaction, periods.time_range) if guessed else {}
    estimated: set[str] = set()
    counts: defaultdict[str, Sums] = defaultdict(Sums)
    totals: dict[str, list[float]] = defaultdict(lambda: [0.0] * 4)
    for registration_id, sums in active.items():
        app = apps.get(registration_id, "?")
        counts[app].add(sums)
        runs, total = sums.total, totals[app]
        total[0] += sums.total_us
        total[3] += runs * _BYTES_OF_RUN
        sample = samples.get(registration_id)
        if registration_id in guessed:
            estimated.add(app)
        if sample is not None:
            factor = runs / sample["runs"]
            for column, what in enumerate(_KNOWN, 1):
                # The newest runs may have no log lines or calls although older runs have some. So the known number is
                # the minimum.
                total[column] += max(sample[what] * factor, known.get((registration_id, what), 0))
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
                is_estimate=app in estimated,
                bytes=round(totals[app][3]),
                share=totals[app][3] / all_bytes,
                rank=rank,
            )
            for rank, app in enumerate(ranking, 1)
        ),
        since_us=periods.since_us,
        until_us=periods.until_us,
    )


async def _known(transaction: ReadTransaction, time_range: TimeRange) -> dict[tuple[int, str], int]:
    """Return the numbers of log lines and service calls of handlers and jobs among the newest ones of a time range."""
    within: Parameters = {
        "first_id": time_range.first_id,
        "end_id": time_range.end_id,
        "examined": _MOST_COUNTED,
    }
    return {
        (row["registration_id"], what): row["known"]
        for what, statement in _KNOWN.items()
        for row in await transaction.all(statement, within)
    }


async def _samples(transaction: ReadTransaction, time_range: TimeRange, totals: Mapping[int, int]) -> dict[int, Row]:
    """Return the log lines and calls of all runs of each handler and job with few runs, else of its newest runs.

    Args:
        transaction: Read transaction of the question.
        time_range: Time range of the runs.
        totals: Numbers of runs in the time range.
    """
    few, counted = list[int](), 0
    for id_ in sorted(totals, key=lambda id_: totals[id_]):
        counted += totals[id_]
        if counted > _MOST_COUNTED:
            break
        few.append(id_)
    within: Parameters = {
        "registrations": json.dumps(few),
        "first_id": time_range.first_id,
        "end_id": time_range.end_id,
    }
    # Some of the runs may have been deleted. Then the newest runs are the better sample.
    exact = [row for row in await transaction.all(queries.ALL, within) if row["runs"] == totals[row["registration_id"]]]
    samples = {row["registration_id"]: row for row in exact}
    others: Parameters = {"registrations": json.dumps([id_ for id_ in totals if id_ not in samples]), "newest": _NEWEST}
    return samples | {row["registration_id"]: row for row in await transaction.all(queries.SAMPLES, others)}
