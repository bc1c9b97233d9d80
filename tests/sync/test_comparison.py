"""Differences from before: slower, failing more, silent, new, back, resolved; noise and versions of apps."""

import re
import sqlite3
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from hassette_sync import DataSyncService, TimeRange
from hassette_sync.answers.comparison import ComparedRegistration, Comparison
from hassette_sync.terminal.lists import apps as list_of_apps
from support.history import NewHistory
from support.patient_data import patient_data
from support.recorded_home import SECOND, RecordedHome, call, change, recorded_home
from support.rows import Failure, Listener, LogLine
from support.web_clients import app_client, without_breaks

HOUR_S = 3600
DAY_S = 24 * HOUR_S
EVENT = change("light.hall", "off", "on", "c1")


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[RecordedHome]:
    # The home begins at a whole hour, 40 days ago. The statistics cover whole hours and days.
    async with recorded_home(tmp_path / "hassette.db", began_s=40 * DAY_S) as home:
        home.start_us = int(time.time()) // HOUR_S * HOUR_S * SECOND
        yield home


@pytest.fixture
async def data(home: RecordedHome, tmp_path: Path) -> AsyncIterator[DataSyncService]:
    async with patient_data(tmp_path / "hassette.db") as data:
        yield data


def listener(name: str, app: str = "hall") -> Listener:
    return Listener(name, app, "default")


def runs(home: RecordedHome, name: str, hour: int, count: int, *, ms: float = 10, failed: int = 0, **more: Any) -> None:
    """Add runs in an hour, counted back from the present one."""
    one = more.pop("listener", None) or listener(name)
    for number in range(count):
        outcome = {"status": "error", "failure": Failure(type=f"{name}Error")} if number < failed else {}
        home.run(-hour * HOUR_S + 10 + number, one, EVENT, duration_s=ms / 1000, **outcome, **more)


async def compared(home: RecordedHome, data: DataSyncService, **more: Any) -> Comparison:
    await home.write()
    # Four whole hours against the four hours before.
    return await data.compare(TimeRange(home.us(-4 * HOUR_S), home.us(0)), **more)


def one(comparison: Comparison, name: str) -> ComparedRegistration:
    return next(one for one in comparison.registrations if one.registration.name == name)


async def test_slower_handler_is_found_and_an_equal_one_is_not(home: RecordedHome, data: DataSyncService) -> None:
    slow, same = listener("slow"), listener("same")
    for hour, ms in ((6, 10), (2, 30)):
        runs(home, "slow", hour, 30, ms=ms, listener=slow)
        runs(home, "same", hour, 30, ms=10, listener=same)

    found = await compared(home, data)

    assert [item.registration.name for item in found.registrations] == ["slow"]
    assert found.registrations[0].findings == ("slower",)
    assert found.registrations[0].slower_by == pytest.approx(3, rel=0.05)
    assert "95 % of its runs took at most 30 ms; before, it was 10 ms." in found.registrations[0].sentence


async def test_few_runs_and_one_slow_run_do_not_make_a_handler_slower(
    home: RecordedHome, data: DataSyncService
) -> None:
    few, once = listener("few"), listener("once")
    runs(home, "few", 6, 5, listener=few)
    runs(home, "few", 2, 5, ms=90, listener=few)
    runs(home, "once", 6, 40, listener=once)
    runs(home, "once", 2, 36, listener=once)
    runs(home, "once", 1, 4, ms=90, listener=once)

    assert (await compared(home, data)).registrations == ()


async def test_handler_that_fails_more_is_found_and_chance_is_not(home: RecordedHome, data: DataSyncService) -> None:
    bad, chance, cured = listener("bad"), listener("chance"), listener("cured")
    runs(home, "bad", 6, 50, failed=1, listener=bad)
    runs(home, "bad", 2, 50, failed=20, listener=bad)
    runs(home, "chance", 6, 50, failed=4, listener=chance)
    runs(home, "chance", 2, 50, failed=6, listener=chance)
    runs(home, "cured", 6, 50, failed=25, listener=cured)
    runs(home, "cured", 2, 50, listener=cured)

    found = await compared(home, data)

    assert one(found, "bad").findings == ("failing_more",)
    assert one(found, "cured").findings == ("failing_less",)
    assert [item.registration.name for item in found.registrations] == ["bad", "cured"]
    assert {group.type: group.finding for group in found.groups} == {
        "badError": "failing_more",
        "curedError": "resolved",
    }


