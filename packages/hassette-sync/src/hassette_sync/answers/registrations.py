"""Answers about handlers, jobs and apps."""

from typing import Literal

from hassette_sync.answers.kinds import Kind, RegistrationRef, Trigger
from hassette_sync.answers.values import Answer, Counts, Id, Percentiles


class Registration(Answer):
    """Handler or job with its figures in the time range.

    Attributes:
        listens_to: Topic of a handler, or schedule of a job.
        handler: Qualified name of the callable.
        counts: Numbers of runs.
        percentiles: Percentiles of the durations.
        mean_us: Mean duration; None without runs.
        max_us: Longest duration.
        skipped: Number of triggers that did not lead to a run.
        last_run_id: Id of the newest run, even if it is outside the time range; None if no run is stored.
        last_status: Status of the newest run.
        disabled: Whether the app is disabled. Until then, the registration was current.
        retired_us: End of the registration; None for a current or disabled one. A stop of the framework does not end a
            registration.
    """

    id: Id
    kind: Kind
    app: str
    instance: str
    name: str
    listens_to: str
    handler: str
    counts: Counts
    percentiles: Percentiles
    mean_us: int | None
    max_us: int
    skipped: int
    last_run_id: Id | None
    last_status: str | None
    disabled: bool = False
    retired_us: int | None

    @property
    def is_current(self) -> bool:
        """Whether it is neither retired nor disabled."""
        return self.retired_us is None and not self.disabled

    @property
    def state(self) -> Literal["", "disabled", "retired"]:
        """The word that lists add to the name; empty for a current registration."""
        return "disabled" if self.disabled else "" if self.retired_us is None else "retired"

    @property
    def ref(self) -> RegistrationRef:
        """Id and name of the registration, for links."""
        return RegistrationRef(id=self.id, kind=self.kind, app=self.app, instance=self.instance, name=self.name)


class Registrations(Answer):
    """Handlers and jobs. The figures cover whole hours or days around the time range.

    Attributes:
        hidden: Number of retired handlers and jobs that the list leaves out.
    """

    registrations: tuple[Registration, ...]
    next_cursor: str | None
    hidden: int
    since_us: int
    until_us: int


class Setting(Answer):
    """Option of a registration, with a readable value such as ``2 s``."""

    name: str
    value: str


class Source(Answer):
    """Place of a handler in the source code."""

    file: str
    line: int
    snippet: str


class HeatCell(Answer):
    """Number of runs in one period and one duration band."""

    period_us: int
    band: int
    count: int


class HeatMap(Answer):
    """Durations over time.

    Attributes:
        period_length_us: Length of a period.
        bands_us: Upper limits of the duration bands, ascending. The last band has no limit.
        cells: Cells with runs.
    """

    period_length_us: int
    bands_us: tuple[int, ...]
    cells: tuple[HeatCell, ...]


class SkipReason(Answer):
    """Number of triggers of one registration that did not lead to a run, for one reason."""

    registration: RegistrationRef
    reason: str
    count: int


class NotRun(Answer):
    """A trigger that led to no run.

    Attributes:
        at_us: When it was decided that the trigger leads to no run.
        reason: For example ``condition`` or ``rate_limited``.
        detail: One sentence, for example which condition did not hold; may be empty.
        trigger: The trigger; None if it is not known.
    """

    at_us: int
    reason: str
    detail: str
    trigger: Trigger | None


class RegistrationDetail(Answer):
    """One handler or job in detail.

    Attributes:
        registration: Names and figures.
        settings: Options of the registration.
        source: Place of the handler in the source code; None if unknown.
        runs_in: ``async`` for the event loop, ``sync`` for a thread.
        timeout_s: Timeout of one run; None for the executor's default, 0 for none.
        first_registered_us: Time of the first registration.
        last_registered_us: Time of the newest registration, for example at the last start.
        heat_map: Durations over time.
        skips: Numbers of triggers that did not lead to a run, by reason.
        not_runs: The newest triggers that did not lead to a run, newest first; at most 20. They may be older than the
            time range.
        next_run_us: Next run of a job; None for a handler, for a job without a planned run, and outside of the
            framework's process.
    """

    registration: Registration
    settings: tuple[Setting, ...]
    source: Source | None
    runs_in: str
    timeout_s: float | None
    first_registered_us: int
    last_registered_us: int
    heat_map: HeatMap
    skips: tuple[SkipReason, ...]
    not_runs: tuple[NotRun, ...]
    next_run_us: int | None = None
    since_us: int
    until_us: int


class AppSummary(Answer):
    """App (all instances) with its figures in the time range.

    Attributes:
        handlers: Number of handlers that are current or disabled. Each kind of registration has such a field.
        jobs: Number of jobs that are current or disabled.
        total_us: Sum of the durations of all runs.
    """

    app: str
    instances: tuple[str, ...]
    handlers: int
    jobs: int
    counts: Counts
    total_us: int
