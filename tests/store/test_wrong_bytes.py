# ruff: noqa: ASYNC240  nothing else runs on these loops
"""One wrong byte in the header, in the text of the schema, in a key or in a name."""

import shutil
import sqlite3
from pathlib import Path

import pytest

from hassette_store import MaintenanceError, UnusableFileError, backup, check, restore, vacuum
from hassette_store.file.owner_note import owner_note
from hassette_store.recovery.header import find_header_damage
from support.rows import Batch, Listener, invocation, run_id
from support.stores import MakeStore, Reader, RunScript

pytestmark = pytest.mark.heavy

RUNS = 600


async def a_history(make_store: MakeStore) -> None:
    store = make_store()
    await store.start()
    listener = Listener()
    runs = tuple(invocation(n, listener, "error" if n % 50 == 0 else "success") for n in range(RUNS))
    await store.write(Batch(1, invocations=runs))
    await store.stop()


async def start_and_stop(make_store: MakeStore) -> None:
    store = make_store()
    await store.start()
    await store.stop()


def set_byte(path: Path, at: int, value: int) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(bytes([value]))


# Position and wrong value of a byte.
HEADER = {
    "the magic text": (4, 0xFF),
    "the page size": (16, 0x11),
    "the format that writers need": (18, 0x77),
    "the format that readers need": (19, 0x77),
    "what each page reserves": (20, 0x80),
    "the largest payload fraction": (21, 0x41),
    "the leaf payload fraction": (23, 0x21),
    "the number of pages": (31, 0x03),
    "the schema format": (47, 0x09),
    "the encoding": (59, 0x02),
}


@pytest.mark.parametrize("what", HEADER)
async def test_wrong_byte_in_the_header_loses_no_row(
    make_store: MakeStore, path: Path, read: Reader, what: str, spoil: RunScript
) -> None:
    await a_history(make_store)
    # Simulate a crash, because only after a crash does the store check a file that SQLite can open.
    spoil("UPDATE sessions SET outcome = 'open'")
    set_byte(path, *HEADER[what])
    damaged = path.read_bytes()
    await start_and_stop(make_store)
    assert read.value("SELECT count(*) FROM runs") == RUNS
    assert read.value("SELECT sum(success + error) FROM statistics_daily") == RUNS
    assert check(path) == []
    detail = read.value("SELECT detail FROM lifecycle_events")
    assert "could not be read completely" not in detail
    (aside,) = path.parent.glob("*.damaged-*Z")
    assert aside.read_bytes() == damaged
    assert not [one for one in path.parent.iterdir() if ".repaired" in one.name]


@pytest.mark.parametrize("what", ["the format that writers need", "the schema format"])
async def test_header_of_a_later_sqlite_version_counts_as_damage_after_a_clean_stop(
    make_store: MakeStore, path: Path, read: Reader, what: str
) -> None:
    await a_history(make_store)
    set_byte(path, *HEADER[what])
    await start_and_stop(make_store)
    assert f"byte {HEADER[what][0]} of its header is wrong" in read.value("SELECT detail FROM lifecycle_events")
    assert read.value("SELECT count(*) FROM runs") == RUNS


async def test_rows_in_the_log_survive_a_header_repair(make_store: MakeStore, path: Path, read: Reader) -> None:
    await start_and_stop(make_store)
    # Copy both files before the connection is closed, because closing it removes the log. A crash would leave both.
    db = sqlite3.connect(path)
    db.execute("PRAGMA wal_autocheckpoint = 0")
    db.execute("INSERT INTO names (id, name) VALUES (4711, 'only in the log')")
    db.commit()
    for suffix in ("", "-wal"):
        shutil.copyfile(path.with_name(path.name + suffix), path.with_name("copy.db" + suffix))
    db.close()
    for suffix in ("", "-wal"):
        path.with_name("copy.db" + suffix).replace(path.with_name(path.name + suffix))
    set_byte(path, 21, 0x41)
    # The log does not contain the first page, so SQLite reads the header from the file.
    await start_and_stop(make_store)
    assert read.value("SELECT name FROM names WHERE id = 4711") == "only in the log"


