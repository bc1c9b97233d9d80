"""Bursts: many equal runs at almost the same time, which a list shows as one row."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from hassette_sync.answers.runs import Run
from hassette_sync.time_range import MINUTE_US

_MIN_FOLDED = 3
_WITHIN_US = MINUTE_US


@dataclass(frozen=True, slots=True)
class Burst:
    """Equal runs of one handler or job within a minute.

    Attributes:
        run: The newest run.
        others: The other runs, newest first. Empty for a run without equal runs.
    """

    run: Run
    others: list[Run] = field(default_factory=list[Run])

    @property
    def count(self) -> int:
        """Number of runs."""
        return 1 + len(self.others)

    @property
    def longest_us(self) -> int:
        """Duration of the longest run."""
        return max(run.duration_us for run in (self.run, *self.others))

    @property
    def span_us(self) -> int:
        """Time from the end of the oldest run to the end of the newest run."""
        return self.run.ended_us - self.others[-1].ended_us if self.others else 0


def folded(runs: Iterable[Run], *, across: bool = False) -> list[Burst]:
    """Fold equal runs: at least three runs of one handler or job with the same result within a minute.

    Args:
        runs: Runs, newest first.
        across: Whether runs of other handlers and jobs may lie between equal runs. The runs are then not in the order
            of their ends.
    """
    bursts: list[Burst] = []
    for run in runs:
        candidates = reversed(bursts) if across else bursts[-1:]
        burst = next((one for one in candidates if _belongs(run, one)), None)
        if burst is None:
            bursts.append(Burst(run))
        else:
            burst.others.append(run)
    if across:
        return bursts
    return [part for burst in bursts for part in ([burst] if burst.count >= _MIN_FOLDED else _single(burst))]


def _single(burst: Burst) -> Iterable[Burst]:
    return (Burst(run) for run in (burst.run, *burst.others))


def _belongs(run: Run, burst: Burst) -> bool:
    return (
        run.registration.id == burst.run.registration.id
        and run.status == burst.run.status
        and run.failure == burst.run.failure
        and burst.run.ended_us - run.ended_us <= _WITHIN_US
    )
