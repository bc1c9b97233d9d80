"""All counts of failures agree."""

import pytest

from hassette_sync import DataSyncService, TimeRange
from hassette_sync.cli import main
from support.history import HOUR, SECOND, NewHistory


async def test_interrupted_runs_count_as_failures_of_their_session(new_history: NewHistory, now_us: int) -> None:
    with new_history() as history:
        crashed = history.session(now_us - 3 * HOUR, now_us - 2 * HOUR, "crashed")
        history.session(now_us - HOUR)
        handler, job = history.listener("app", "on_x", "t"), history.job("app", "nightly", "cron 0 3 * * *")
        for number, status in enumerate(("success", "error", "timed_out", "cancelled", "interrupted")):
            history.run(handler, now_us - 2 * HOUR - SECOND + number, session_id=crashed, status=status)
        history.run(job, now_us - 2 * HOUR, session_id=crashed, status="interrupted", job=True)
        history.run(handler, now_us - SECOND, session_id=2)
        history.sum_up_sessions()
    async with DataSyncService(history.path) as data:
        sessions = (await data.sessions()).sessions
        overview = await data.overview()
        one = await data.session(crashed)
    assert [(session.runs, session.failures) for session in sessions] == [(1, 0), (6, 4)]
    assert one == sessions[1]
    assert overview.counts.failed == 4


async def test_error_group_counts_the_runs_in_the_time_range(new_history: NewHistory, now_us: int) -> None:
    with new_history() as history:
        history.session(now_us - 3 * HOUR)
        handler = history.listener("app", "on_x", "t")
        for number in range(120):
            at_us = now_us - HOUR - number * SECOND
            history.run(handler, at_us, status="error", error=("exception", "ValueError", "boom"))
    asked = TimeRange(now_us - HOUR - 99 * SECOND - 500_000, now_us)
    async with DataSyncService(history.path) as data:
        (group,) = (await data.error_groups(asked)).groups
        detail = await data.error_group(group.id, asked)
        before = await data.error_group(group.id, TimeRange(asked.since_us, now_us - HOUR - 50 * SECOND))
    assert detail.group.recent == group.recent == 100
    assert len(detail.runs) == 50
    assert before.group.recent == 49, "failures after the range are not counted"


@pytest.mark.parametrize("text", ["inf", "1e300", "nan", "-1", "-inf", "soon", "", "9" * 400])
def test_invalid_duration_is_a_usage_error(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", f"--min-duration={text}"]) == 2
    output = capsys.readouterr().err
    assert (
        f"hassette telemetry: --min-duration must be a number of seconds from 0 to 316,224,000, got {text[:40]!r}."
        in output
    )


def test_minimum_duration_filters_runs(
    new_history: NewHistory, now_us: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with new_history() as history:
        history.session(now_us - HOUR)
        handler = history.listener("app", "on_x", "t")
        for number, duration_us in enumerate((100_000, 300_000)):
            history.run(handler, now_us - 60 * SECOND + number, duration_us=duration_us)
    for seconds, found in (("0", 2), ("0.2", 1), ("1", 0)):
        assert main(["runs", "--min-duration", seconds, "--db", str(history.path)]) == 0
        assert capsys.readouterr().out.count("on_x") == found
