"""Questions about many registrations or many sessions are answered completely and within their deadline."""

import re
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hassette_sync import BadQuestionError, RunFilter, TimeRange
from hassette_sync.cli import main
from support.history import HOUR, SECOND, History
from support.many_rows import write_crash_loop, write_many_names
from support.patient_data import patient_data

pytestmark = pytest.mark.heavy

REGISTRATIONS = 10_000


@pytest.fixture(scope="module")
def many_names(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A history of two apps: one gives each of its one-shot jobs a different name, the other is ordinary."""
    path = tmp_path_factory.mktemp("many") / "hassette.db"
    write_many_names(path, REGISTRATIONS)
    return path


QUESTIONS = {
    "overview": lambda data: data.overview(),
    "apps": lambda data: data.apps(),
    "jobs": lambda data: data.registrations(kind="job", idle=False, limit=500),
    "handlers": lambda data: data.registrations(kind="handler", idle=False, limit=500),
    "facets": lambda data: data.run_facets(),
    "skips": lambda data: data.skips(limit=6),
    "runs of the app": lambda data: data.runs(RunFilter(app="lights")),
    "failures of the app": lambda data: data.runs(RunFilter(app="lights", status="failed")),
}


@pytest.mark.parametrize("name", QUESTIONS)
async def test_question_with_ten_thousand_registrations_is_answered_within_its_deadline(
    many_names: Path, name: str
) -> None:
    """The service refuses a question that exceeds its deadline. `benchmarks/sync_lists.py` measures the time."""
    async with patient_data(many_names) as data:
        assert await QUESTIONS[name](data)


async def test_figures_with_ten_thousand_registrations_are_complete(many_names: Path) -> None:
    async with patient_data(many_names) as data:
        overview, apps, facets = await data.overview(), await data.apps(), await data.run_facets()
        skips = await data.skips(limit=3)
    assert [(app.app, app.handlers, app.jobs, app.counts.total) for app in apps] == [
        ("hall", 5, 0, 100),
        ("lights", 0, 0, 5_000),
    ]
    assert overview.counts.total == 5_100
    assert (overview.failing_count, len(overview.failing)) == (100, 8)
    assert [one.name for one in overview.failing] == [f"off_{1 + 100 * n:05}" for n in range(8)]
    assert all(one.counts.failed == 1 and one.last_status == "error" and one.skipped for one in overview.failing)
    assert {facet.value: facet.count for facet in facets.apps} == {"hall": 100, "lights": 5_000}
    assert [(skip.reason, skip.count, skip.registration.app) for skip in skips] == [("overlap", 7, "lights")] * 3


@pytest.mark.long
@settings(max_examples=15, deadline=None)
@given(
    limits=st.lists(st.integers(1, 5_000), min_size=1, max_size=8),
    kind=st.sampled_from([None, "handler", "job"]),
    app=st.sampled_from([None, "lights", "hall"]),
    idle=st.booleans(),
)
async def test_pages_of_registrations_contain_each_registration_once(
    many_names: Path, limits: list[int], kind: str | None, app: str | None, idle: bool
) -> None:
    found: list[tuple[str, str]] = []
    async with patient_data(many_names) as data:
        cursor: str | None = None
        turn = 0
        while turn == 0 or cursor is not None:
            limit = limits[turn] if turn < len(limits) else 5_000
            page = await data.registrations(kind=kind, app=app, idle=idle, cursor=cursor, limit=limit)
            assert len(page.registrations) <= limit
            found += [(one.app, one.name) for one in page.registrations]
            cursor, turn = page.next_cursor, turn + 1
    jobs = [("lights", f"off_{n:05}") for n in range(REGISTRATIONS) if idle or n % 2]
    handlers = [("hall", f"on_motion_{n}") for n in range(5)]
    expected = [*handlers * (kind != "job"), *jobs * (kind != "handler")]
    assert found == [one for one in expected if app in (None, one[0])]
    assert page.hidden == (0 if idle or kind == "handler" or app == "hall" else REGISTRATIONS // 2)


@pytest.mark.parametrize("cursor", ["x", "é", "W10=", "WyJhIiwgImIiLCAiYyIsICJkIl0="])
async def test_wrong_cursor_of_registrations_is_refused(many_names: Path, cursor: str) -> None:
    async with patient_data(many_names) as data:
        with pytest.raises(BadQuestionError, match="cursor must be the next_cursor of a page of handlers or jobs"):
            await data.registrations(cursor=cursor)


@pytest.mark.long
def test_terminal_prints_the_cursor_of_the_next_page_of_jobs(
    many_names: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names: list[str] = []
    cursor: list[str] = []
    for _ in range(2):
        assert main(["jobs", "--db", str(many_names), *cursor]) == 0
        output = capsys.readouterr().out
        names += re.findall(r"off_\d+", output.partition("More: ")[0])  # the cursor contains a name, too
        cursor = re.findall(r"^More: (--cursor) (\S+)$", output, re.MULTILINE)
        cursor = list(cursor[0]) if cursor else []
    assert names == [f"off_{number:05}" for number in range(REGISTRATIONS)]
    assert not cursor


async def test_page_of_jobs_links_to_the_next_page(many_names: Path) -> None:
    httpx = pytest.importorskip("httpx")
    application = pytest.importorskip("hassette_sync.web.application", exc_type=ImportError)
    from hassette_sync.settings import WebSettings

    async with patient_data(many_names) as data:
        transport = httpx.ASGITransport(app=application.create_app(data, WebSettings()))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8765") as client:
            first = (await client.get("/jobs")).text
            (link,) = [part for part in first.split('"') if part.startswith("?") and "cursor=" in part]
            second = (await client.get(f"/jobs{link.replace('&amp;', '&')}")).text
    assert first.count("off_00") > 0
    assert "off_02001" in second
    assert "off_00001" not in second
    assert "Not shown: 5,000 retired jobs" in first


@pytest.fixture(scope="module")
def crash_loop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A history with 100,000 crashed sessions in the last 100 days: 500 of them in each twelve hours."""
    path = tmp_path_factory.mktemp("crashes") / "hassette.db"
    write_crash_loop(path, 100_000)
    return path


@pytest.mark.parametrize("age", ["24h", "30d", "100d"])
async def test_uptime_over_a_hundred_thousand_sessions_is_exact_and_within_its_deadline(
    crash_loop: Path, age: str
) -> None:
    async with patient_data(crash_loop) as data:
        uptime = await data.uptime(TimeRange.last(age))
    assert uptime.share == pytest.approx(0.25, abs=0.001)
    days = int(age.removesuffix("h")) // 24 if age.endswith("h") else int(age.removesuffix("d"))
    assert uptime.crashes == pytest.approx(1_000 * days, abs=2)
    assert len(uptime.spans) == 500
    assert uptime.starts == pytest.approx(1_000 * days, abs=2)


async def test_time_that_sessions_share_counts_once(tmp_path: Path) -> None:
    path, now_us = tmp_path / "hassette.db", int(time.time() * SECOND)
    with History(path) as history:
        history.session(now_us - 10 * HOUR, now_us - 4 * HOUR, "clean")
        history.session(now_us - 8 * HOUR, now_us - 5 * HOUR, "clean")
        history.session(now_us - 3 * HOUR, now_us - 2 * HOUR, "clean")
    async with patient_data(path) as data:
        uptime = await data.uptime(TimeRange.last("10h"))
    assert uptime.up_us == pytest.approx(7 * HOUR, abs=5 * SECOND)
