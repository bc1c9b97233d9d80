"""Errors over time: new, back, quiet, their apps, and their course."""

import re
from collections.abc import Sequence

import pytest

from hassette_store.ids import first_id_at
from hassette_sync import DataSyncService, TimeRange
from hassette_sync.home_time import HomeTime, ShownTimes
from hassette_sync.settings import WebSettings
from hassette_sync.terminal.errors import error_group, error_groups
from support.history import DAY, HOUR, MINUTE, History, NewHistory
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


def write_versions(history: History, now_us: int) -> None:
    """Write an error of two apps that began in their second versions, and an error without an app version."""
    history.session(now_us - 5 * DAY)
    for app in ("hall", "attic"):
        for number, hours in enumerate((100, 50, 2), 1):
            row = (first_id_at(now_us - hours * HOUR) + len(app), 1, app, f"{app}-v{number}", "c", "s", None, 1)
            history.db.execute("INSERT INTO deploys VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
        handler = history.listener(app, "on_motion", "t")
        for hours in (30, 1):
            history.run(handler, now_us - hours * HOUR, status="error", error=("exception", "ValueError", "boom"))
    other = history.listener("cellar", "on_rain", "t")
    history.run(other, now_us - MINUTE, status="timed_out", error=("timeout", "TimeoutError", ""))


async def test_error_names_the_versions_in_which_it_was_first_seen(new_history: NewHistory, now_us: int) -> None:
    with new_history() as history:
        write_versions(history, now_us)
    async with DataSyncService(history.path) as data, app_client(data) as client:
        listed = (await client.get("/errors")).text
        api = (await client.get("/api/v1/errors")).json()
        one = (await client.get("/api/v1/errors/1")).json()
        page = (await client.get("/errors/1")).text
    versions = [{"app": "attic", "version": "attic-v2"}, {"app": "hall", "version": "hall-v2"}]
    assert [trend["first_versions"] for trend in api["trends"]] == [[], versions]
    assert [trend["id"] for trend in api["trends"]] == [group["id"] for group in api["groups"]]
    assert one["trend"]["first_versions"] == versions
    for text in (listed, page):
        shown = " ".join(re.sub("<[^>]*>", " ", text).split())
        assert "version attic-v2 of attic, version hall-v2 of hall" in shown


async def test_page_of_an_error_shows_its_course_and_its_code(new_history: NewHistory, now_us: int) -> None:
    with new_history() as history:
        write_versions(history, now_us)
        traceback = (
            'Traceback (most recent call last):\n  File "/config/apps/hall.py", line 7, in on_motion\n    boom()\n'
            '  File "/usr/lib/python3.12/json/decoder.py", line 338, in decode\n    raise error\nValueError: boom\n'
        )
        history.db.execute("UPDATE error_groups SET traceback = ? WHERE id = 1", (traceback,))
    settings = WebSettings(editor_url="vscode://file{file}:{line}")
    async with DataSyncService(history.path) as data, app_client(data, settings=settings) as client:
        text = (await client.get("/errors/2")).text
        known = (await client.get("/errors/1")).text
    assert '<span class="badge new"' in text
    assert '<span class="badge new"' not in known
    assert "run exceeded its deadline" in text
    assert 'class="spark failures"' in known
    assert 'href="vscode://file/config/apps/hall.py:7"' in known
    assert "Everything, with 1 library frame" in known
    assert '<details id="traceback">' in known, "the whole traceback is folded"


async def test_terminal_shows_the_state_the_apps_and_the_version_of_an_error(
    new_history: NewHistory, now_us: int
) -> None:
    with new_history() as history:
        write_versions(history, now_us)
        history.db.execute("UPDATE error_groups SET silenced_until_us = ? WHERE id = 1", (now_us + HOUR,))
    shown = ShownTimes(HomeTime(), now_us)
    async with DataSyncService(history.path) as data:
        colours = re.compile("[\ue000-\uf8ff]")
        listed = colours.sub("", error_groups(await data.error_groups(), shown)).splitlines()
        known = error_group(await data.error_group(1), shown)
        new = error_group(await data.error_group(2), shown)
    until = shown(now_us + HOUR, seconds=False)
    assert re.search(r"TimeoutError +cellar +new +1 +1 ", listed[-2])
    assert re.search(rf"boom +attic, hall +silenced until {until} +2 +4 ", listed[-1])
    assert "attic-v2 of attic, hall-v2 of hall" in listed[-1]
    assert f"State      silenced until {until}" in known.splitlines()
    assert "in version attic-v2 of attic, hall-v2 of hall" in known
    assert "State      new" in new.splitlines()
