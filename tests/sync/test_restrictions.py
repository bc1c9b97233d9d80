"""Lists mark disabled and rehearsing apps and paused jobs, in the process of the framework and outside of it."""

import asyncio
import re
import socket
from pathlib import Path

import httpx
import pytest

from hassette_sync import DataSyncService, MemoryFeed
from hassette_sync.cli import main
from hassette_sync.control import ControlAction, MemoryControl, Verb
from hassette_sync.live import MemorySnapshot
from hassette_sync.settings import WebSettings
from support.history import HOUR, SECOND, History, NewHistory
from support.web_clients import app_client, without_breaks

pytest.importorskip("fastapi")

JOB = "climate_guard.check_windows"
SWITCHED: tuple[tuple[Verb, str], ...] = (
    ("disable_app", "backup"),
    ("rehearse_app", "energy"),
    ("pause_job", JOB),
)


def badges_of(page: str, name: str) -> list[str]:
    """Return the badges in the first cell of the row with this text."""
    rows = re.findall(r"<th scope=.row.*?</th>", without_breaks(page), re.DOTALL)
    row = next(one for one in rows if name in one)
    return re.findall(r'<span class="badge[^"]*">(.*?)</span>', row)


async def check_pages(client: httpx.AsyncClient) -> None:
    apps, jobs, overview = [(await client.get(path)).text for path in ("/apps", "/jobs", "/")]
    assert badges_of(apps, "backup") == ["disabled"]
    assert badges_of(apps, "energy") == ["rehearsing"]
    assert badges_of(apps, "climate_guard") == []
    assert badges_of(jobs, "check_windows") == ["paused"]
    assert badges_of(jobs, "hourly_report") == []
    assert badges_of((await client.get("/apps/climate_guard")).text, "check_windows") == ["paused"]
    card = without_breaks(overview[overview.index('id="restrictions-title"') :].partition("</section>")[0])
    card = re.sub(r"<[^>]+>|\s+", " ", card)
    for text in ("disabled backup", "rehearsing energy", f"paused {JOB}"):
        assert text in re.sub(r" +", " ", card), text


async def test_restrictions_are_those_of_the_running_framework(plausible: Path) -> None:
    control = MemoryControl({"backup": ["nightly_backup"], "energy": [], "climate_guard": ["check_windows"]})
    for verb, target in SWITCHED:
        await control.act(ControlAction(verb=verb, target=target, by="the test"))
    feed = MemoryFeed()
    feed.state = MemorySnapshot(ready=True, connection="connected")
    async with (
        DataSyncService(plausible, feed, control) as data,
        app_client(data, WebSettings(control_without_token=True)) as client,
    ):
        await check_pages(client)
        status = (await client.get("/api/v1/status")).json()["restrictions"]
        assert [(one["kind"], one["subject"]) for one in status] == [
            ("disabled", "backup"),
            ("rehearsing", "energy"),
            ("paused", JOB),
        ]
        for verb, target in (("enable_app", "backup"), ("end_rehearsal", "energy"), ("resume_job", JOB)):
            await control.act(ControlAction(verb=verb, target=target, by="the test"))
        assert (await client.get("/api/v1/status")).json()["restrictions"] == []
        assert 'id="restrictions"' not in (await client.get("/")).text


@pytest.fixture
def recorded(plausible: Path) -> Path:
    """The plausible history with an action of each kind in its running session, and the ends of two other actions."""
    with History(plausible) as history:
        ((session, now_us),) = history.db.execute("SELECT id, heartbeat_us FROM sessions WHERE ended_us IS NULL")
        actions = [
            ("disable_app", "energy"),
            ("enable_app", "energy"),
            ("pause_job", "energy.energy.hourly_report"),
            ("resume_job", "energy.default.hourly_report"),
            *((verb, target.replace("guard.", "guard.climate_guard.")) for verb, target in SWITCHED),
        ]
        for seconds, (verb, target) in enumerate(actions):
            history.lifecycle(session, now_us - (60 - seconds) * SECOND, f"control_{verb}", target)
    return plausible


async def test_restrictions_outside_of_the_framework_are_those_of_the_recorded_actions(recorded: Path) -> None:
    async with DataSyncService(recorded) as data, app_client(data) as client:
        await check_pages(client)
        found = await data.restrictions()
        assert [(one.kind, one.subject, one.since_us is not None) for one in found] == [
            ("disabled", "backup", True),
            ("rehearsing", "energy", True),
            ("paused", JOB, True),
        ]


