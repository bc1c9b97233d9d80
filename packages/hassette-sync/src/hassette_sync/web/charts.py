"""Geometry of the charts. Functions convert answers to boxes, which the templates render as SVG.

Sizes are in SVG units, which the browser scales. Colours come from the classes of the style sheet.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from hassette_sync.answers.overview import Timeline, TimelinePoint
from hassette_sync.answers.registrations import HeatMap
from hassette_sync.answers.sessions import Session, Uptime
from hassette_sync.answers.values import Counts
from hassette_sync.formatting import duration
from hassette_sync.time_range import DAY_US, HOUR_US

WIDTH = 960
HEIGHT = 150
HEAT_STEPS = 5


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in a chart."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class PeriodColumn:
    """One period of the timeline: a bar of the runs that did not fail, with the failed runs on top."""

    point: TimelinePoint
    until_us: int
    area: Box
    good: Box
    failed: Box
    middle_percent: float
    tick: bool


@dataclass(frozen=True, slots=True)
class Chart:
    """The timeline.

    Attributes:
        columns: One column per period.
        grid: (y, count) of the horizontal lines.
        p95_lines: Points of each p95 line in SVG syntax. A line ends at a period without runs.
        p95_top_us: The highest p95, which is drawn at 92 % of the height.
    """

    columns: tuple[PeriodColumn, ...]
    grid: tuple[tuple[float, int], ...]
    p95_lines: tuple[str, ...]
    p95_top_us: int


def timeline_chart(timeline: Timeline) -> Chart:
    """Lay out the timeline."""
    points = timeline.points
    top = _round_up(max((point.counts.total for point in points), default=0))
    slowest = max((point.percentiles.p95_us or 0 for point in points), default=0)
    step = WIDTH / max(len(points), 1)
    return Chart(
        columns=tuple(_columns(timeline, top, step)),
        grid=tuple((HEIGHT - HEIGHT * part / 2, top * part // 2) for part in (1, 2)) if top > 1 else (),
        p95_lines=_lines(points, step, slowest),
        p95_top_us=slowest,
    )


def _columns(timeline: Timeline, top: int, step: float) -> Iterator[PeriodColumn]:
    points = timeline.points
    hourly = timeline.period_length_us == HOUR_US
    tick_every = 3 if hourly and len(points) <= 30 else math.ceil(len(points) / 8)
    gap = min(step * 0.18, 4)
    for index, point in enumerate(points):
        good, failed = _bar_heights(point.counts, top)
        x, width = index * step + gap / 2, step - gap
        yield PeriodColumn(
            point=point,
            until_us=point.start_us + timeline.period_length_us,
            area=Box(index * step, 0, step, HEIGHT),
            good=Box(x, HEIGHT - good, width, good),
            failed=Box(x, HEIGHT - good - failed, width, failed),
            middle_percent=round((index + 0.5) * 100 / len(points), 2),
            tick=index % tick_every == 0,
        )


def _bar_heights(counts: Counts, top: int) -> tuple[float, float]:
    """Return the heights for the runs that did not fail, and for the failed runs."""
    not_failed = counts.total - counts.failed
    # The bar is at least three units high, so that a single failure among many runs is visible.
    failed = max(counts.failed / top * HEIGHT, 3) if counts.failed else 0.0
    good = max(not_failed / top * HEIGHT, 1) if not_failed else 0.0
    return min(good, HEIGHT - failed), failed


def _lines(points: tuple[TimelinePoint, ...], step: float, slowest: int) -> tuple[str, ...]:
    """Return the points of the p95 lines."""
    lines: list[list[str]] = [[]]
    for index, point in enumerate(points):
        p95 = point.percentiles.p95_us
        if p95 is None:
            lines.append([])
            continue
        lines[-1].append(f"{(index + 0.5) * step:.1f},{HEIGHT - p95 / slowest * HEIGHT * 0.92:.1f}")
    return tuple(" ".join(line) for line in lines if len(line) > 1)


def _round_up(value: int) -> int:
    """Round up to 2, 4, 6, 8 or 10 times a power of ten, so that half of the number is a round number, too."""
    if value <= 2:
        return 2
    magnitude = 10 ** int(math.log10(value))
    return next(step * magnitude for step in (1, 2, 4, 6, 8, 10) if step * magnitude >= value)


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
    """One cell of the heat map."""

    box: Box
    step: int
    count: int
    period_us: int
    band: str


@dataclass(frozen=True, slots=True)
class HeatChart:
    """The heat map of durations.

    Attributes:
        cells: The cells with runs; ``step`` goes from 1 (few) to `HEAT_STEPS` (many).
        bands: (y, label), slowest first.
        height: Height of the chart.
    """

    cells: tuple[HeatBox, ...]
    bands: tuple[tuple[float, str], ...]
    height: float


def heat_chart(heat: HeatMap, since_us: int, until_us: int, row: float = 18) -> HeatChart:
    """Lay out the heat map, from the fastest band with runs to the slowest one."""
    if not heat.cells:
        return HeatChart((), (), 0)
    low, high = min(cell.band for cell in heat.cells), max(cell.band for cell in heat.cells)
    first = since_us // heat.period_length_us
    periods = (until_us - 1) // heat.period_length_us - first + 1
    step = WIDTH / periods
    most = max(cell.count for cell in heat.cells)
    cells = [
        HeatBox(
            Box((cell.period_us // heat.period_length_us - first) * step, (high - cell.band) * row, step - 1, row - 1),
            # The scale is logarithmic, so that one slow run among thousands is visible.
            1 + round((HEAT_STEPS - 1) * math.log1p(cell.count) / math.log1p(most)) if most > 1 else HEAT_STEPS,
            cell.count,
            cell.period_us,
            _band_label(heat, cell.band),
        )
        for cell in heat.cells
    ]
    bands = tuple(((high - band + 0.5) * row, _band_label(heat, band)) for band in range(high, low - 1, -1))
    return HeatChart(tuple(cells), bands, (high - low + 1) * row)


def _band_label(heat: HeatMap, band: int) -> str:
    return f"≤ {duration(heat.bands_us[band])}" if band < len(heat.bands_us) else f"> {duration(heat.bands_us[-1])}"
