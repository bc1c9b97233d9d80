"""A failed look at a file never makes the store move, delete or replace a history.

A look is a call such as stat, access or readlink. In each operation, each look fails once with an I/O error. The
operations run in a process that preloads the library from tests/store/faults.c.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hassette_store.file import presence
from support.waiting import patience

pytestmark = pytest.mark.heavy

TESTS = str(Path(__file__).parents[1])

PROGRAM = """
import asyncio, itertools, json, os, shutil, sqlite3, sys, time
from pathlib import Path
from hassette_store import DatabaseService, HistoryService, StoreError, StoreSettings, backup, check, restore, vacuum
from hassette_store.file.owner_note import owner_note
from hassette_store.file.ownership import Ownership
from hassette_store.startup.preparation import prepare
from support.rows import Batch, Listener, invocation
from support.unusable_files import make_newer, make_usable

work = Path(sys.argv[1])
operation, seen = sys.argv[2], Path(sys.argv[3])
template, place = work / "template", work / "data"
RUNS = 60

async def fill(path, copy_to):
    store = DatabaseService(path)
    await store.start()
    for n in range(3):
        runs = tuple(invocation(20 * n + i, Listener()) for i in range(20))
        await store.write(Batch(n + 1, registered=(Listener(),), invocations=runs))
    shutil.copytree(path.parent, copy_to)  # with its write-ahead log, as a crash leaves it
    await store.stop()

async def record(path, first):
    store = HistoryService(path)
    await store.start()
    runs = tuple(invocation(first + i, Listener()) for i in range(20))
    await store.write(Batch(1, registered=(Listener(),), invocations=runs))
    await store.stop()

async def start_and_stop(path):
    store = HistoryService(path)
    try:
        await store.start()
    finally:
        await store.stop()

def damage(path):
    with path.open("r+b") as file:
        file.write(b"damaged!" * 12)

def make_template():
    asyncio.run(fill(work / "first" / "hassette.db", template))
    path = template / "hassette.db"
    if operation in ("backup", "restore"):
        backup(path, template / "copy.db")
    if operation == "recovery":
        damage(path)
    if operation == "interrupted recovery":
        path.rename(path.with_name("hassette.db.damaged-20260101T000000Z"))
        shutil.copyfile(work / "first" / "hassette.db", path.with_name("hassette.db.new"))
    if operation == "link":
        (template / "real").mkdir()
        for file in list(template.glob("hassette.db*")):
            file.rename(template / "real" / file.name)
        path.symlink_to("real/hassette.db")
    if operation in ("merge", "newer file"):
        make_newer(path)
    if operation == "merge":
        asyncio.run(record(path, 1_000))
        make_usable(path)
    if operation == "foreign file":
        for file in template.iterdir():
            file.unlink()
        path.write_bytes(b"dear diary" * 1000)
    if operation == "first start":
        shutil.rmtree(template)

def start(path):
    prepare(path, StoreSettings(), lambda: time.time_ns() // 1000).ownership.release()

def run(path):
    match operation:
        case "backup":
            backup(path, place / "another.db")
        case "restore":
            restore(path, place / "copy.db")
        case "vacuum":
            vacuum(path)
        case "newer file":
            asyncio.run(start_and_stop(path))
        case "check":
            assert check(path) == []
        case _:
            start(path)

def kept_runs(path):
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        return db.execute("SELECT count(*) FROM runs").fetchone()[0]
    finally:
        db.close()

def failures():
    make_template()
    for look in itertools.count(1):
        shutil.rmtree(place, ignore_errors=True)
        if template.exists():
            shutil.copytree(template, place, symlinks=True)
        path = place / "hassette.db"
        fired = seen.read_text().count("\\n") if seen.exists() else 0
        os.environ["FAULT_LOOK"] = str(look)
        error = None
        try:
            run(path)
        except StoreError as raised:
            error = raised
        except Exception as raised:
            yield look, f"raw {type(raised).__name__}: {raised}"
        finally:
            del os.environ["FAULT_LOOK"]
        if not seen.exists() or seen.read_text().count("\\n") == fired:
            yield look, "done" if error is None else f"without a fault: {error}"
            return
        if operation == "newer file":
            make_usable(path)  # fails if the file is not there any more
            start(path)
            if kept_runs(path) != RUNS:
                yield look, f"{kept_runs(path)} runs of {RUNS} are left; {error}"
            continue
        names = sorted(file.name for file in place.iterdir()) if place.exists() else []
        if operation == "foreign file":
            if names != ["hassette.db"] or path.read_bytes() != b"dear diary" * 1000:
                yield look, f"changed the foreign file: {names}"
            continue
        note = owner_note(path.resolve())
        if note.exists() and not note.read_text():
            yield look, "left an empty owner note"
        if operation not in ("recovery", "interrupted recovery", "first start", "restore") and any(
            ".damaged-" in name or ".replaced-" in name for name in names
        ):
            yield look, f"moved the history aside: {names}"
        start(path)
        runs, expected = kept_runs(path), {"first start": 0, "merge": RUNS + 20}.get(operation, RUNS)
        if runs != expected:
            yield look, f"{runs} runs of {expected} are left; {error}; {names}"

print(json.dumps(list(failures())))
"""


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "operation",
    [
        "start",
        "link",
        "first start",
        "recovery",
        "interrupted recovery",
        pytest.param("merge", marks=pytest.mark.long),
        "foreign file",
        pytest.param("newer file", marks=pytest.mark.long),
        "backup",
        "restore",
        "vacuum",
        "check",
    ],
)
def test_one_failed_look_at_a_file_changes_no_history(faulty_disk: str, tmp_path: Path, operation: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path), operation, str(tmp_path / "seen")],
        capture_output=True,
        text=True,
        timeout=patience(120),
        env={
            **os.environ,
            "PYTHONPATH": TESTS,
            "LD_PRELOAD": faulty_disk,
            "FAULT_PATH": str(tmp_path / "data"),
            "FAULT_SEEN": str(tmp_path / "seen"),
        },
    )
    assert done.returncode == 0, done.stderr
    *failures, (looks, outcome) = json.loads(done.stdout)
    assert failures == []
    if operation == "foreign file":
        assert "it is not an SQLite database" in outcome
    else:
        assert outcome == "done"
    assert looks > 5, "the operation looks at no file"


def unanswered(*_: Any, **__: Any) -> Any:
    raise OSError(5, os.strerror(5))


@pytest.mark.parametrize(
    "question", [presence.exists, presence.size_of, presence.is_plain_file, presence.is_directory, presence.status_of]
)
def test_file_that_cannot_be_examined_is_not_absent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, question: Any
) -> None:
    file = tmp_path / "file"
    assert not question(file)
    assert not question(file / "below")
    monkeypatch.setattr(os, "stat", unanswered)
    with pytest.raises(OSError, match="Input/output error"):
        question(file)
