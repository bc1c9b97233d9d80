"""Shares of the runs: which registrations have caused the growth of the runs.

A handler that logs a hundred lines per run can fill the whole file. If the store then deleted the oldest runs of all
handlers, it would delete the history of handlers that use little space. So if a few registrations use most of the
space, they lose their oldest runs first, until none of them is larger than the others.
"""

import math
import sqlite3
import time
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from hassette_store.kinds import KINDS, RunKind
from hassette_store.retention.deletions import Steps
from hassette_store.retention.pace import TARGET_S, PacedWriter

_RUNS_A_STEP: Final = 5_000
_REGISTRATIONS_A_STEP: Final = 1_000
_SAMPLE: Final = 4
# If other registrations use more than a quarter of the space, their runs lie between those of the large registrations.
# Then the deletion of some runs frees no whole pages.
_MIN_SHARE: Final = 0.75

_BYTES_OF_RUN: Final = """
80 + (SELECT coalesce(sum(length(message) + 30), 0) FROM log_lines WHERE run_id = runs.id)
+ (SELECT coalesce(sum(length(coalesce(target, '')) + length(coalesce(data, '')) + length(coalesce(error, '')) + 60), 0)
   FROM service_calls WHERE run_id = runs.id)
+ (SELECT coalesce(sum(length(coalesce(state, '')) + 24), 0) FROM state_reads WHERE run_id = runs.id)
+ (SELECT coalesce(sum((length(traceback) + length(message) + 200) / count), 0)
   FROM error_groups WHERE id = (SELECT error_group_id FROM failures WHERE run_id = runs.id))
"""
"""Size of a run with its details, by estimate. A failure adds its part of its error group."""


class RegistrationSize(NamedTuple):
    """Size of the runs of one registration that may be deleted.

    Attributes:
        kind: Kind of the registration.
        id: The registration.
        below: Only runs with lower ids may be deleted.
        runs: Number of these runs.
        bytes_a_run: Size of a run with its details, by estimate.
    """

    kind: RunKind
    id: int
    below: int
    runs: int
    bytes_a_run: float

    @property
    def bytes(self) -> float:
        """Size of all these runs."""
        return self.runs * self.bytes_a_run


class LargestRegistrations:
    """Measurement of the runs of all registrations, in small steps.

    Args:
        writer: Runs the steps. ``temp.newest`` contains the runs that must stay.

    Attributes:
        sizes: The sizes that have been measured.
    """

    def __init__(self, writer: PacedWriter) -> None:
        self.sizes: list[RegistrationSize] = []
        self._writer = writer

    async def measure(self) -> Steps:
        """Measure the runs of all registrations that have runs to delete."""
        for kind in KINDS:
            after = 0
            while True:
                found = await self._writer.db.rows(
                    "SELECT registration_id, floor FROM temp.newest WHERE registration_id > ? AND floor > 0 AND EXISTS "
                    f"(SELECT 1 FROM {kind.registrations_table} WHERE id = registration_id) "
                    "ORDER BY registration_id LIMIT ?",
                    (after, _REGISTRATIONS_A_STEP),
                )
                if not found:
                    break
                after = int(found[-1][0])
                left = [RegistrationSize(kind, int(id_), int(floor), 0, 0.0) for id_, floor in found]
                counted_up_to = 0
                while left:

                    def work(db: sqlite3.Connection, left: list[RegistrationSize] = left) -> None:
                        nonlocal counted_up_to
                        until = time.perf_counter() + TARGET_S
                        while left and time.perf_counter() < until:
                            counted_up_to = self._count(db, left, counted_up_to)

                    yield await self._writer.run_timed(work)

    def _count(self, db: sqlite3.Connection, left: list[RegistrationSize], after: int) -> int:
        size = left[-1]
        count, last = db.execute(
            f"SELECT count(*), max(id) FROM (SELECT id FROM {size.kind.runs_table} "
            f"WHERE {size.kind.registration_column} = ? AND id > ? AND id < ? ORDER BY id LIMIT ?)",
            (size.id, after, size.below, _RUNS_A_STEP),
        ).fetchone()
        left[-1] = size = size._replace(runs=size.runs + count)
        if count == _RUNS_A_STEP:
            return int(last)
        left.pop()
        if size.runs:
            self.sizes.append(size._replace(bytes_a_run=_bytes_of_sample(db, size)))
        return 0


def _bytes_of_sample(db: sqlite3.Connection, size: RegistrationSize) -> float:
    ids = (
        f"SELECT id FROM {size.kind.runs_table} WHERE {size.kind.registration_column} = {size.id:d} "
        f"AND id < {size.below:d} ORDER BY id"
    )
    sample = f"SELECT * FROM ({ids} LIMIT {_SAMPLE}) UNION SELECT * FROM ({ids} DESC LIMIT {_SAMPLE})"
    return float(db.execute(f"SELECT avg({_BYTES_OF_RUN}) FROM ({sample}) AS runs").fetchone()[0])


def runs_to_delete(sizes: Iterable[RegistrationSize], kept_share: float) -> list[tuple[RegistrationSize, int]]:
    """Return the number of runs that each of the largest registrations should lose, the largest registration first.

    The result is empty if the space is not mostly used by a few registrations.

    Args:
        sizes: Sizes of all registrations.
        kept_share: Share of the space that the runs may keep.
    """
    ordered = sorted(sizes, key=lambda size: -size.bytes)
    total = sum(size.bytes for size in ordered)
    level = _level([size.bytes for size in reversed(ordered)], total * kept_share)
    large = [size for size in ordered if size.bytes > level]
    if len(large) == len(ordered) or sum(size.bytes for size in large) < _MIN_SHARE * total:
        return []
    return [(size, math.ceil((size.bytes - level) / size.bytes_a_run)) for size in large]


def _level(ascending: Sequence[float], total: float) -> float:
    """Return the level at which the sizes have the given total if none of them exceeds the level."""
    left = total
    for number, size in enumerate(ascending):
        level = left / (len(ascending) - number)
        if size >= level:
            return max(0.0, level)
        left -= size
    return math.inf