async def test_terminal_shows_the_restrictions(recorded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async def ask(*arguments: str) -> str:
        assert await asyncio.to_thread(main, [*arguments, "--db", str(recorded)]) == 0
        return capsys.readouterr().out

    status = await ask("status")
    for line in ("Disabled   backup", "Rehearsing energy", f"Paused     {JOB}"):
        assert line in status.splitlines()
    assert "backup (disabled)" in await ask("apps")
    assert "energy (rehearsing)" in await ask("apps")
    assert f"{JOB} (paused)" in await ask("jobs")
    job = await ask("job", JOB)
    assert re.search(r"^State      paused since .*; its due runs are skipped$", job, re.MULTILINE)
    assert "Next run   known only to the running Hassette" in job.splitlines()
    assert re.search(r"^App        disabled since", await ask("job", "backup.nightly_backup"), re.MULTILINE)


def test_next_run_is_unknown_if_the_framework_does_not_answer(
    recorded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as unanswered:
        unanswered.bind(("127.0.0.1", 0))  # not listening, so a connection is refused
        settings = f"[hassette]\ndata_dir = '{recorded.parent}'\n[sync]\nport = {unanswered.getsockname()[1]}\n"
        (tmp_path / "hassette.toml").write_text(settings)
        monkeypatch.chdir(tmp_path)
        assert main(["job", JOB]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "Next run   known only to the running Hassette, which did not answer" in lines


async def test_start_of_the_framework_ends_all_restrictions_except_pauses(new_history: NewHistory) -> None:
    with new_history() as history:
        first = history.session(0, HOUR, "clean")
        for seconds, (verb, target) in enumerate(SWITCHED):
            history.lifecycle(first, (10 + seconds) * SECOND, f"control_{verb}", target)
        history.session(HOUR + SECOND, 2 * HOUR, "clean")
    async with DataSyncService(history.path) as data:
        assert [(one.kind, one.subject) for one in await data.restrictions()] == [("paused", JOB)]


async def test_disabled_app_is_listed_although_its_handlers_have_ended_and_have_no_runs(
    new_history: NewHistory, now_us: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with new_history() as history:
        session = history.session(now_us - 3 * HOUR, None, "open", heartbeat_us=now_us)
        history.run(history.listener("hall", "on_move", "t"), now_us - 2 * HOUR)
        history.run(history.listener("attic", "on_move", "t"), now_us - SECOND)
        history.db.execute("UPDATE listeners SET retired_us = ? WHERE id = 1", (now_us - HOUR,))
        history.lifecycle(session, now_us - HOUR, "control_disable_app", "hall")
    async with DataSyncService(history.path) as data, app_client(data) as client:
        assert badges_of((await client.get("/apps?since=15m")).text, "hall") == ["disabled"]
        assert [one["app"] for one in (await client.get("/api/v1/apps?since=15m")).json()] == ["attic", "hall"]
        page = await client.get("/apps/hall?since=15m")
        assert page.status_code == 200
        assert '<span class="badge waiting">disabled</span>' in page.text
    assert await asyncio.to_thread(main, ["apps", "--since", "15m", "--db", str(history.path)]) == 0
    assert "hall (disabled)" in capsys.readouterr().out


async def test_page_of_a_disabled_app_has_the_handlers_and_jobs_that_it_had(
    new_history: NewHistory, now_us: int
) -> None:
    disabled_us = now_us - HOUR
    with new_history() as history:
        session = history.session(now_us - 3 * HOUR, None, "open", heartbeat_us=now_us)
        history.run(history.listener("hall", "removed", "t", retired_us=disabled_us - HOUR), now_us - SECOND)
        history.listener("hall", "on_move", "t", retired_us=disabled_us - SECOND)
        history.job("hall", "nightly", "daily", retired_us=disabled_us)
        history.listener("hall", "removed_without_runs", "t", retired_us=disabled_us - HOUR)
        history.lifecycle(session, disabled_us, "control_disable_app", "hall")
    async with DataSyncService(history.path) as data, app_client(data) as client:
        page = without_breaks((await client.get("/apps/hall?since=15m")).text)
        app = (await data.app("hall")).app
    assert (app.handlers, app.jobs) == (1, 1)
    assert badges_of(page, "on_move") == badges_of(page, "nightly") == ["disabled"]
    assert badges_of(page, ">removed<") == ["retired"]
    assert "removed_without_runs" not in page
    assert "1 handler, 1 job" in page


async def test_app_with_enabled_false_is_listed_although_it_has_never_run(plausible: Path) -> None:
    control = MemoryControl({"pond": [], "backup": ["nightly_backup"]})
    await control.act(ControlAction(verb="disable_app", target="pond", by="the test"))
    async with DataSyncService(plausible, MemoryFeed(), control) as data, app_client(data) as client:
        assert badges_of((await client.get("/apps")).text, "pond") == ["disabled"]
        assert (await client.get("/apps/pond")).status_code == 200


async def test_handlers_and_jobs_of_a_disabled_app_are_disabled_in_all_lists(
    new_history: NewHistory, now_us: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with new_history() as history:
        session = history.session(now_us - 3 * HOUR, None, "open", heartbeat_us=now_us)
        history.run(history.listener("hall", "removed", "t", retired_us=now_us - 2 * HOUR), now_us - SECOND)
        history.listener("hall", "on_move", "t", retired_us=now_us - HOUR)
        job = history.job("hall", "nightly", "daily", retired_us=now_us - HOUR)
        history.lifecycle(session, now_us - HOUR, "control_disable_app", "hall")
    async with DataSyncService(history.path) as data, app_client(data) as client:
        handlers, jobs = [(await client.get(path)).text for path in ("/handlers", "/jobs?since=15m")]
        one = (await client.get(f"/registrations/{job}")).text
        listed = (await client.get("/api/v1/registrations?retired=false")).json()["registrations"]
        app = await data.app("hall")
    assert badges_of(handlers, "on_move") == badges_of(jobs, "nightly") == ["disabled"]
    assert badges_of(handlers, "removed") == ["retired"]
    assert '<span class="badge waiting">disabled</span></h1>' in one
    assert "next run" not in one.lower()
    assert [(each["name"], each["disabled"], each["retired_us"]) for each in listed] == [
        ("nightly", True, None),
        ("on_move", True, None),
    ]
    assert {each.name: each.state for each in app.registrations} == {
        "nightly": "disabled",
        "on_move": "disabled",
        "removed": "retired",
    }
    for command, name in (
        (["handlers"], "on_move"),
        (["jobs"], "nightly"),
        (["handler", "hall.on_move"], "on_move"),
        (["app", "show", "hall"], "on_move"),
    ):
        assert await asyncio.to_thread(main, [*command, "--db", str(history.path)]) == 0
        assert f"{name} (disabled)" in capsys.readouterr().out, command


async def test_running_framework_decides_which_handlers_are_disabled(new_history: NewHistory, now_us: int) -> None:
    with new_history() as history:
        history.session(now_us - 3 * HOUR, now_us - 2 * HOUR, "clean")
        history.session(now_us - HOUR, None, "open", heartbeat_us=now_us)
        history.listener("hall", "on_move", "t", retired_us=now_us - 2 * HOUR)
        history.listener("attic", "on_move", "t", last_registered_us=now_us - HOUR + SECOND)
    control = MemoryControl({"hall": [], "attic": []})
    async with DataSyncService(history.path, MemoryFeed(), control) as data:
        before = {one.app: one.state for one in (await data.registrations()).registrations}
        await control.act(ControlAction(verb="disable_app", target="hall", by="the test"))
        after = {one.app: one.state for one in (await data.registrations()).registrations}
    assert before == {"attic": "", "hall": "retired"}
    assert after == {"attic": "", "hall": "disabled"}


async def test_overview_counts_a_disabled_app_that_has_never_registered_anything(plausible: Path) -> None:
    control = MemoryControl({"pond": [], "backup": ["nightly_backup"]})
    await control.act(ControlAction(verb="disable_app", target="pond", by="the test"))
    async with DataSyncService(plausible, MemoryFeed(), control) as data, app_client(data) as client:
        apps = [one["app"] for one in (await client.get("/api/v1/overview")).json()["apps"]]
        assert apps == [one["app"] for one in (await client.get("/api/v1/apps")).json()]
        busiest = (await client.get("/")).text.partition('id="busiest"')[2].partition("</section>")[0]
    assert "pond" in apps
    assert "pond" not in busiest
