"""Answers about failures."""

from hassette_sync.answers.kinds import RegistrationRef
from hassette_sync.answers.runs import FailingLine, Run
from hassette_sync.answers.trends import ErrorTrend
from hassette_sync.answers.values import Answer, Id
from hassette_sync.home_time import ShownTimes


class ErrorGroup(Answer):
    """Failures with the same fingerprint.

    Attributes:
        kind: ``exception``, ``hassette``, ``dependency``, ``timeout`` or ``exit``.
        sample_message: Message of the first failure. Other failures of the group may have other messages.
        sample_run_id: Id of the run with the first failure. This run may have been deleted.
        count: Number of failures since the first one.
        recent: Number of failures in the time range whose rows still exist.
        last_run_id: Id of the newest run with this failure.
        silenced_until_us: End of the silence of this group; None if there is none. It may be in the past.
    """

    id: Id
    kind: str
    type: str
    sample_message: str
    sample_run_id: Id
    first_seen_us: int
    last_seen_us: int
    last_run_id: Id
    count: int
    recent: int
    silenced_until_us: int | None


class Silenced(Answer):
    """Error groups that are silenced now. Their failures are recorded and counted, but need no attention.

    Attributes:
        errors: Number of silenced error groups.
        first_end_us: The soonest end of a silence; None without silenced error groups.
    """

    errors: int
    first_end_us: int | None

    def sentence(self, shown: ShownTimes) -> str:
        """Return the answer in words; an empty text without silenced error groups."""
        if self.first_end_us is None:
            return ""
        until = shown(self.first_end_us, seconds=False)
        if self.errors == 1:
            return f"1 error is silenced until {until}"
        return f"{self.errors:,} errors are silenced, the first until {until}"


class ErrorGroupsPage(Answer):
    """Error groups with failures in the time range, most recently seen first.

    Attributes:
        groups: The error groups.
        trends: Their course in the time range, in the same order.
    """

    groups: tuple[ErrorGroup, ...]
    trends: tuple[ErrorTrend, ...]
    next_cursor: str | None
    since_us: int
    until_us: int


class ErrorGroupDetail(Answer):
    """One error group in detail, with at most 50 runs.

    `DataSyncService.runs` with ``RunFilter(error_group_id=…)`` returns all runs.

    Attributes:
        group: The error group.
        trend: Its course in the time range.
        sample_line: Failing line of the first failure; None if it had no traceback.
        sample_traceback: Traceback of the first failure, as Python prints it; empty if it had none.
        registrations: Handlers and jobs in which the newest 500 failures occurred.
        runs: Newest failed runs.
    """

    group: ErrorGroup
    trend: ErrorTrend
    sample_line: FailingLine | None
    sample_traceback: str
    registrations: tuple[RegistrationRef, ...]
    runs: tuple[Run, ...]
