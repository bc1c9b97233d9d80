"""Geometry of a waterfall: where each row lies on the time axis, in percent of its width."""

from dataclasses import dataclass

from hassette_sync.answers.waterfall import Waterfall, WaterfallRow
from hassette_sync.formatting import duration

MAX_INDENT = 7
_MAX_TICKS = 5
# The axis ends a little after the last row, so that its bar and a label are not cut.
_SPARE = 1.02
_MIN_LENGTH_US = 100


@dataclass(frozen=True, slots=True)
class LaneTick:
    """A labelled moment on the axis."""

    x: float
    label: str


@dataclass(frozen=True, slots=True)
class Lane:
    """One row of the waterfall.

    Attributes:
        row: The row of the answer.
        x: Start on the axis.
        width: Width of the bar; 0 for a moment.
        wait_x: Start of the time in which a run waited.
        wait_width: Width of that time; 0 if the row is not a run.
        indent: Indent of the title, in steps.
        after_us: Time since the start of the axis.
        is_asked: Whether the row is the run that was asked for.
    """

    row: WaterfallRow
    x: float
    width: float
    wait_x: float
    wait_width: float
    indent: int
    after_us: int
    is_asked: bool


@dataclass(frozen=True, slots=True)
class WaterfallChart:
    """A laid out waterfall."""

    lanes: tuple[Lane, ...]
    ticks: tuple[LaneTick, ...]


def waterfall_chart(answer: Waterfall) -> WaterfallChart:
    """Lay out a waterfall."""
    length = max(answer.until_us - answer.since_us, _MIN_LENGTH_US) * _SPARE

    def x(at_us: int) -> float:
        return round((at_us - answer.since_us) / length * 100, 3)

    lanes: list[Lane] = []
    for row in answer.rows:
        waited_from_us = max(row.at_us - row.run.waited_us, answer.since_us) if row.run else row.at_us
        lanes.append(
            Lane(
                row=row,
                x=x(row.at_us),
                width=round(x(row.until_us) - x(row.at_us), 3),
                wait_x=x(waited_from_us),
                wait_width=round(x(row.at_us) - x(waited_from_us), 3),
                indent=min(row.depth, MAX_INDENT),
                after_us=row.at_us - answer.since_us,
                is_asked=row.run is not None and row.run.id == answer.run_id,
            )
        )
    step = _tick_step(length)
    ticks = tuple(
        LaneTick(round(at_us / length * 100, 3), duration(at_us) if at_us else "0")
        for at_us in range(0, int(length), step)
    )
    return WaterfallChart(tuple(lanes), ticks)


def _tick_step(length_us: float) -> int:
    """Return 1, 2 or 5 times a power of ten; from a minute on, a round number of minutes, hours or days."""
    steps = [base * 10**power for power in range(8) for base in (1, 2, 5) if base * 10**power < 60_000_000]
    minutes = (1, 2, 5, 10, 20, 30, 60, 120, 360, 720, 1_440)
    steps += [minute * 60_000_000 for minute in minutes]
    return next((step for step in steps if length_us / step <= _MAX_TICKS), int(length_us / _MAX_TICKS))
