"""A search through the index finds the same runs as a search in the rows."""

import random
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hassette_store import DatabaseService, StoreSettings, check
from hassette_store.derived.derivation import derive_in_transaction
from hassette_store.derived.search_index import MANY_PARTS, duration_term, parts_of
from hassette_store.file.connections import connect_to_write
from hassette_store.search_form import search_form
from hassette_sync import LogFilter, RunFilter, TimeRange
from support.patient_data import patient_data
from support.retention import whole_pass
from support.rows import (
    T0_US,
    Batch,
    Effects,
    Event,
    Failure,
    Frame,
    FrameworkLogLine,
    Job,
    Listener,
    LogLine,
    Run,
    ServiceCall,
    execution,
    invocation,
    run_id,
)
from support.stores import Clock

pytestmark = pytest.mark.heavy

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
ENTITIES = ("light.hall", "light.kitchen", "sensor.Küche", "switch.fan", "sensor.meter_77")
TEXTS = ("set to 77", "SET TO 7", "Die Küche ist heiß", "窓が開いています", "no answer from the lamp", "x" * 400, "ab")
STATES = ("on", "off", "unavailable", "zu Hause", "21.5", "-3", None)
STATUSES = ("success", "success", "error", "timed_out", "interrupted")
SETTINGS = StoreSettings(keep_successes_days=2, keep_failures_days=4, keep_newest=3)
FILTERS = (
    *(RunFilter(entity_id=entity) for entity in ENTITIES),
    RunFilter(entity_id="light.hall", status="failed"),
    RunFilter(entity_id="light.hall", status="error", min_duration_us=100_000),
    RunFilter(entity_id="LIGHT.kitchen", app="cellar"),
    RunFilter(entity_id="switch.fan", text="set to"),
    *(RunFilter(min_duration_us=duration) for duration in (9_000, 100_000, 3_000_000, 10**9)),
    RunFilter(min_duration_us=50_000, kind="job"),
    *(
        RunFilter(text=text)
        for text in ("to 77", "küche", "開いて", "light.", "turn_on", "kitchen", "lamp", "xxxx", "ab")
    ),
    *(RunFilter(text=text) for text in ("nowhere", "broken", "ValueError", "state_changed", "cellar", "hei\u00df")),
    *(RunFilter(text=text) for text in ("unavail", "HAUSE", "21.5", "off")),
    RunFilter(text="unavailable", status="failed", app="hall"),
    RunFilter(text="kitchen", status="failed"),
    RunFilter(text="set", app="hall", min_duration_us=20_000),
    RunFilter(text="broken", error_group_id=1),
    RunFilter(text="lamp", kind="job", session_id=1),
)
LOG_FILTERS = (
    *(LogFilter(text=text) for text in ("to 77", "küche", "開いて", "lamp", "nowhere", "ab", "link")),
    LogFilter(text="set to", level="error"),
    LogFilter(text="set to", app="cellar"),
)


