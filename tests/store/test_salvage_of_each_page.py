"""If any one page of a history is lost, only the rows on that page are lost."""

import random
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hassette_store.derived.derivation import derive_in_transaction
from hassette_store.file.connections import connect_to_write
from hassette_store.file.creation import create
from hassette_store.recovery.salvage import salvage
from support.plausible_history import plausible

pytestmark = pytest.mark.heavy

PAGE = 4096
INTERIOR = 5  # the first byte of an interior page of a table
Rows = dict[str, Counter[tuple[Any, ...]]]


def rows_of(path: Path) -> Rows:
    """Return all rows of each table, read with SQLite, without the number of the file, which changes."""
    with closing(sqlite3.connect(path)) as db:
        db.execute("DELETE FROM store_state WHERE name = 'file_number'")
        tables = [row[0] for row in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        return {table: Counter(db.execute(f"SELECT * FROM {table}")) for table in tables if table != "sqlite_stat1"}


@dataclass(frozen=True)
class History:
    """A history, and the number of rows on each of its pages, as SQLite's table `dbstat` shows them."""

    content: bytes
    rows: Rows
    on_page: dict[int, tuple[str, int]]
    overflow: set[int]

    @property
    def pages(self) -> range:
        return range(1, len(self.content) // PAGE + 1)

    def page(self, number: int) -> bytes:
        return self.content[(number - 1) * PAGE : number * PAGE]

    def with_page(self, number: int, page: bytes) -> bytes:
        return self.content[: (number - 1) * PAGE] + page + self.content[number * PAGE :]


def history_in(path: Path) -> History:
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        try:
            stored = db.execute("SELECT pageno, name, pagetype, ncell FROM dbstat").fetchall()
        except sqlite3.OperationalError:
            pytest.skip("this SQLite has no table dbstat")
        without_row_ids = {row[0] for row in db.execute("SELECT name FROM pragma_table_list WHERE wr")}
    rows = {
        number: (table, 1 if kind == "overflow" else cells)
        for number, table, kind, cells in stored
        if kind != "internal" or table in without_row_ids
    }
    overflow = {number for number, _, kind, _ in stored if kind == "overflow"}
    return History(path.read_bytes(), rows_of(path), rows, overflow)


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> History:
    """A history after a clean stop, with long texts and with free pages."""
    path = tmp_path_factory.mktemp("stopped") / "hassette.db"
    create(path)
    plausible(path, hours=8, scale=0.3)
    with closing(sqlite3.connect(path)) as db:
        run = db.execute("SELECT max(id) FROM handler_invocations").fetchone()[0]
        for position in range(90, 94):
            db.execute("INSERT INTO log_lines VALUES (?, ?, 1, 30, 1, ?)", (run, position, f"long {position} " * 900))
        db.execute("UPDATE error_groups SET traceback = ? WHERE id = 1", ("File apps/hall.py, line 12\n" * 400,))
        for hour in range(490_000, 490_200):
            db.executemany(
                "INSERT INTO counted_hourly (hour, registration_id, success) VALUES (?, ?, 1)",
                [(hour, registration) for registration in range(1, 4)],
            )
        db.execute("DELETE FROM handler_invocations WHERE id IN (SELECT id FROM handler_invocations LIMIT 100)")
        db.execute("DELETE FROM job_executions WHERE id IN (SELECT id FROM job_executions LIMIT 70)")
        db.commit()
    with closing(connect_to_write(path)) as db:
        derive_in_transaction(db)
    return history_in(path)


def zeros(history: History, number: int) -> Iterator[bytes]:
    yield history.with_page(number, bytes(PAGE))


def random_bytes(history: History, number: int) -> Iterator[bytes]:
    page = random.Random(number).randbytes(PAGE)
    yield history.with_page(number, page)
    yield history.with_page(number, bytes([INTERIOR]) + page[1:])


def copies_of_others(history: History, number: int) -> Iterator[bytes]:
    # Two copies leave a valid history, so no reader can find the damage: an empty root page, and a part of a long text.
    others = [
        one
        for one in history.pages
        if one != number and history.on_page.get(one, ("", 1))[1] and not {one, number} <= history.overflow
    ]
    for other in random.Random(number).sample(others, 3):
        yield history.with_page(number, history.page(other))


def the_end(history: History, number: int) -> Iterator[bytes]:
    if number > 1:
        yield history.content[: (number - 1) * PAGE]


def lost_with(history: History, content: bytes) -> Counter[str]:
    """Return how many rows of each table are on the pages that differ."""
    lost: Counter[str] = Counter()
    for number in history.pages:
        if history.page(number) != content[(number - 1) * PAGE : number * PAGE]:
            table, rows = history.on_page.get(number, ("", 0))
            lost[table] += rows
    return lost


def is_substitute(row: tuple[Any, ...]) -> bool:
    return any("(lost" in value for value in row if isinstance(value, str))


def assert_only_these_are_lost(before: Rows, after: Rows, lost: Counter[str], incomplete: list[str]) -> None:
    for table, rows in before.items():
        if table == "store_state":
            continue  # a salvage changes which runs are counted
        kept = after[table]
        missing = rows - kept
        # A salvage counts the runs whose statistics are lost.
        claimed = [row for row in kept - rows if not is_substitute(row) and not table.startswith("counted_")]
        assert not claimed, f"{table} has rows that were never written: {claimed[:3]}"
        assert missing.total() <= lost[table], f"{table}: {missing.total()} rows are lost, not {lost[table]}"
        assert not missing or table in incomplete, f"the loss of rows of {table} is not reported"


DAMAGES = (zeros, random_bytes, copies_of_others, the_end)


def salvage_with_damage(
    history: History, numbers: Iterable[int], damages: Callable[[History, int], Iterator[bytes]], folder: Path
) -> None:
    damaged, new = folder / "damaged.db", folder / "new.db"
    for number in numbers:
        for content in damages(history, number):
            damaged.write_bytes(content)
            new.unlink(missing_ok=True)
            create(new)
            _, incomplete = salvage(damaged, new, 60)
            assert_only_these_are_lost(history.rows, rows_of(new), lost_with(history, content), incomplete)


def test_page_of_the_schema_loses_no_row(stopped: History, tmp_path: Path) -> None:
    schema = [
        number for number in stopped.pages if stopped.on_page.get(number, ("sqlite_schema",))[0] == "sqlite_schema"
    ]
    assert len(schema) > 4
    salvage_with_damage(stopped, schema, zeros, tmp_path)


def test_root_page_loses_no_row_of_the_pages_below_it(stopped: History, tmp_path: Path) -> None:
    roots = [number for number in stopped.pages if number not in stopped.on_page and number > 2]
    assert len(roots) > 2
    for damages in (zeros, random_bytes):
        salvage_with_damage(stopped, roots, damages, tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("damages", DAMAGES, ids=lambda one: one.__name__)
@pytest.mark.timeout(300)
def test_damage_to_any_page_loses_only_the_rows_on_it(
    stopped: History, tmp_path: Path, damages: Callable[[History, int], Iterator[bytes]]
) -> None:
    salvage_with_damage(stopped, stopped.pages, damages, tmp_path)