async def test_error_is_resolved_only_if_its_handler_or_job_has_succeeded_since(
    home: RecordedHome, data: DataSyncService
) -> None:
    for name, again in (("idle", {}), ("cured", {"count": 1}), ("worse", {"count": 2, "failed": 2})):
        one_handler = listener(name)
        runs(home, name, 6, 5, failed=5, listener=one_handler)
        failure = Failure(type="OtherError")
        for number in range(again.get("count", 0)):
            outcome = {"status": "error", "failure": failure} if number < again.get("failed", 0) else {}
            home.run(-2 * HOUR_S + number, one_handler, EVENT, **outcome)

    found = await compared(home, data, differing=False)

    groups = {group.type: group for group in found.groups}
    assert {type_: group.finding for type_, group in groups.items()} == {
        "idleError": "unchanged",
        "curedError": "resolved",
        "worseError": "unchanged",
        "OtherError": "new",
    }
    assert groups["idleError"].sentence == (
        "No failures, but also no successful runs in this period; 5 failures before."
    )


async def test_new_and_returned_error_groups_are_found(home: RecordedHome, data: DataSyncService) -> None:
    fresh, old = listener("fresh"), listener("old")
    runs(home, "old", 20, 3, failed=3, listener=old)
    runs(home, "old", 2, 2, failed=2, listener=old)
    runs(home, "fresh", 1, 2, failed=1, listener=fresh)

    found = await compared(home, data)

    assert {group.type: (group.finding, group.now, group.before) for group in found.groups} == {
        "freshError": ("new", 1, 0),
        "oldError": ("back", 2, 0),
    }


async def test_handler_that_is_silent_against_its_habit_is_found(home: RecordedHome, data: DataSyncService) -> None:
    nightly, silent = listener("nightly"), listener("silent")
    for day in range(20):
        runs(home, "nightly", 24 * day + 10, 1, listener=nightly)
        if day > 3:
            runs(home, "silent", 24 * day + 10, 1, listener=silent)

    found = await compared(home, data)

    assert [item.registration.name for item in found.registrations if "silent" in item.findings] == ["silent"]
    assert one(found, "silent").usual_gap_us == pytest.approx(DAY_S * SECOND, rel=0.01)


