"""Render the waterfall of a run for the terminal: one line for each cause and effect, with its time."""

from collections.abc import Iterator
from typing import Final

from hassette_sync.answers.runs import ServiceCall
from hassette_sync.answers.waterfall import Waterfall, WaterfallRow
from hassette_sync.formatting import duration, status_label
from hassette_sync.home_time import ShownTimes
from hassette_sync.terminal.colours import STATUS_STYLES, Style, styled
from hassette_sync.terminal.tables import plain

_INDENTED: Final = 8
_MARKS: Final[dict[str, str]] = {"event": "◆", "origin": "●", "run": "▸", "more": "…"}


def waterfall(answer: Waterfall, shown: ShownTimes) -> Iterator[str]:
    """Render a waterfall. Effects are indented below their causes."""
    yield f"Timeline   from {shown(answer.since_us)}"
    if answer.earlier:
        yield "The chain has earlier causes, which are not shown."
    for row in answer.rows:
        yield _row(row, answer)


def _row(row: WaterfallRow, answer: Waterfall) -> str:
    after_us = row.at_us - answer.since_us
    when = f"+{duration(after_us)}" if after_us else "+0"
    text, style = _text(row, answer.run_id)
    return f"  {when:>9}  {'  ' * min(row.depth, _INDENTED)}{styled(plain(text), style)}"


def _text(row: WaterfallRow, asked: int) -> tuple[str, Style | None]:
    detail = f" · {row.detail}" if row.detail else ""
    if row.run is not None:
        result = status_label(row.run.status)
        which = "this run" if row.run.id == asked else f"run {row.run.id}"
        text = f"{_MARKS['run']} {row.title} ran {duration(row.duration_us)}: {result} ({which}){detail}"
        return text, "bold" if row.run.id == asked else STATUS_STYLES.get(result) if result != "ok" else None
    if row.log is not None:
        return f"{row.log.level}  {row.title}", STATUS_STYLES.get(row.log.level)
    if row.call is not None:
        return f"call {row.title}{_outcome(row.call)}", "red" if row.call.error else None
    if row.reads:
        return f"read {row.title}", "dim"
    return f"{_MARKS[row.kind]} {row.title}{detail}", None


def _outcome(call: ServiceCall) -> str:
    if call.rehearsed:
        return ", not sent"
    attempt = f", attempt {call.attempt}" if call.attempt > 1 else ""
    if call.error:
        return f"{attempt}, failed after {duration(call.duration_us)}"
    confirmed = "" if call.confirmed_us is None else f", confirmed after {duration(call.confirmed_us)}"
    return f"{attempt}, answered after {duration(call.duration_us)}{confirmed}"
