"""Differences from the previous period, for the figures of the overview."""

from dataclasses import dataclass
from typing import Literal

from hassette_sync.answers.overview import Overview
from hassette_sync.formatting import duration

# A smaller change of a duration or of a number is noise.
_MIN_CHANGE = 0.05

FigureTrend = Literal["better", "worse", "same"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FigureChange:
    """Change of one figure from the previous period.

    Attributes:
        text: Short text such as ``+4 % from 2,925``.
        trend: Whether the figure became better or worse.
    """

    text: str
    trend: FigureTrend


def differences_of(overview: Overview) -> dict[str, FigureChange]:
    """Return the differences of the figures ``runs``, ``failures`` and ``p95``, if they are known."""
    before = overview.before
    if before is None:
        return {}
    found = {
        "runs": _number(overview.counts.total, before.counts.total),
        "failures": _failures(overview.counts.failed, before.counts.failed),
    }
    now_us, then_us = overview.percentiles.p95_us, before.percentiles.p95_us
    if now_us is not None and then_us:
        found["p95"] = _duration(now_us, then_us)
    return found


def _number(now: int, then: int) -> FigureChange:
    if not then:
        return FigureChange(text="none before" if now else "none before, either", trend="same")
    change = now / then - 1
    if abs(change) < _MIN_CHANGE:
        return FigureChange(text=f"as before ({then:,})", trend="same")
    sign = "+" if change > 0 else "−"
    shown = f"{abs(change):.0%}".replace("%", " %") if abs(change) < 10 else f"{now / then:.0f} times"
    return FigureChange(text=f"{sign}{shown} from {then:,}", trend="same")


def _failures(now: int, then: int) -> FigureChange:
    if now == then:
        return FigureChange(text=f"as before ({then:,})" if then else "none before, either", trend="same")
    return FigureChange(
        text=f"▲ from {then:,}" if now > then else f"▼ from {then:,}", trend="worse" if now > then else "better"
    )


def _duration(now_us: int, then_us: int) -> FigureChange:
    if abs(now_us / then_us - 1) < 2 * _MIN_CHANGE:
        return FigureChange(text=f"as before ({duration(then_us)})", trend="same")
    if now_us > then_us:
        return FigureChange(text=f"▲ from {duration(then_us)}", trend="worse")
    return FigureChange(text=f"▼ from {duration(then_us)}", trend="better")
