"""Times in which the framework was not running, and the crashes and stops at their beginning."""

from dataclasses import dataclass
from sqlite3 import Row
from typing import Self

from hassette_sync.home_time import ShownTimes
from hassette_sync.queries import sessions as queries
from hassette_sync.questions.sessions import HEARTBEAT_OVERDUE_US
from hassette_sync.reader import Parameters, ReadTransaction
from hassette_sync.time_range import TimeRange

_MOST_GAPS = 20
MANY_GAPS = 500
"""Limit of gaps for a question that needs all of them. A searched time usually has fewer."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Time in which the framework was not running.

    Attributes:
        from_us: End of the session before, or its last heartbeat.
        until_us: Next start; None if the framework has not started since.
        outcome: Outcome of the session before, such as ``crashed``, ``clean`` or ``open``.
        reason: Reason of the end; None if it is not known.
    """

    from_us: int
    until_us: int | None
    outcome: str
    reason: str | None

    @classmethod
    def of(cls, row: Row) -> Self:
        """Convert a row of `queries.sessions.GAPS`."""
        return cls(row["from_us"], row["until_us"], row["outcome"], row["reason"])

    def contains(self, at_us: int) -> bool:
        """Return whether the framework was not running at a moment."""
        return self.from_us <= at_us and (self.until_us is None or at_us < self.until_us)

    def describe(self, times: ShownTimes, who: str = "Hassette") -> str:
        """Return when and why the session before ended, and when the next one began, as one sentence."""
        ended = end_verb(self.outcome)
        reason = f" ({self.reason})" if self.reason else ""
        started = "has not started since" if self.until_us is None else f"started at {times(self.until_us)}"
        return f"{who} {ended} at {times(self.from_us)}{reason} and {started}."


def end_verb(outcome: str) -> str:
    """Return the verb for the end of a session with an outcome: Hassette ``crashed``, ``was stopped``."""
    return {"crashed": "crashed", "open": "wrote its last heartbeat"}.get(outcome, "was stopped")


async def gaps_in(transaction: ReadTransaction, time_range: TimeRange, *, limit: int = _MOST_GAPS) -> tuple[Gap, ...]:
    """Return the times without a running framework that overlap a time range: the newest ones, newest first."""
    within: Parameters = {
        "since_us": time_range.since_us,
        "until_us": time_range.until_us,
        "last_seen_us": transaction.at_us - HEARTBEAT_OVERDUE_US,
        "limit": limit,
    }
    return tuple(Gap.of(row) for row in await transaction.all(queries.GAPS, within))


async def last_crash(transaction: ReadTransaction) -> Gap | None:
    """Return the newest crash and the time until the next start; None if no crash is recorded."""
    row = await transaction.one(queries.LAST_CRASH)
    return Gap.of(row) if row is not None else None
