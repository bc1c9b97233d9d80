"""Answers about what differs from before: from the previous period, or from the previous version of an app."""

from typing import Final, Literal

from hassette_sync.answers.kinds import RegistrationRef
from hassette_sync.answers.values import Answer, Counts, Id

Difference = Literal[
    "slower", "faster", "failing_more", "failing_less", "silent", "new", "back", "resolved", "unchanged"
]
"""Difference of a handler, a job or an error group from the previous period or version."""

GRAVITY: Final[tuple[Difference, ...]] = (
    *("failing_more", "silent", "slower", "back", "new", "failing_less", "resolved", "faster", "unchanged"),
)
"""All differences, the gravest first."""


class Figures(Answer):
    """Figures of one handler or job in one period.

    Attributes:
        counts: Numbers of runs by status.
        p95_us: 95th percentile of the durations; None without runs.
        since_us: Start of the period.
        until_us: End of the period.
    """

    counts: Counts
    p95_us: int | None
    since_us: int
    until_us: int


class ComparedRegistration(Answer):
    """Handler or job, compared with the previous period or version.

    Attributes:
        registration: The handler or job.
        findings: Differences, the gravest first; ``("unchanged",)`` without one.
        sentence: The gravest difference in one plain sentence.
        now: Figures of the period.
        before: Figures of the previous period or version.
        slower_by: p95 divided by the p95 before; None if one of them is missing.
        fails_more_by: Share of failed runs minus the share before, from -1 to 1; None if one of them is missing.
        silent_for_us: Uptime of Hassette since the newest run, if it is unusually long; None if it is not silent.
        usual_gap_us: Longest usual pause between two runs; None if it is not silent.
        last_run_us: End of the newest run; None if no run is stored.
        last_run_id: Id of the newest run; None if no run is stored.
    """

    registration: RegistrationRef
    findings: tuple[Difference, ...]
    sentence: str
    now: Figures
    before: Figures
    slower_by: float | None
    fails_more_by: float | None
    silent_for_us: int | None
    usual_gap_us: int | None
    last_run_us: int | None
    last_run_id: Id | None


class ComparedGroup(Answer):
    """Error group, compared with the previous period or version.

    Attributes:
        id: Id of the error group.
        type: Class of the exception.
        message: Message of its first failure.
        finding: ``new`` (first seen in the period), ``back`` (seen again after a pause), ``failing_more``,
            ``failing_less``, ``resolved`` (not seen in the period, in which one of its handlers and jobs succeeded) or
            ``unchanged``.
        sentence: The difference in one plain sentence.
        now: Number of failures in the period.
        before: Number of failures in the previous period or version.
        first_seen_us: Time of the first failure.
        last_seen_us: Time of the newest failure.
        last_run_id: Id of the newest failed run.
    """

    id: Id
    type: str
    message: str
    finding: Difference
    sentence: str
    now: int
    before: int
    first_seen_us: int
    last_seen_us: int
    last_run_id: Id


class Comparison(Answer):
    """Differences from the previous period or version.

    Attributes:
        against: ``period`` for the previous period of the same length, or ``version`` for the previous version.
        registrations: Handlers and jobs in the requested order, at most ``limit``.
        groups: Error groups with failures in one of the periods, at most ``limit``.
        found: Number of handlers, jobs and error groups with a difference.
        since_us: Start of the period.
        until_us: End of the period.
        before_since_us: Start of the previous period.
        before_until_us: End of the previous period.
    """

    against: Literal["period", "version"]
    registrations: tuple[ComparedRegistration, ...]
    groups: tuple[ComparedGroup, ...]
    found: int
    since_us: int
    until_us: int
    before_since_us: int
    before_until_us: int
