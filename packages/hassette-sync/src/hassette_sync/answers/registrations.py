"""Answers about handlers, jobs and apps."""

from hassette_sync.answers.values import Answer, Counts, Id, Kind, Percentiles, RegistrationRef


class Registration(Answer):
    """A handler or job, with what it did in the time asked about.

    Attributes:
        listens_to: A handler's topic or a job's schedule.
        counts: Its runs.
        percentiles: Of its durations.
        mean_us: Mean duration; None without runs.
        max_us: The longest.
        skipped: How often it did not run.
        last_run_id: Its newest run whose row is kept, of any time; None if there is none.
        last_status: How that one ended.
        retired_us: When it was given up; None while it is registered, also when the whole framework has stopped.
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
    retired_us: int | None

    @property
    def ref(self) -> RegistrationRef:
        """Its name alone."""
        return RegistrationRef(id=self.id, kind=self.kind, app=self.app, instance=self.instance, name=self.name)


class Registrations(Answer):
    """Handlers or jobs; the counts are over the whole hours or days that cover the time asked about."""

    registrations: tuple[Registration, ...]
    since_us: int
    until_us: int


class Setting(Answer):
    """An option as a person wrote it."""

    name: str
    value: str


class Source(Answer):
    """Where a handler stands."""

    file: str
    line: int
    snippet: str


class HeatCell(Answer):
    """How many runs of one period took how long."""

    period_us: int
    band: int
    count: int


class HeatMap(Answer):
    """Durations over time.

    Attributes:
        period_length_us: Length of a period.
        bands_us: Upper limits of the duration bands, ascending; the last band has none and is not listed.
        cells: The cells that are not empty.
    """

    period_length_us: int
    bands_us: tuple[int, ...]
    cells: tuple[HeatCell, ...]


class SkipReason(Answer):
    """How often something did not run, and why."""

    registration: RegistrationRef
    reason: str
    count: int


class RegistrationDetail(Answer):
    """All about one handler or job."""

    registration: Registration
    settings: tuple[Setting, ...]
    source: Source | None
    runs_in: str
    timeout_s: float | None
    first_registered_us: int
    last_registered_us: int
    heat_map: HeatMap
    skips: tuple[SkipReason, ...]
    since_us: int
    until_us: int


class AppSummary(Answer):
    """An app (all instances), with what it did in the time asked about."""

    app: str
    instances: tuple[str, ...]
    handlers: int
    jobs: int
    counts: Counts
    total_us: int