def test_sound_header_has_no_damage(path: Path, tmp_path: Path) -> None:
    backup(path, tmp_path / "copy.db")
    assert [find_header_damage(one.read_bytes()[:100]) for one in (path, tmp_path / "copy.db")] == [None, None]


async def test_schema_with_invalid_text_is_damage_and_loses_no_row(
    make_store: MakeStore, path: Path, read: Reader, tmp_path: Path
) -> None:
    await a_history(make_store)
    # SQLite quotes the schema in its error message, which Python then cannot decode.
    set_byte(path, path.read_bytes().index(b"CREATE TABLE losses") + 2, 0xE9)
    assert len(check(path)) == 1
    with pytest.raises(MaintenanceError):
        vacuum(path)
    with pytest.raises(MaintenanceError):
        backup(path, tmp_path / "copy.db")
    with pytest.raises(MaintenanceError):
        restore(tmp_path / "other.db", path)
    await start_and_stop(make_store)
    assert read.value("SELECT count(*) FROM runs") == RUNS
    assert "its schema contains text that is not UTF-8" in read.value("SELECT detail FROM lifecycle_events")
    assert check(path) == []


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM alembic_version",
        "DROP TABLE alembic_version",
        "UPDATE alembic_version SET version_num = x'00'",
        "UPDATE alembic_version SET version_num = 'x001'",
        "UPDATE alembic_version SET version_num = '0000'",
    ],
)
async def test_history_without_its_revision_is_damaged(
    make_store: MakeStore, path: Path, read: Reader, statement: str, spoil: RunScript
) -> None:
    await a_history(make_store)
    spoil(statement)
    await start_and_stop(make_store)
    assert read.value("SELECT count(*) FROM runs") == RUNS
    assert "the revision of its schema is lost" in read.value("SELECT detail FROM lifecycle_events")


async def test_foreign_database_without_a_revision_is_rejected(
    make_store: MakeStore, path: Path, spoil: RunScript
) -> None:
    path.unlink()
    spoil("CREATE TABLE alembic_version (version_num)")
    before = path.read_bytes()
    with pytest.raises(UnusableFileError, match="without a schema revision"):
        await start_and_stop(make_store)
    assert path.read_bytes() == before


async def test_wrong_key_loses_only_its_row(make_store: MakeStore, path: Path, read: Reader, spoil: RunScript) -> None:
    await a_history(make_store)
    spoil("UPDATE sessions SET outcome = 'open'")
    # The leaf page stores the id of a row in 9 bytes: 7 bits in each of the first eight bytes, and 8 bits in the last.
    wanted = run_id(301_000)
    key = bytes([0x80 | wanted >> (8 + 7 * place) & 0x7F for place in range(7, -1, -1)] + [wanted & 0xFF])
    content = path.read_bytes()
    (at,) = [i for i in range(len(content)) if content.startswith(key, i)]
    # Set one more bit, so that this key becomes the highest key.
    set_byte(path, at, content[at] | 0x20)
    await start_and_stop(make_store)
    assert read.value("SELECT count(*) FROM runs") == RUNS - 1
    assert "could not be read completely: handler_invocations" in read.value("SELECT detail FROM lifecycle_events")


@pytest.mark.parametrize("table", ["names", "listeners"])
async def test_name_with_an_invalid_byte_is_read_with_a_replacement_character(
    make_store: MakeStore, path: Path, read: Reader, table: str, spoil: RunScript
) -> None:
    await a_history(make_store)
    spoil(f"UPDATE {table} SET name = CAST(x'61ff62' AS TEXT) WHERE id = 1")
    store = make_store()
    await store.start()
    await store.write(Batch(1, invocations=(invocation(RUNS, Listener("another")),)))
    assert read.value("SELECT count(*) FROM runs") == RUNS + 1
    assert owner_note(path).exists()


def test_every_reader_reads_text_with_invalid_bytes(path: Path, spoil: RunScript) -> None:
    from hassette_store import connect_read_only, connect_to_read
    from hassette_store.file.connections import connect_to_write

    spoil("INSERT INTO names (id, name) VALUES (1, CAST(x'61ff62' AS TEXT))")
    for connect in (connect_read_only, connect_to_read, connect_to_write):
        connection = connect(path)
        try:
            assert connection.execute("SELECT name FROM names").fetchone() == ("a\ufffdb",)
        finally:
            connection.close()
