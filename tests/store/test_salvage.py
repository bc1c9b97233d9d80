"""Salvage copies every row of a damaged file that SQLite can read by its key."""

import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from hassette_store.recovery import replacement

pytestmark = pytest.mark.heavy

PAGE = 4096
FILL = "WITH RECURSIVE c (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM c WHERE i < 19999) "
# The first table has gaps between its row ids, as after quiet nights. The other tables have keys of several columns.
TABLES = {
    "handler_invocations": (
        (
            "INSERT INTO handler_invocations (id, listener_id, session_id, status, started_before, duration_us, "
            "waited_us, event_type_id) "
            "SELECT 3752000000000000000 + i * (2 + i / 5000) * 999983, 1 + i % 9, 1, 0, 3000, 3000, 250, 1 FROM c"
        ),
        ("id",),
    ),
    "counted_hourly": (
        (
            "INSERT INTO counted_hourly (hour, registration_id, success, sketch) "
            "SELECT 490000 + i / 40, 1 + i % 40, 7, x'002c012d012d012e012f0131013101' FROM c"
        ),
        ("hour", "registration_id"),
    ),
    "skips_hourly": (
        (
            "INSERT INTO skips_hourly (hour, registration_id, reason_id, count) "
            "SELECT 490000 + i / 400, 1 + i / 20 % 20, 300 + i % 20, 5 FROM c"
        ),
        ("hour", "registration_id", "reason_id"),
    ),
    "log_lines": (
        (
            "INSERT INTO log_lines (run_id, position, at_us, level, logger_id, message) "
            "SELECT 3752000000000000000 + i / 4 * 99999989, i % 4, 1790000000000000, 30, 1, 'the lamp did not answer' "
            "FROM c"
        ),
        ("run_id", "position"),
    ),
}


def whole_pages(page: bytearray) -> None:
    page[:] = b"\xff" * PAGE


