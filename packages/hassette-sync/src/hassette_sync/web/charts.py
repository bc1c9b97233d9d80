"""Geometry of the charts. Functions convert answers to boxes, which the templates render as SVG.

Horizontal values are in percent of the width, or in SVG units, which the browser scales. Colours come from the
classes of the style sheet.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from hassette_sync.answers.overview import Mark, Timeline, TimelinePoint
from hassette_sync.answers.registrations import HeatCell, HeatMap
from hassette_sync.answers.sessions import Session, Uptime
from hassette_sync.answers.values import Counts
from hassette_sync.formatting import duration, plural
from hassette_sync.home_time import ShownTimes
from hassette_sync.time_range import DAY_US, HOUR_US, MINUTE_US

WIDTH = 960
PLOT_HEIGHT = 150
LATENCY_HEIGHT = 70
HEAT_STEPS = 5
_MAX_LABELS = 8


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in a chart."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class PeriodColumn:
    """One period of the timeline: a bar of the runs that did not fail, with the failed runs on top.

    Horizontal values are in percent of the width, vertical values in pixels.
    """

    point: TimelinePoint
    until_us: int
    area: Box
    good: Box
    failed: Box
    middle: float
    tick: bool
    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True)
class MarkLine:
    """A mark and its place in percent of the width."""

    mark: Mark
    x: float


@dataclass(frozen=True, slots=True)
class Chart:
    """The timeline.

    Attributes:
        columns: One column per period.
        runs_axis: (y, number of runs) of the horizontal lines.
        latency_axis: (y, microseconds) of the horizontal lines of the durations.
        p50_lines: Points of each line of the median in SVG syntax. A line ends at a period without runs.
        p95_lines: The same for p95.
        marks: Sessions and versions.
        since_us: Start of the first period.
        until_us: End of the last period.
        period_us: Length of a period.
    """

    columns: tuple[PeriodColumn, ...]
    runs_axis: tuple[tuple[float, int], ...]
    latency_axis: tuple[tuple[float, int], ...]
    p50_lines: tuple[str, ...]
    p95_lines: tuple[str, ...]
    marks: tuple[MarkLine, ...]
    since_us: int
    until_us: int
    period_us: int


def timeline_chart(timeline: Timeline) -> Chart:
    """Lay out the timeline."""
    points, period_us = timeline.points, timeline.period_length_us
    top = round_up(max((point.counts.total for point in points), default=0))
    slowest = round_duration_up(max((point.percentiles.p95_us or 0 for point in points), default=0))
    since_us = points[0].start_us if points else 0
    until_us = since_us + len(points) * period_us
    return Chart(
        columns=tuple(_columns(timeline, top)),
        runs_axis=tuple((PLOT_HEIGHT - PLOT_HEIGHT * part / 2, top * part // 2) for part in range(3)),
        latency_axis=tuple((LATENCY_HEIGHT - LATENCY_HEIGHT * part, round(slowest * part)) for part in (0, 0.5, 1)),
        p50_lines=_lines([point.percentiles.p50_us for point in points], slowest),
        p95_lines=_lines([point.percentiles.p95_us for point in points], slowest),
        marks=_mark_lines(timeline.marks, since_us, until_us),
        since_us=since_us,
        until_us=until_us,
        period_us=period_us,
    )


def _mark_lines(marks: Iterable[Mark], since_us: int, until_us: int) -> tuple[MarkLine, ...]:
    """Return the marks in a time with their places on its axis."""
    return tuple(
        MarkLine(mark, round((mark.at_us - since_us) * 100 / (until_us - since_us), 3))
        for mark in marks
        if since_us <= mark.at_us < until_us
    )


def titled_columns(columns: Iterable[PeriodColumn], shown: ShownTimes) -> tuple[tuple[PeriodColumn, str, str], ...]:
    """Return each column with the text of its period, and with its figures: ``20 runs · p50 1 ms · p95 4 ms``."""
    return tuple((one, shown.period(one.point.start_us, one.until_us), _figures(one.point)) for one in columns)


def _figures(point: TimelinePoint) -> str:
    counts, ranks = point.counts, point.percentiles
    figures = [plural(counts.total, "run")]
    if counts.failed:
        figures.append(f"{counts.failed:,} failed")
    if ranks.p50_us is not None:
        figures.append(f"p50 {duration(ranks.p50_us)} · p95 {duration(ranks.p95_us)}")
    if point.skipped:
        figures.append(f"{point.skipped:,} not run")
    return " · ".join(figures)


def _columns(timeline: Timeline, top: int) -> Iterator[PeriodColumn]:
    points, period_us = timeline.points, timeline.period_length_us
    step = 100 / max(len(points), 1)
    tick_every = math.ceil(len(points) / _MAX_LABELS)
    if period_us == HOUR_US and len(points) <= 30:
        tick_every = 3
    elif period_us < HOUR_US:
        # Labels of minutes are at round times.
        around = (5, 10, 15, 20, 30, 60, 120)
        tick_every = next(
            (
                minutes * MINUTE_US // period_us
                for minutes in around
                if len(points) * period_us <= minutes * MINUTE_US * 9
            ),
            tick_every,
        )
    gap = step * 0.16
    for index, point in enumerate(points):
        good, failed = _bar_heights(point.counts, top)
        x, width = round(index * step + gap / 2, 3), round(step - gap, 3)
        until_us = point.start_us + period_us
        position = point.start_us // period_us if period_us < HOUR_US else index
        yield PeriodColumn(
            point=point,
            until_us=until_us,
            area=Box(round(index * step, 3), 0, round(step, 3), PLOT_HEIGHT),
            good=Box(x, PLOT_HEIGHT - good, width, good),
            failed=Box(x, PLOT_HEIGHT - good - failed, width, failed),
            middle=round((index + 0.5) * step, 2),
            tick=position % tick_every == 0,
            marks=_marks_between(timeline.marks, point.start_us, until_us),
        )


def _marks_between(marks: Iterable[Mark], since_us: int, until_us: int) -> tuple[Mark, ...]:
    return tuple(mark for mark in marks if since_us <= mark.at_us < until_us)


def _bar_heights(counts: Counts, top: int) -> tuple[float, float]:
    """Return the heights for the runs that did not fail, and for the failed runs."""
    not_failed = counts.total - counts.failed
    # The bar is at least three units high, so that a single failure among many runs is visible.
    failed = max(round(counts.failed / top * PLOT_HEIGHT, 1), 3) if counts.failed else 0.0
    good = max(round(not_failed / top * PLOT_HEIGHT, 1), 1) if not_failed else 0.0
    return min(good, PLOT_HEIGHT - failed), failed


def _lines(values: Sequence[int | None], top: int) -> tuple[str, ...]:
    """Return the points of lines. A value without neighbours becomes a short line, so that it is visible."""
    step = WIDTH / max(len(values), 1)
    lines: list[list[str]] = [[]]
    for index, value in enumerate(values):
        if value is None:
            lines.append([])
            continue
        lines[-1].append(f"{(index + 0.5) * step:.1f},{LATENCY_HEIGHT - value / top * LATENCY_HEIGHT:.1f}")
    return tuple(" ".join(line * 2 if len(line) == 1 else line) for line in lines if line)


def round_up(value: int) -> int:
    """Round up to a small even number, or to such a number of tens, hundreds and so on. Half of it is round, too."""
    if value <= 2:
        return 2
    magnitude = 10 ** int(math.log10(value))
    steps = (2, 4, 6, 8, 10) if magnitude == 1 else (1, 2, 3, 4, 5, 6, 8, 10)
    return next(step * magnitude for step in steps if step * magnitude >= value)


def round_duration_up(us: int) -> int:
    """Round a duration up, so that half of it is a round number, too: 4 ms, 20 s, 2 min, 4 h."""
    for unit, steps in ((MINUTE_US, (1, 2, 4, 10, 20, 40)), (HOUR_US, (1, 2, 4, 8, 12, 24)), (DAY_US, (1, 2, 4, 10))):
        if us > unit:
            found = next((step * unit for step in steps if step * unit >= us), None)
            if found is not None:
                return found
    return round_up(us) if us <= DAY_US else round_up(-(-us // DAY_US)) * DAY_US


@dataclass(frozen=True, slots=True)
class Span:
    """One session in the uptime strip."""

    session: Session
    box: Box


@dataclass(frozen=True, slots=True)
class Tick:
    """A labelled moment on an axis."""

    x: float
    at_us: int


def session_strip(uptime: Uptime, at_us: int, height: float = 20) -> tuple[Span, ...]:
    """Lay out the sessions along a time axis."""
    length = uptime.until_us - uptime.since_us
    spans: list[Span] = []
    for session in uptime.spans:
        end_us = at_us if session.state == "running" else session.until_us
        x = max(session.started_us - uptime.since_us, 0) / length * WIDTH
        end = min(end_us - uptime.since_us, length) / length * WIDTH
        spans.append(Span(session, Box(x, 0, max(end - x, 2), height)))
    return tuple(spans)


def ticks(since_us: int, until_us: int, utc_offset_us: Callable[[int], int]) -> tuple[Tick, ...]:
    """Choose at most nine ticks of an axis: full hours or midnights in local time.

    Args:
        since_us: Start of the axis.
        until_us: End of the axis.
        utc_offset_us: Returns the offset of local time from UTC at a moment. It changes with summer time.
    """
    length = until_us - since_us
    steps = (HOUR_US, 3 * HOUR_US, 6 * HOUR_US, 12 * HOUR_US, DAY_US, 2 * DAY_US, 7 * DAY_US, 14 * DAY_US, 60 * DAY_US)
    step = next((step for step in steps if length / step <= 9), 365 * DAY_US)
    offset = utc_offset_us(since_us)
    first = -(-(since_us + offset) // step) * step - offset
    # After a change to or from summer time, local midnight is an hour earlier or later in UTC.
    moments = {moment + offset - utc_offset_us(moment) for moment in range(first, until_us + HOUR_US, step)}
    return tuple(
        Tick((moment - since_us) / length * WIDTH, moment)
        for moment in sorted(moments)
        if since_us <= moment < until_us
    )


@dataclass(frozen=True, slots=True)
class HeatBox:
    """One cell of the heat map; horizontal values in percent of the width."""

    box: Box
    step: int


@dataclass(frozen=True, slots=True)
class HeatColumn:
    """One period of the heat map with its cells.

    Attributes:
        cells: The cells with runs; ``step`` goes from 1 (few) to `HEAT_STEPS` (many).
        bands: (label, number of runs) of each cell, fastest first.
        marks: Sessions and versions that began in the period.
    """

    since_us: int
    until_us: int
    x: float
    width: float
    cells: tuple[HeatBox, ...]
    bands: tuple[tuple[str, int], ...]
    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True)
class HeatChart:
    """The heat map of durations.

    Attributes:
        columns: All periods, oldest first.
        bands: (y, label), slowest first.
        steps: (step, lowest number of runs, highest number of runs) of the shades, for the legend.
        height: Height of the chart.
        marks: Sessions and versions.
    """

    columns: tuple[HeatColumn, ...]
    bands: tuple[tuple[float, str], ...]
    steps: tuple[tuple[int, int, int], ...]
    height: float
    marks: tuple[MarkLine, ...] = ()


def heat_chart(heat: HeatMap, since_us: int, until_us: int, marks: Sequence[Mark] = (), row: float = 18) -> HeatChart:
    """Lay out the heat map, from the fastest band with runs to the slowest one."""
    if not heat.cells:
        return HeatChart((), (), (), 0)
    low, high = min(cell.band for cell in heat.cells), max(cell.band for cell in heat.cells)
    length = heat.period_length_us
    first = since_us // length
    count = (until_us - 1) // length - first + 1
    width = 100 / count
    step_of = _shades(cell.count for cell in heat.cells)
    by_period: defaultdict[int, list[HeatCell]] = defaultdict(list)
    for cell in heat.cells:
        by_period[cell.period_us // length - first].append(cell)
    columns = [
        HeatColumn(
            marks=_marks_between(marks, (first + index) * length, (first + index + 1) * length),
            since_us=(first + index) * length,
            until_us=(first + index + 1) * length,
            x=round(index * width, 3),
            width=round(width, 3),
            cells=tuple(
                HeatBox(
                    Box(round((index + 0.04) * width, 3), (high - cell.band) * row, round(width * 0.92, 3), row - 1),
                    step_of[cell.count],
                )
                for cell in by_period[index]
            ),
            bands=tuple(
                (_band_label(heat, cell.band), cell.count)
                for cell in sorted(by_period[index], key=lambda one: one.band)
            ),
        )
        for index in range(count)
    ]
    bands = tuple(((high - band + 0.5) * row, _band_label(heat, band)) for band in range(high, low - 1, -1))
    counts: defaultdict[int, list[int]] = defaultdict(list)
    for number, step in step_of.items():
        counts[step].append(number)
    steps = tuple((step, min(numbers), max(numbers)) for step, numbers in sorted(counts.items()))
    lines = _mark_lines(marks, first * length, (first + count) * length)
    return HeatChart(tuple(columns), bands, steps, (high - low + 1) * row, lines)


def _shades(counts: Iterable[int]) -> dict[int, int]:
    """Return the shade of each number of runs.

    Each shade has about as many cells as the others. One busy cell then does not make all other cells pale.
    """
    ordered = sorted(counts)
    last = {count: position for position, count in enumerate(ordered)}
    return {count: 1 + position * (HEAT_STEPS - 1) // max(len(ordered) - 1, 1) for count, position in last.items()}


def _band_label(heat: HeatMap, band: int) -> str:
    return f"≤ {duration(heat.bands_us[band])}" if band < len(heat.bands_us) else f"> {duration(heat.bands_us[-1])}"
