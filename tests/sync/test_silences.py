"""Until a silence ends, the error needs no attention. Its failures stay recorded, and the silence stays visible."""

import contextlib
import sqlite3

import pytest

from hassette_sync import DataSyncService, TimeRange
from hassette_sync.home_time import HomeTime, ShownTimes
from hassette_sync.terminal.render import overview as rendered
from hassette_sync.verdict import verdict_of
from support.history import DAY, HOUR, MINUTE, SECOND, History, NewHistory
from support.web_clients import app_client

pytest.importorskip("fastapi")

ERROR = ("exception", "ValueError", "boom")
OTHER = ("exception", "KeyError", "x")


def write(history: History, now_us: int, *errors: tuple[str, str, str] | None, name: str = "on_motion") -> None:
    """Write the runs of one handler, a second apart, and one successful run of another handler."""
    if not history.db.execute("SELECT 1 FROM sessions").fetchone():
        history.session(now_us - DAY)
    handler = history.listener("hall", name, "t")
    for number, error in enumerate(errors):
        at_us = now_us - MINUTE + number * SECOND
        history.run(handler, at_us, status="error" if error else "success", error=error)


def silence(history: History, until_us: int | None, type_: str = "ValueError") -> None:
    with contextlib.closing(sqlite3.connect(history.path)) as database, database:
        database.execute("UPDATE error_groups SET silenced_until_us = ? WHERE type = ?", (until_us, type_))


async def test_silenced_error_needs_no_attention_until_the_silence_ends(new_history: NewHistory, now_us: int) -> None:
    with new_history() as history:
        write(history, now_us, ERROR, ERROR, ERROR)
    async with DataSyncService(history.path) as data, app_client(data) as client:
        for until_us, is_loud in ((None, True), (now_us + HOUR, False), (now_us - 1, True)):
            silence(history, until_us)
            overview = await data.overview()
            text = (await client.get("/")).text
            assert verdict_of(overview).title == ("Failing: hall.on_motion" if is_loud else "Healthy")
            assert verdict_of(overview).level == ("bad" if is_loud else "good")
            assert [len(overview.errors), len(overview.failing), overview.failing_count] == [is_loud] * 3
            assert ('id="attention"' in text) == is_loud
            assert ('class="tile alert"' in text) == is_loud
            assert overview.counts.failed == 3, "the failures stay recorded"


async def test_household_page_does_not_name_a_silenced_error(new_history: NewHistory, now_us: int) -> None:
    with new_history() as history:
        write(history, now_us, ERROR, ERROR)
        hours = 12 - now_us // HOUR % 24
        zone = f"Etc/GMT{-hours:+d}" if hours else "Etc/GMT"
        history.db.execute("UPDATE sessions SET facts = json_set(facts, '$.time_zone', ?)", (zone,))
    async with DataSyncService(history.path) as data:
        before = await data.household()
        silence(history, now_us + HOUR)
        after = await data.household()
    assert (before.level, before.problems) == ("warning", ("Hall does not work at the moment.",))
    assert (after.level, after.problems) == ("good", ())


async def test_other_errors_of_the_same_handler_still_need_attention(new_history: NewHistory, now_us: int) -> None:
    with new_history() as history:
        write(history, now_us, OTHER, ERROR, ERROR, ERROR)
    async with DataSyncService(history.path) as data:
        silence(history, now_us + HOUR)
        overview = await data.overview()
        groups = (await data.error_groups()).groups
    assert verdict_of(overview).title == "Failing: hall.on_motion"
    assert [group.type for group in overview.errors] == ["KeyError"]
    assert [one.name for one in overview.failing] == ["on_motion"]
    assert [group.type for group in groups] == ["ValueError", "KeyError"], "the list of errors has all of them"


async def test_runs_with_a_silenced_error_are_neither_failures_nor_successes(
    new_history: NewHistory, now_us: int
) -> None:
    titles: list[str] = []
    for number, results in enumerate(([OTHER, None, ERROR], [OTHER, OTHER, None, ERROR], [None, OTHER, ERROR])):
        with new_history(f"{number}.db") as history:
            write(history, now_us, *results)
        silence(history, now_us + HOUR)
        async with DataSyncService(history.path) as data:
            titles.append(verdict_of(await data.overview()).title)
    assert titles == ["Healthy", "Failing: hall.on_motion", "Failing: hall.on_motion"]


async def test_silenced_failures_do_not_make_the_verdict_red(new_history: NewHistory, now_us: int) -> None:
    levels: list[str] = []
    with new_history() as history:
        write(history, now_us, *[ERROR] * 30, name="noisy")
        write(history, now_us, *[None] * 60, OTHER)
    async with DataSyncService(history.path) as data:
        for until_us in (None, now_us + HOUR):
            silence(history, until_us)
            levels.append(verdict_of(await data.overview()).level)
    assert levels == ["bad", "warning"]


async def test_silence_stays_visible_on_the_page_in_the_api_and_in_the_terminal(
    new_history: NewHistory, now_us: int
) -> None:
    with new_history() as history:
        write(history, now_us, ERROR, ERROR, OTHER, OTHER, OTHER)
    shown = ShownTimes(HomeTime(), now_us)
    async with DataSyncService(history.path) as data, app_client(data) as client:
        silence(history, now_us + 2 * HOUR)
        one = await data.overview(TimeRange.last("24h"))
        text = (await client.get("/")).text
        status = (await client.get("/api/v1/status")).json()
        silence(history, now_us + HOUR, "KeyError")
        both = await data.overview(TimeRange.last("24h"))
    sentence = f"1 error is silenced until {shown(now_us + 2 * HOUR, seconds=False)}"
    assert f">{sentence}</a>" in text
    assert status["silenced"] == {"errors": 1, "first_end_us": now_us + 2 * HOUR}
    assert (one.silenced_failures, both.silenced_failures) == (2, 5)
    assert "5 of 5 runs failed, 2 of them with a silenced error" in verdict_of(one).reasons
    assert "5 of 5 runs failed, all of them with a silenced error" in verdict_of(both).reasons
    assert f"Silenced   {sentence}" in rendered(one, shown).splitlines()
    until = shown(now_us + HOUR, seconds=False)
    assert f"Silenced   2 errors are silenced, the first until {until}" in rendered(both, shown).splitlines()


@pytest.mark.parametrize(
    ("failures", "reason"),
    [
        (0, "1 run, none failed"),
        (1, "1 of 2 runs failed, with a silenced error"),
        (2, "2 of 3 runs failed, all of them with a silenced error"),
    ],
)
async def test_reason_fits_the_number_of_silenced_failures(
    new_history: NewHistory, now_us: int, failures: int, reason: str
) -> None:
    with new_history() as history:
        write(history, now_us, *[ERROR] * failures, None)
        silence(history, now_us + HOUR)
    async with DataSyncService(history.path) as data:
        assert reason in verdict_of(await data.overview()).reasons
