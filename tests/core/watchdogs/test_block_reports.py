"""Blocks of the event loop become a bounded number of events."""

from collections.abc import Callable

import pytest

from hassette_core.watchdogs.block_reports import MAX_SUBJECTS, BlockReports
from support.waiting import eventually


@pytest.fixture
def events() -> list[tuple[str, str, str]]:
    return []


@pytest.fixture
def report(events: list[tuple[str, str, str]]) -> Callable[[str, str, str], None]:
    return lambda kind, subject, detail: events.append((kind, subject, detail))


async def test_first_block_is_recorded_at_once_and_further_blocks_together(
    events: list[tuple[str, str, str]], report: Callable[[str, str, str], None]
) -> None:
    reports = BlockReports(report)
    reports.add("hall.up.on_motion", "on_motion of hall.up", 3.0, "Line 1.")
    for seconds, line in ((1.0, "Line 2."), (2.5, "Line 3."), (1.5, "Line 4.")):
        reports.add("hall.up.on_motion", "on_motion of hall.up", seconds, line)
    reports.add("attic.main.tick", "tick of attic.main", 1.2, "Line 9.")
    first = "on_motion of hall.up blocked the event loop for 3.0 s; all apps waited. Line 1."
    other = "tick of attic.main blocked the event loop for 1.2 s; all apps waited. Line 9."
    assert events == [("loop_blocked", "hall.up.on_motion", first), ("loop_blocked", "attic.main.tick", other)]
    reports.close()
    further = (
        "hall.up.on_motion blocked the event loop 3 more times within 60 s, for 5.0 s in total and 2.5 s at the"
        " longest. Line 3."
    )
    assert events[2:] == [("loop_blocked", "hall.up.on_motion", further)]


async def test_further_blocks_are_recorded_at_the_end_of_the_interval(
    events: list[tuple[str, str, str]], report: Callable[[str, str, str], None]
) -> None:
    reports = BlockReports(report, interval_s=0.01)
    for _ in range(2):
        reports.add("", "unknown code", 1.0, "Its code is unknown.")
    await eventually(lambda: len(events) == 2)
    assert events[1][2].startswith("Unknown code blocked the event loop once more within 0.01 s")
    reports.close()
    assert len(events) == 2


async def test_blocks_of_very_many_handlers_are_recorded_together(
    events: list[tuple[str, str, str]], report: Callable[[str, str, str], None]
) -> None:
    reports = BlockReports(report)
    for number in range(MAX_SUBJECTS * 3):
        reports.add(f"hall.up.job_{number}", f"job_{number} of hall.up", 1.0, "Line 1.")
    reports.close()
    assert len(events) == MAX_SUBJECTS + 2
    assert events[-1][1] == "others"
    assert f"{MAX_SUBJECTS * 2 - 1} more times" in events[-1][2]
