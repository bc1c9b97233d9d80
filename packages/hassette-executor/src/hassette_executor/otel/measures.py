"""Metrics: sums over all batches.

A *series* is the sum for one set of attributes; an export sends one *point* of each series. Sums are cumulative, so the
next point corrects a point that was lost or sent twice. The instruments of the SDK are not used for two reasons: they
accept only one run per call, but a summary of evicted records may count thousands of runs; and they never drop the
series of retired registrations.
"""

from bisect import bisect_left
from collections.abc import Iterator
from typing import Generic, Protocol, TypeVar

from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource

from hassette_executor.otel import names
from hassette_executor.otel.spans import SCOPE, clean
from hassette_executor.records.batches import Batch, ShedSummary
from hassette_executor.records.registrations import Registration
from hassette_executor.records.runs import Status
from hassette_executor.records.sketch import value_of

BOUNDS_S = (0.0001, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 600.0)
"""Upper bounds of the histogram's buckets in seconds, from the duration of an empty handler to the default deadline."""

Attributes = tuple[tuple[str, str], ...]


class _Count:
    """One series of a counter."""

    def __init__(self, since_us: int) -> None:
        self.since_us = since_us
        self.value = 0


class _Durations:
    """One series of the histogram."""

    def __init__(self, since_us: int) -> None:
        self.since_us = since_us
        self.count = 0
        self.total_us = 0
        self.least_us: float = float("inf")
        self.most_us: float = 0
        self.buckets = [0] * (len(BOUNDS_S) + 1)

    def add(self, duration_us: float, count: int) -> None:
        """Count runs of one duration. The caller adds sum and maximum, because it may know them more precisely."""
        self.count += count
        self.least_us = min(self.least_us, duration_us)
        self.buckets[bisect_left(BOUNDS_S, duration_us / 1e6)] += count


class _Series(Protocol):
    def __init__(self, since_us: int) -> None: ...


_SeriesT = TypeVar("_SeriesT", bound=_Series)


class _SeriesTable(Generic[_SeriesT]):
    """The series of one metric, by their attributes."""

    def __init__(self, make: type[_SeriesT]) -> None:
        self._make = make
        self.series: dict[Attributes, _SeriesT] = {}

    def at(self, attributes: Attributes, at_us: int) -> _SeriesT:
        if (series := self.series.get(attributes)) is None:
            series = self.series[attributes] = self._make(at_us)
        return series

    def forget(self, registration: Attributes) -> None:
        for attributes in [key for key in self.series if key[: len(registration)] == registration]:
            del self.series[attributes]