class Home:
    """Random runs of a small home."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.listeners = [Listener(f"on_{n}", ("hall", "cellar")[n % 2], topic=ENTITIES[n]) for n in range(4)]
        self.jobs = [Job(f"tidy_{n}", ("hall", "cellar")[n % 2]) for n in range(2)]

    def run(self, number_ms: int) -> Run:
        chance = self.random
        id_ = run_id(number_ms * 1000, chance.randrange(1_000))
        status = chance.choice(STATUSES)
        failure = None
        if status in ("error", "timed_out"):
            message = f"broken {chance.choice(('a', 'b'))}: {chance.choice(TEXTS)}"
            failure = Failure("exception", "ValueError", message, (Frame("/config/apps/hall.py", 3, "step"),))
        lines = tuple(
            LogLine(T0_US + number_ms * 1000, chance.choice((20, 30, 40)), "hall", chance.choice(TEXTS))
            for _ in range(chance.choice((0, 0, 1, 2)))
        )
        calls = tuple(
            ServiceCall(
                T0_US + number_ms * 1000, "light", "turn_on", f'{{"entity_id":"{chance.choice(ENTITIES)}"}}', "", 9
            )
            for _ in range(chance.choice((0, 0, 1)))
        )
        duration_us = int(chance.lognormvariate(10, 2))
        changes = {"duration_us": duration_us, "failure": failure, "effects": Effects(lines, calls)}
        if chance.random() < 0.2:
            return execution(number_ms, chance.choice(self.jobs), status, **changes)._replace(id=id_)
        event = Event("state_changed", chance.choice(ENTITIES), chance.choice(STATES), chance.choice(STATES))
        listener = chance.choice(self.listeners)
        return invocation(number_ms, listener, status, **changes)._replace(id=id_, trigger=event)

    def batch(self, sequence: int, around_ms: int, runs: int) -> Batch:
        chance = self.random
        times = sorted({around_ms + chance.randrange(5 * HOUR_MS) for _ in range(runs)})
        made = [self.run(ms) for ms in times]
        jobs = tuple(run for run in made if isinstance(run.registration, Job))
        lines = (FrameworkLogLine(run_id(times[0] * 1000, 5_000), 40, message=chance.choice(TEXTS)),) if times else ()
        return Batch(
            sequence,
            T0_US + around_ms * 1000,
            tuple(run for run in made if run not in jobs),
            jobs,
            framework_log=lines,
        )


async def answers(path: Path) -> dict[str, list[object]]:
    """Return the answers to all filters, page by page."""
    found: dict[str, list[object]] = {}
    time_range = TimeRange(since_us=T0_US - DAY_MS * 1000, until_us=T0_US + 30 * DAY_MS * 1000)
    async with patient_data(path) as data:
        for asked in FILTERS:
            ids = found[repr(asked)] = []
            cursor = None
            while True:
                page = await data.runs(asked, time_range, cursor=cursor, limit=40)
                ids += [run.id for run in page.runs]
                if (cursor := page.next_cursor) is None:
                    break
            facets = await data.run_facets(time_range, asked)
            found[f"facets {asked}"] = [facets.statuses, facets.apps, facets.kinds, facets.complete]
        for wanted in LOG_FILTERS:
            lines = found[repr(wanted)] = []
            cursor = None
            while True:
                logs = await data.logs(wanted, time_range, cursor=cursor, limit=30)
                lines += [(line.run_id, line.at_us, line.message) for line in logs.lines]
                if (cursor := logs.next_cursor) is None:
                    break
    return found


def without_index(path: Path) -> Path:
    """Return a copy of a history whose index is off."""
    copy = path.with_name("without_index.db")
    copy.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
        target.execute("DELETE FROM store_state WHERE name = 'searchable_from'")
        target.commit()
    return copy


STEPS = st.lists(
    st.tuples(st.sampled_from(["store", "store", "late", "derive", "retain", "crash", "restart"]), st.integers(1, 25)),
    min_size=2,
    max_size=9,
)


@given(seed=st.integers(0, 10_000), steps=STEPS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=4, deadline=None)
async def test_index_finds_the_same_runs_as_the_rows_after_any_order_of_steps(
    tmp_path_factory: pytest.TempPathFactory, seed: int, steps: list[tuple[str, int]]
) -> None:
    folder = tmp_path_factory.mktemp("steps")
    path, home, clock, newest_ms = folder / "hassette.db", Home(seed), Clock(), 0

    def service(file: Path) -> DatabaseService:
        return DatabaseService(file, SETTINGS, now_us=clock.now_us, monotonic=clock.monotonic)

    store = service(path)
    await store.start()
    try:
        for number, (step, count) in enumerate(steps):
            if step == "store":
                newest_ms += home.random.choice((HOUR_MS, DAY_MS))
                clock.us = max(clock.us, T0_US + newest_ms * 1000)
                await store.write(home.batch(store.last_sequence + 1, newest_ms, count))
            elif step == "late":
                await store.write(home.batch(store.last_sequence + 1, newest_ms // 2, count))
            elif step == "derive":
                with closing(connect_to_write(path)) as db:
                    derive_in_transaction(db)
            elif step == "retain":
                keep = {"keep_successes_days": 2, "keep_failures_days": 4, "keep_newest": 3}
                await whole_pass(store, clock, **keep)
            elif step == "restart":
                await store.stop()
                store = service(path)
                await store.start()
            else:
                # The files of a process that was killed: nothing was derived or closed.
                killed = folder / f"killed_{number}.db"
                for suffix in ("", "-wal"):
                    shutil.copy(f"{path}{suffix}", f"{killed}{suffix}")
                await store.stop()
                path, store = killed, service(killed)
                await store.start()
        assert await answers(path) == await answers(without_index(path))
    finally:
        await store.stop()
    assert check(path) == []


async def filled(path: Path, **changes: bool) -> None:
    """Write runs of two days."""
    home, clock = Home(7), Clock()
    store = DatabaseService(path, replace(SETTINGS, **changes), now_us=clock.now_us, monotonic=clock.monotonic)
    await store.start()
    for number in range(8):
        await store.write(home.batch(store.last_sequence + 1, number * 6 * HOUR_MS, 30))
    await store.stop()


@pytest.mark.parametrize(
    "damage",
    [
        "DROP TABLE search_minutes",
        "DROP TABLE search_hours",
        "DELETE FROM store_state WHERE name = 'searchable_from'",
        "DELETE FROM search_hours; DELETE FROM search_minutes; DELETE FROM store_state WHERE name = 'searchable_from'",
    ],
)
async def test_lost_index_does_not_change_an_answer(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "hassette.db"
    await filled(path)
    expected = await answers(without_index(path))
    with closing(sqlite3.connect(path)) as db:
        db.executescript(damage)
    assert await answers(path) == expected


async def test_file_without_an_index_has_the_same_answers(tmp_path: Path) -> None:
    await filled(tmp_path / "with.db")
    await filled(tmp_path / "hassette.db", search_index=False)
    with closing(sqlite3.connect(tmp_path / "hassette.db")) as db:
        assert db.execute("SELECT count(*) FROM search_minutes").fetchone() == (0,)
    expected = await answers(tmp_path / "with.db")
    assert any(expected.values())
    assert await answers(tmp_path / "hassette.db") == expected


async def test_index_that_begins_behind_the_newest_run_does_not_repeat_a_run(tmp_path: Path) -> None:
    """A recovery lets the index begin behind the newest run. The retention may then delete this run."""
    path, home, clock = tmp_path / "hassette.db", Home(3), Clock()
    store = DatabaseService(path, SETTINGS, now_us=clock.now_us, monotonic=clock.monotonic)
    await store.start()
    try:
        for number in range(2):
            await store.write(home.batch(store.last_sequence + 1, number * 6 * HOUR_MS, 150))
            if number == 0:
                with closing(connect_to_write(path)) as db:
                    derive_in_transaction(db)
                    behind = "SELECT max(id) + (1 << 50) FROM runs"
                    db.execute(f"UPDATE store_state SET value = ({behind}) WHERE name = 'searchable_from'")
        assert await answers(path) == await answers(without_index(path))
    finally:
        await store.stop()


async def test_pages_of_log_lines_with_many_candidates_and_no_line_lead_to_the_end(tmp_path: Path) -> None:
    """Each minute has all parts of the text, but no line has the text. A page examines 600 minutes."""
    path = tmp_path / "hassette.db"
    clock = Clock()
    store = DatabaseService(path, now_us=clock.now_us, monotonic=clock.monotonic)
    await store.start()
    lines = Effects((LogLine(message="abc"), LogLine(message="bcd")))
    runs = tuple(invocation(number * 60_000, Listener(), effects=lines) for number in range(1_500))
    await store.write(Batch(1, invocations=runs))
    await store.stop()
    pages, cursor = 0, None
    async with patient_data(path) as data:
        while pages == 0 or cursor is not None:
            page = await data.logs(LogFilter(text="abcd"), TimeRange(T0_US, T0_US + 2 * DAY_MS * 1000), cursor=cursor)
            assert page.lines == ()
            cursor, pages = page.next_cursor, pages + 1
    assert 2 <= pages < 10


async def test_text_in_the_names_of_many_entities_is_found_together_with_other_filters(tmp_path: Path) -> None:
    path, clock = tmp_path / "hassette.db", Clock()
    store = DatabaseService(path, now_us=clock.now_us, monotonic=clock.monotonic)
    await store.start()
    runs = tuple(
        invocation(n * 60_000, Listener(), "error" if n % 3 == 0 else "success", duration_us=n * 10_000)._replace(
            trigger=Event("state_changed", f"light.lamp_{n}", "off", "on")
        )
        for n in range(90)
    )
    await store.write(Batch(1, invocations=runs))
    await store.stop()
    async with patient_data(path) as data:
        asked = RunFilter(text="lamp_", status="failed", min_duration_us=500_000)
        page = await data.runs(asked, TimeRange(T0_US - 1, T0_US + DAY_MS * 1000), limit=50)
    assert [run.id for run in page.runs] == [
        run.id for run in reversed(runs) if run.failure and run.duration_us >= 500_000
    ]


@given(text=st.text(max_size=40), start=st.integers(0, 40), length=st.integers(3, 12))
def test_parts_of_a_text_contain_the_parts_of_each_text_within_it(text: str, start: int, length: int) -> None:
    form = search_form(text) or ""
    parts = parts_of(form)
    assert parts_of(form[start : start + length]) <= parts
    assert MANY_PARTS not in parts
    assert all(0 <= part < 1 << 24 for part in parts)


@given(shorter_us=st.integers(1, 10**10), longer_us=st.integers(1, 10**10))
def test_longer_duration_has_no_lower_term(shorter_us: int, longer_us: int) -> None:
    shorter, longer = sorted((shorter_us, longer_us))
    assert (duration_term(shorter) or 0) <= (duration_term(longer) or 0)
