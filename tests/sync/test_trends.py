"""Errors over time: new, back, quiet, their apps, and their course."""

import re
from collections.abc import Sequence

import pytest

from hassette_sync import DataSyncService, TimeRange
from support.history import DAY, HOUR, MINUTE, NewHistory
from support.web_clients import app_client

pytest.importorskip("fastapi")


@pytest.mark.parametrize(
    ("hours_ago", "new", "back", "over"),
    [
        ([1], True, False, False),
        ([23], True, False, True),
        ([1, 23], True, False, False),
        ([1, 30], False, False, False),
        ([1, 47], False, False, False),
        ([1, 49], False, True, False),
        ([20, 100], False, True, True),
        ([1, 30, 100], False, False, False),
    ],
)
async def test_new_errors_and_those_that_are_back_differ_from_known_ones(
    new_history: NewHistory, now_us: int, hours_ago: Sequence[int], new: bool, back: bool, over: bool
) -> None:
    with new_history() as history:
        history.session(now_us - 10 * DAY)
        handler = history.listener("hall", "on_motion", "t")
        for hours in sorted(hours_ago, reverse=True):
            error = ("exception", "ValueError", "boom")
            history.run(handler, now_us - hours * HOUR, status="error", error=error)
    async with DataSyncService(history.path) as data:
        last_day = TimeRange.last("24h")
        (trend,) = await data.error_trends((await data.error_groups(last_day)).groups, last_day)
    assert (trend.is_new, trend.is_back, trend.is_over) == (new, back, over)
    assert sum(trend.points) == sum(hours < 24 for hours in hours_ago)
    assert len(trend.points) == 24


async def test_course_counts_each_failure_in_its_part(new_history: NewHistory, now_us: int) -> None:
    with new_history() as history:
        history.session(now_us - 10 * DAY)
        handler = history.listener("hall", "on_motion", "t")
        for hour in range(24):
            for n in range(hour):
                at_us = now_us - 24 * HOUR + hour * HOUR + 30 * MINUTE + n
                history.run(handler, at_us, status="error", error=("exception", "ValueError", "boom"))
    async with DataSyncService(history.path) as data:
        asked = TimeRange(now_us - 24 * HOUR, now_us)
        (trend,) = await data.error_trends((await data.error_groups(asked)).groups, asked)
    assert list(trend.points) == list(range(24))


async def test_error_names_the_apps_of_its_newest_failures(new_history: NewHistory, now_us: int) -> None:
    with new_history() as history:
        history.session(now_us - DAY)
        for n, app in enumerate(("hall", "attic", "old")):
            at_us = now_us - (n + 1) * HOUR
            handler = history.listener(app, "on_motion", "t")
            for k in range(15):
                history.run(handler, at_us + k, status="error", error=("exception", "ValueError", "boom"))
        job = history.job("clock", "tick", "every 5 min")
        history.run(job, now_us - MINUTE, job=True, status="error", error=("exception", "KeyError", "x"))
    async with DataSyncService(history.path) as data, app_client(data) as client:
        groups = (await data.error_groups()).groups
        trends = await data.error_trends(groups)
        text = (await client.get("/errors?sort=-failures")).text
    assert [(group.type, trend.apps) for group, trend in zip(groups, trends, strict=True)] == [
        ("KeyError", ("clock",)),
        ("ValueError", ("attic", "hall")),
    ]
    assert re.findall(r'class="type">(?:<span[^>]*>[a-z]+</span> )?(\w+)</span>', text) == ["ValueError", "KeyError"]