class Measures:
    """Sums since the start of the process.

    Attributes:
        changed: Whether the next export is due: a batch was added since the last call of `points`, or the last export
            failed.
    """

    def __init__(self) -> None:
        self.changed = False
        self._executions = _SeriesTable(_Count)
        self._durations = _SeriesTable(_Durations)
        self._skipped = _SeriesTable(_Count)
        self._losses = _SeriesTable(_Count)
        self._lifecycle = _SeriesTable(_Count)
        self._retired: set[Attributes] = set()
        self._last_points_of: frozenset[Attributes] = frozenset()

    def add(self, batch: Batch) -> None:
        """Add the runs, counts and events of a batch."""
        at_us = batch.at_us
        for registration in batch.registered:
            self._retired.discard(_attributes(registration))
        for record in batch.records():
            began_us = min(at_us, record.started_us)
            attributes = _with_status(record.registration, record.status)
            self._executions.at(attributes, began_us).value += 1
            durations = self._durations.at(attributes, began_us)
            durations.add(record.duration_us, 1)
            durations.total_us += record.duration_us
            durations.most_us = max(durations.most_us, record.duration_us)
        for summary in batch.summaries:
            self._add_summary(summary, at_us)
        for skip in batch.skipped:
            attributes = (*_attributes(skip.registration), (names.SKIP_REASON, skip.reason))
            self._skipped.at(attributes, at_us).value += skip.count
        for loss in batch.losses:
            attributes = ((names.LOSS_REASON, loss.reason), (names.LOSS_WHAT, loss.what))
            self._losses.at(attributes, at_us).value += loss.count
        for event in batch.lifecycle:
            self._lifecycle.at(((names.LIFECYCLE_KIND, event.kind),), at_us).value += 1
        self._retired.update(_attributes(registration) for registration in batch.retired)
        self.changed = True

    def _add_summary(self, summary: ShedSummary, at_us: int) -> None:
        began_us = min(at_us, summary.hour_us)
        for status, count in summary.counts:
            self._executions.at(_with_status(summary.registration, status), began_us).value += count
        # The sketch does not separate the statuses. If the runs had more than one status, their durations go to a
        # series without a status.
        status = summary.counts[0][0] if len(summary.counts) == 1 else None
        durations = self._durations.at(_with_status(summary.registration, status), began_us)
        for bucket, count in summary.buckets:
            durations.add(min(value_of(bucket), summary.max_us), count)
        durations.total_us += summary.total_us
        durations.most_us = max(durations.most_us, summary.max_us)

    def points(self, at_us: int, resource: Resource) -> MetricsData:
        """Return all series as one export.

        Args:
            at_us: The time of the points, in microseconds since the Unix epoch.
            resource: The sender, as an OpenTelemetry resource.
        """
        self.changed = False
        self._last_points_of = frozenset(self._retired)
        metrics = [
            _counter(names.EXECUTIONS, "{execution}", "Runs by status", self._executions, at_us),
            Metric(
                names.EXECUTION_DURATION,
                "Duration of runs",
                "s",
                Histogram(list(_histogram_points(self._durations, at_us)), AggregationTemporality.CUMULATIVE),
            ),
            _counter(names.SKIPPED_EXECUTIONS, "{execution}", "Triggers that led to no run", self._skipped, at_us),
            _counter(names.LOSSES, "{item}", "Records, effects and announcements that were lost", self._losses, at_us),
            _counter(names.LIFECYCLE_EVENTS, "{event}", "Events of the framework itself", self._lifecycle, at_us),
        ]
        with_points = [metric for metric in metrics if metric.data.data_points]
        if not with_points:
            return MetricsData([])
        return MetricsData([ResourceMetrics(resource, [ScopeMetrics(SCOPE, with_points, "")], "")])

    def forget_retired(self) -> None:
        """Drop the series of the registrations that were retired before `points`. Call this after the export."""
        for registration in self._retired & self._last_points_of:
            for table in (self._executions, self._durations, self._skipped):
                table.forget(registration)
        self._retired -= self._last_points_of


def _attributes(registration: Registration) -> Attributes:
    return (
        (names.APP, clean(registration.app)),
        (names.INSTANCE, clean(registration.instance)),
        (names.REGISTRATION, clean(registration.name)),
        (names.REGISTRATION_KIND, registration.kind),
    )


def _with_status(registration: Registration, status: Status | None) -> Attributes:
    attributes = _attributes(registration)
    return attributes if status is None else (*attributes, (names.STATUS, status.value))


def _counter(name: str, unit: str, description: str, table: _SeriesTable[_Count], at_us: int) -> Metric:
    points = [
        NumberDataPoint(dict(attributes), count.since_us * 1000, at_us * 1000, count.value)
        for attributes, count in table.series.items()
    ]
    return Metric(name, description, unit, Sum(points, AggregationTemporality.CUMULATIVE, is_monotonic=True))


def _histogram_points(table: _SeriesTable[_Durations], at_us: int) -> Iterator[HistogramDataPoint]:
    for attributes, durations in table.series.items():
        yield HistogramDataPoint(
            attributes=dict(attributes),
            start_time_unix_nano=durations.since_us * 1000,
            time_unix_nano=at_us * 1000,
            count=durations.count,
            sum=durations.total_us / 1e6,
            bucket_counts=tuple(durations.buckets),
            explicit_bounds=BOUNDS_S,
            min=durations.least_us / 1e6,
            max=durations.most_us / 1e6,
        )
