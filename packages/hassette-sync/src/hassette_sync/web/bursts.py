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


def folded(runs: Iterable[Run], *, at_least: int = _MIN_FOLDED) -> list[Burst]:
    """Fold equal runs: runs of one handler or job with the same result within a minute.

    Other runs may lie between equal runs. The bursts are in the order of their newest runs.

    Args:
        runs: Runs, newest first.
        at_least: Minimum number of runs of a burst. Fewer equal runs stay single rows in their places.
    """
    listed = list(runs)
    bursts: list[Burst] = []
    for run in listed:
        burst = next((one for one in reversed(bursts) if _belongs(run, one)), None)
        if burst is None:
            bursts.append(Burst(run))
        else:
            burst.others.append(run)
    shown = [part for burst in bursts for part in ([burst] if burst.count >= at_least else _single(burst))]
    place = {run.id: number for number, run in enumerate(listed)}
    return sorted(shown, key=lambda burst: place[burst.run.id])


def _single(burst: Burst) -> Iterable[Burst]:
    return (Burst(run) for run in (burst.run, *burst.others))


def _belongs(run: Run, burst: Burst) -> bool:
    return (
        run.registration.id == burst.run.registration.id
        and run.status == burst.run.status
        and run.failure == burst.run.failure
        and burst.run.ended_us - run.ended_us <= _WITHIN_US
    )