def two_spots_in_a_page(page: bytearray) -> None:
    for start in (PAGE // 2, PAGE - 400):
        page[start : start + 32] = b"\xff" * 32


def leaves(content: bytearray, empty_pages: int) -> list[int]:
    """Return the numbers of the leaf pages, except pages that the empty history has as well."""
    numbers = range(empty_pages + 1, len(content) // PAGE + 1)
    return [one for one in numbers if content[(one - 1) * PAGE] in (0x0A, 0x0D)]


def keys(path: Path, table: str, key: tuple[str, ...]) -> set[tuple[int, ...]]:
    db = sqlite3.connect(path)
    try:
        return set(db.execute(f"SELECT {', '.join(key)} FROM {table}"))
    finally:
        db.close()


def readable_one_by_one(
    path: Path, table: str, key: tuple[str, ...], wanted: set[tuple[int, ...]]
) -> set[tuple[int, ...]]:
    found: set[tuple[int, ...]] = set()
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        for one in wanted:
            try:
                row = db.execute(f"SELECT * FROM {table} WHERE {' AND '.join(f'{c} = ?' for c in key)}", one).fetchone()
            except sqlite3.Error:
                continue
            if row is not None:
                found.add(one)
    finally:
        db.close()
    return found


@pytest.mark.parametrize("spoil", [whole_pages, two_spots_in_a_page], ids=lambda one: one.__name__)
@pytest.mark.parametrize("table", TABLES)
def test_every_row_readable_by_its_key_is_copied(path: Path, table: str, spoil: Callable[[bytearray], None]) -> None:
    fill, key = TABLES[table]
    empty_pages = path.stat().st_size // PAGE
    db = sqlite3.connect(path)
    db.execute(FILL + fill)
    db.commit()
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    written = keys(path, table, key)
    assert len(written) == 20_000
    content = bytearray(path.read_bytes())
    for number in random.Random(17).sample(leaves(content, empty_pages), 12):
        page = content[(number - 1) * PAGE : number * PAGE]
        spoil(page)
        content[(number - 1) * PAGE : number * PAGE] = page
    path.write_bytes(content)
    damaged = shutil.copyfile(path, path.with_name("copy.db"))
    readable = readable_one_by_one(damaged, table, key, written)
    assert 10_000 < len(readable) < 20_000
    sentence = replacement.recover(path, "a test", stamp="20260101T000000Z", limit_s=60)
    assert readable - keys(path, table, key) == set()
    assert f"tables that could not be read completely: {table}" in sentence


def test_rows_that_are_only_in_the_log_are_copied(path: Path) -> None:
    fill, key = TABLES["counted_hourly"]
    db = sqlite3.connect(path)
    db.execute("PRAGMA wal_autocheckpoint = 0")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.execute(FILL + fill)
    db.commit()
    copy = shutil.copyfile(path, path.with_name("copy.db"))
    log = shutil.copyfile(path.with_name("hassette.db-wal"), path.with_name("copy.db-wal"))
    written = keys(path, "counted_hourly", key)
    db.close()
    assert log.stat().st_size > 100 * (PAGE + 24), "many rows are only in the log"
    readable = readable_one_by_one(copy, "counted_hourly", key, written)
    replacement.recover(copy, "a test", stamp="20260101T000000Z", limit_s=60)
    assert readable == written == keys(copy, "counted_hourly", key)


@pytest.mark.parametrize(
    ("cut", "grows_again"),
    [*((cut, False) for cut in (1, 9, 100, 2_000, 4_000)), *((cut, True) for cut in (100, 2_000, 4_000))],
)
def test_row_that_was_cut_with_the_file_is_not_copied_with_zeros(path: Path, cut: int, grows_again: bool) -> None:
    """A process that has the file open writes beyond its new end, and the gap is zeros."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute(
            "WITH RECURSIVE c (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 400) INSERT INTO names "
            "SELECT i, printf('sensor.%d_%s', i, substr('kitchen temperature of the old oven', i % 9)) FROM c"
        )
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        written = set(db.execute("SELECT id, name FROM names"))
    content = path.read_bytes()
    number = max(at for at in range(0, len(content), PAGE) if content[at] == 0x0D and b"sensor." in content[at:][:PAGE])
    path.write_bytes(content[: number + PAGE - cut] + bytes(cut + PAGE if grows_again else 0))
    replacement.recover(path, "a test", stamp="20260101T000000Z", limit_s=60)
    with closing(sqlite3.connect(path)) as db:
        kept = {row for row in db.execute("SELECT id, name FROM names") if "(lost" not in row[1]}
    assert kept <= written
    assert len(kept) > len(written) // 3


def test_runs_on_a_former_page_of_an_index_are_copied(path: Path) -> None:
    """If an older copy is written over a part of the file, its index still claims a page that now contains runs."""
    empty_pages = path.stat().st_size // PAGE
    with sqlite3.connect(path) as db:
        db.execute(FILL + TABLES["handler_invocations"][0])
    db.close()
    written = keys(path, "handler_invocations", ("id",))
    content = bytearray(path.read_bytes())
    by_type = {content[(number - 1) * PAGE]: number for number in leaves(content, empty_pages)}
    of_index, of_runs = (slice((by_type[kind] - 1) * PAGE, by_type[kind] * PAGE) for kind in (0x0A, 0x0D))
    content[of_index], content[of_runs] = content[of_runs], bytes(PAGE)
    path.write_bytes(content)
    replacement.recover(path, "a test", stamp="20260101T000000Z", limit_s=60)
    assert keys(path, "handler_invocations", ("id",)) == written


def test_salvage_stops_at_its_time_limit_and_reports_incomplete_tables(path: Path) -> None:
    db = sqlite3.connect(path)
    db.execute(FILL + TABLES["counted_hourly"][0])
    db.commit()
    db.close()
    sentence = replacement.recover(path, "a test", stamp="20260101T000000Z", limit_s=0)
    assert "; 0 rows were copied" in sentence
    assert "counted_hourly" in sentence