async def test_end_of_hassette_makes_no_handler_quiet(
    new_history: NewHistory, now_us: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with new_history() as history:
        session = history.session(now_us - 30 * HOUR_S * SECOND, now_us - 10 * HOUR_S * SECOND, "clean")
        handler = history.listener("app", "on_x", "t")
        history.run(handler, now_us - 10 * HOUR_S * SECOND - SECOND, session_id=session)
    monkeypatch.setattr("hassette_sync.queries.comparison.NEWEST_OF_EACH", "this must not be asked")
    async with patient_data(history.path) as data:
        assert (await data.compare(TimeRange.last("24h"), differing=False)).registrations


async def test_handler_that_runs_again_after_a_pause_is_back(home: RecordedHome, data: DataSyncService) -> None:
    again = listener("again")
    runs(home, "again", 30, 5, listener=again)
    runs(home, "again", 2, 5, listener=again)

    assert one(await compared(home, data), "again").findings == ("back",)


@pytest.mark.parametrize("sort", ["gravity", "slower", "failing", "silent", "runs", "name"])
async def test_comparison_can_be_sorted(home: RecordedHome, data: DataSyncService, sort: str) -> None:
    slow, bad = listener("slow"), listener("bad")
    for hour, ms, failed in ((6, 10, 0), (2, 30, 15)):
        runs(home, "slow", hour, 40, ms=ms, listener=slow)
        runs(home, "bad", hour, 30, failed=failed, listener=bad)

    found = await compared(home, data, sort=sort, differing=False)

    assert {item.registration.name for item in found.registrations} == {"slow", "bad"}
    first = found.registrations[0].registration.name
    assert first == ("slow" if sort in ("slower", "runs") else "bad")


async def test_version_is_compared_with_the_version_before(home: RecordedHome, data: DataSyncService) -> None:
    slow = listener("slow")
    home.deploy(-30 * HOUR_S, "hall", "v1")
    runs(home, "slow", 20, 30, ms=10, listener=slow)
    home.deploy(-10 * HOUR_S, "hall", "v2")
    runs(home, "slow", 6, 30, ms=40, listener=slow)
    runs(home, "slow", 2, 30, ms=40, listener=slow)

    assert (await compared(home, data)).registrations == ()
    found = await data.compare(TimeRange(home.us(-4 * HOUR_S), home.us(0)), against="version")
    assert one(found, "slow").findings == ("slower",)


async def test_errors_of_an_app_are_compared_with_its_version_before(home: RecordedHome, data: DataSyncService) -> None:
    bad, other = listener("bad"), listener("other", "porch")
    home.deploy(-30 * HOUR_S, "hall", "v1")
    runs(home, "bad", 20, 30, listener=bad)
    home.deploy(-10 * HOUR_S, "hall", "v2")
    runs(home, "bad", 6, 30, failed=9, listener=bad)
    runs(home, "other", 6, 30, failed=9, listener=other)
    runs(home, "bad", 2, 30, failed=9, listener=bad)
    await home.write()

    found = await data.compare(TimeRange(home.us(-4 * HOUR_S), home.us(0)), against="version")

    # The app of the other error has no version before.
    assert [(group.type, group.finding, group.now, group.before) for group in found.groups] == [
        ("badError", "new", 18, 0)
    ]


async def test_success_of_the_version_before_resolves_no_error(home: RecordedHome, data: DataSyncService) -> None:
    once = listener("once")
    home.deploy(-30 * HOUR_S, "hall", "v1")
    runs(home, "once", 3, 2, failed=1, listener=once)
    # In the same hour and day as the runs of the version before.
    home.deploy(-3 * HOUR_S + 60, "hall", "v2")
    await home.write()

    found = await data.compare(TimeRange(home.us(-4 * HOUR_S), home.us(0)), against="version", differing=False)

    assert [(group.finding, group.now, group.before) for group in found.groups] == [("unchanged", 0, 1)]
    assert "no successful runs in this period" in found.groups[0].sentence


@pytest.mark.parametrize(("sort", "first"), [("new", "fresh"), ("back", "again"), ("gravity", "failing")])
async def test_new_and_returned_handlers_can_come_first(
    home: RecordedHome, data: DataSyncService, sort: str, first: str
) -> None:
    failing = listener("failing")
    runs(home, "again", 40, 30, listener=listener("again"))
    runs(home, "failing", 6, 30, listener=failing)
    runs(home, "failing", 2, 30, failed=20, listener=failing)
    runs(home, "again", 2, 30, listener=Listener("again", "hall", "default"))
    await home.write()
    fresh = Listener("fresh", "hall", "default")
    runs(home, "fresh", 1, 5, listener=fresh)

    found = await compared(home, data, sort=sort)

    assert found.registrations[0].registration.name == first


@pytest.mark.parametrize("changed_h", [1.5, 10.5, 100.5, 360.5])
async def test_version_is_compared_from_the_exact_time_of_its_change(
    home: RecordedHome, data: DataSyncService, changed_h: float
) -> None:
    slow = listener("slow")
    home.deploy(-700 * HOUR_S, "hall", "v0")
    home.deploy((-changed_h - 200) * HOUR_S, "hall", "v1")
    home.deploy(-changed_h * HOUR_S, "hall", "v2")
    # One minute before and after each change, which is in the same hour and day.
    for at_h, count, ms in ((-changed_h - 200, 50, 1), (-changed_h, 30, 10), (0, 40, 30)):
        for number in range(count):
            home.run(at_h * HOUR_S - 120 + number, slow, EVENT, duration_s=ms / 1000)
    for number in range(25):
        home.run(-changed_h * HOUR_S + 60 + number, slow, EVENT, duration_s=0.03)
    await home.write()

    found = one(await data.compare(TimeRange.last("30d"), against="version"), "slow")

    assert (found.before.counts.total, found.now.counts.total) == (30, 65)
    assert found.findings == ("slower",)
    assert found.slower_by == pytest.approx(3, rel=0.05)
    assert found.now.since_us == found.before.until_us == home.us(-changed_h * HOUR_S)


async def test_runs_of_an_hour_that_are_not_all_stored_are_left_out_at_the_change(tmp_path: Path) -> None:
    slow, path = listener("slow"), tmp_path / "hassette.db"
    async with recorded_home(path, began_s=40 * DAY_S) as home:
        home.start_us = int(time.time()) // HOUR_S * HOUR_S * SECOND
        home.deploy(-30 * HOUR_S, "hall", "v1")
        home.deploy(-10.5 * HOUR_S, "hall", "v2")
        for number in range(30):
            home.run(-10.5 * HOUR_S - 60 + number, slow, EVENT)
            home.run(-10.5 * HOUR_S + 60 + number, slow, EVENT)
        home.run(-5 * HOUR_S, slow, EVENT)
        await home.write()
    db = sqlite3.connect(path)  # the store has counted the runs at its stop
    with db:
        db.execute("DELETE FROM handler_invocations WHERE id = (SELECT min(id) FROM handler_invocations)")
    db.close()

    async with patient_data(path) as data:
        found = await data.compare(TimeRange.last("24h"), against="version", differing=False)

    assert (one(found, "slow").before.counts.total, one(found, "slow").now.counts.total) == (0, 1)


async def test_versions_are_listed_newest_first_with_their_time(home: RecordedHome, data: DataSyncService) -> None:
    home.register(listener("any"))
    home.deploy(-30, "hall", "v1", "abc")
    home.deploy(-29, "hall", "v1")
    home.deploy(-20, "hall", "v2")
    home.deploy(-10, "hall", "v3", settings_hash="other", code_hash="v2")
    home.deploy(-5, "other", "w1")
    await home.write()

    page = await data.versions("HALL")

    assert [(item.version, item.commit) for item in page.versions] == [("v3", None), ("v2", None), ("v1", "abc")]
    assert [(item.code_changed, item.settings_changed) for item in page.versions] == [
        (False, True),
        (True, False),
        (False, False),
    ]
    assert [(item.since_us, item.until_us) for item in page.versions] == [
        (home.us(-10), None),
        (home.us(-20), home.us(-10)),
        (home.us(-30), home.us(-20)),
    ]
    first = await data.versions(limit=3)
    assert [item.version for item in (await data.versions(cursor=first.next_cursor)).versions] == ["v1"]


async def test_page_of_an_app_shows_its_versions_and_its_share_of_the_file(
    home: RecordedHome, data: DataSyncService
) -> None:
    web_clients = pytest.importorskip("support.web_clients")
    pytest.importorskip("fastapi")
    handler = listener("any")
    home.register(handler)
    home.deploy(-3 * HOUR_S, "hall", "v1", "abc")
    home.deploy(-2 * HOUR_S, "hall", "v2", settings_hash="v1")
    home.deploy(-2 * HOUR_S, "other", "w1")
    runs(home, "any", 1, 30, failed=3, listener=handler)
    await home.write()

    async with web_clients.app_client(data) as client:
        page = (await client.get("/apps/hall")).text
        error = (await client.get("/errors/1")).text
        apps = (await client.get("/apps?sort=-database")).text
    versions = page.partition('id="versions"')[2].partition("</section>")[0]
    assert [word for word in ("v2", "v1", "abc", "w1") if word in versions] == ["v2", "v1", "abc"]
    assert "first version" in versions
    assert f"since={home.us(-2 * HOUR_S)}" in versions, "the runs of a version are one click away"
    assert "100 % of all apps" in page
    assert re.search("version <a [^>]*>v2</a>", error), "the version in which the error was first seen"
    assert 'data-label="database"' in apps


async def test_noisiest_app_comes_first_with_its_log_lines_and_calls(home: RecordedHome, data: DataSyncService) -> None:
    quiet, loud = listener("quiet", "quiet"), listener("loud", "loud")
    runs(home, "quiet", 2, 30, listener=quiet)
    logs = [LogLine(message="a long message " * 20)] * 3
    runs(home, "loud", 2, 25, listener=loud, logs=logs, calls=[call("light.turn_on", "light.hall", None)])
    await home.write()

    found = await data.noise(TimeRange(home.us(-4 * HOUR_S), home.us(0)))

    assert [(app.app, app.counts.total, app.log_lines, app.service_calls) for app in found.apps] == [
        ("loud", 25, 75, 25),
        ("quiet", 30, 0, 0),
    ]
    assert found.apps[0].bytes > 25 * 3 * 300
    assert sum(app.share for app in found.apps) == pytest.approx(1)
    assert found.apps[1].total_us == 30 * 10_000


async def test_estimate_is_at_least_the_known_number_of_lines_and_calls(
    home: RecordedHome, data: DataSyncService
) -> None:
    busy = listener("busy", "busy")
    light = call("light.turn_on", "light.hall", None)
    runs(home, "busy", 3, 1, listener=busy, logs=[LogLine()] * 2, calls=[light])
    runs(home, "busy", 2, 1200, listener=busy)
    await home.write()

    (found,) = (await data.noise(TimeRange(home.us(-4 * HOUR_S), home.us(0)))).apps

    assert (found.log_lines, found.service_calls, found.is_estimate) == (2, 1, True)


async def test_log_lines_and_calls_of_few_runs_are_counted_and_of_many_runs_estimated(
    home: RecordedHome, data: DataSyncService
) -> None:
    rare, busy = listener("rare", "rare"), listener("busy", "busy")
    runs(home, "rare", 2, 2, listener=rare, logs=[LogLine()], calls=[call("light.turn_on", "light.hall", None)])
    for hour in (1, 2):
        runs(home, "rare", hour, 40, listener=rare)
        runs(home, "busy", hour, 600, listener=busy, logs=[LogLine()])
    # A run after the asked time does not count.
    runs(home, "rare", 0, 1, listener=rare, logs=[LogLine()] * 7)
    await home.write()

    found = {app.app: app for app in (await data.noise(TimeRange(home.us(-4 * HOUR_S), home.us(0)))).apps}
    async with app_client(data) as client:
        asked = {"since": home.us(-4 * HOUR_S), "until": home.us(0)}
        text = (await client.get("/apps", params=asked)).text
        page = (await client.get("/apps/busy", params=asked)).text

    shown = [(app.app, app.log_lines, app.service_calls, app.is_estimate) for app in found.values()]
    assert shown == [("busy", 1200, 0, True), ("rare", 2, 2, False)]
    cells = re.findall('data-label="log lines" data-value="[0-9]+">(.*?)</td>', text)
    assert [re.sub("<[^>]*>", "", cell) for cell in cells] == ["≈ 1,200", "2"]
    assert "≈ 1,200 log lines" in page
    apps = await data.apps(TimeRange(home.us(-4 * HOUR_S), home.us(0)))
    noise = await data.noise(TimeRange(home.us(-4 * HOUR_S), home.us(0)))
    assert "≈1,200" in list_of_apps(apps, noise)


@pytest.mark.parametrize("path", ["compare", "compare?against=version&differing=false", "noise", "versions"])
async def test_api_answers(data: DataSyncService, path: str) -> None:
    async with app_client(data) as client:
        assert (await client.get(f"/api/v1/{path}")).status_code == 200


@pytest.mark.parametrize(
    "path", ["compare?sort=color", "compare?against=peers", "compare?limit=0", "versions?cursor=x"]
)
async def test_invalid_parameter_of_the_api_is_refused(data: DataSyncService, path: str) -> None:
    async with app_client(data) as client:
        assert (await client.get(f"/api/v1/{path}")).status_code == 400


async def test_page_lists_each_difference_in_the_chosen_order(home: RecordedHome, data: DataSyncService) -> None:
    for hour, ms, failed in ((6, 10, 0), (2, 30, 12)):
        runs(home, "slow", hour, 30, ms=ms, listener=listener("slow"))
        runs(home, "failing", hour, 30, failed=failed, listener=listener("failing"))
    await home.write()
    between = f"since={home.us(-4 * HOUR_S)}&until={home.us(0)}"
    async with app_client(data) as client:
        gravest = without_breaks((await client.get(f"/compare?{between}")).text)
        slowest = (await client.get(f"/compare?{between}&sort=-p95")).text
        only = without_breaks((await client.get(f"/compare?{between}&finding=slower")).text)
        none = (await client.get(f"/compare?{between}&finding=silent")).text
        refused = await client.get("/compare?finding=odd")
        unknown = await client.get("/compare?against=yesterday")

    def names(text: str) -> list[str]:
        return re.findall(r'<td class="name" data-value="hall\.(\w+)">', text)

    assert names(gravest) == ["failing", "slow"]
    assert names(slowest) == ["slow", "failing"]
    assert names(only) == ["slow"]
    assert "40 % of its runs failed; before, it was 0 %." in gravest
    assert "failingError" in gravest
    assert "failingError" not in only
    for text in (only, none):
        assert "No error matches" in text
        assert "No error differs" not in text
    assert "No handler or job matches" in none
    assert "No handler or job differs" not in none
    assert (refused.status_code, unknown.status_code) == (400, 400)
    assert "finding must be one of failing_more, silent" in without_breaks(refused.text)


async def test_choice_of_time_and_sentence_have_the_same_start(data: DataSyncService) -> None:
    async with app_client(data) as client:
        text = (await client.get("/compare?since=7d")).text
    choice = re.search(r'<span class="quiet">since (.*?) ·', text)
    sentence = re.search(r'<p class="quiet">(.*?) to ', text)
    assert choice is not None
    assert sentence is not None
    assert choice[1] == sentence[1]


async def test_page_lists_the_first_hundred_in_the_chosen_order(home: RecordedHome, data: DataSyncService) -> None:
    for number in range(104):
        runs(home, f"h{number}", 2, 1 + number, listener=listener(f"h{number}"))
    await home.write()
    async with app_client(data) as client:
        text = (await client.get(f"/compare?since={home.us(-4 * HOUR_S)}&until={home.us(0)}&sort=-runs")).text

        found = (await client.get(f"/compare?since={home.us(-4 * HOUR_S)}&until={home.us(0)}&find=HALL+h1")).text

    names = re.findall(r'<td class="name" data-value="hall\.h(\d+)">', text)
    assert names == [str(number) for number in range(103, 3, -1)]
    names = re.findall(r'<td class="name" data-value="hall\.h(\d+)">', found)
    assert sorted(map(int, names)) == [1, *range(10, 20), *range(100, 104)]
    assert "4 more handlers and jobs are not shown." in text


async def test_page_compares_with_the_version_before(data: DataSyncService, home: RecordedHome) -> None:
    await home.write()
    async with app_client(data) as client:
        text = (await client.get("/compare?against=version")).text
        period = (await client.get("/compare")).text
    assert "compared with its previous version" in text
    assert 'id="range"' in period
    assert 'id="range"' not in text, "the versions decide about the time"
    assert "No handler or job differs" in text
