"""Fixtures of the store's tests: files, stores and readers."""

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from hassette_store import DatabaseService, StoreSettings
from hassette_store.file.creation import create
from hassette_store.file.schema import SCHEMA, Schema
from hassette_store.retention.retention import RetentionSchedule
from support.stores import Clock, MakeStore, Reader, RunScript


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def empty_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty history at the newest schema."""
    path = tmp_path_factory.mktemp("template") / "hassette.db"
    create(path)
    return path


@pytest.fixture
def path(tmp_path: Path, empty_file: Path) -> Path:
    copy = tmp_path / "data" / "hassette.db"
    copy.parent.mkdir()
    shutil.copyfile(empty_file, copy)
    return copy


@pytest.fixture
async def make_store(path: Path, clock: Clock) -> AsyncIterator[MakeStore]:
    made: list[DatabaseService] = []

    def make(
        file: Path | None = None,
        *,
        retention_schedule: RetentionSchedule | None = None,
        schema: Schema | None = None,
        **settings: Any,
    ) -> DatabaseService:
        store = DatabaseService(
            file or path,
            StoreSettings(**settings),
            now_us=clock.now_us,
            monotonic=clock.monotonic,
            retention_schedule=retention_schedule,
            schema=schema or SCHEMA,
        )
        made.append(store)
        return store

    yield make
    for store in made:
        await store.stop()


@pytest.fixture
async def store(make_store: MakeStore) -> DatabaseService:
    store = make_store()
    await store.start()
    return store


@pytest.fixture
def read(path: Path) -> Reader:
    return Reader(path)


@pytest.fixture
def spoil(path: Path) -> RunScript:
    def run(script: str) -> None:
        with closing(sqlite3.connect(path)) as db:
            db.executescript(script)

    return run


@pytest.fixture
def crash_after(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], AbstractContextManager[list[Path]]]:
    """Return a function that makes a context manager, in which the move of a file raises `KeyboardInterrupt`.

    The exception simulates a crash of the process. The argument of the function is the number of moves that succeed
    before the crash. The value of the context manager is the list of the moved files.
    """
    really_replace = Path.replace

    @contextmanager
    def crash_after(moves: int) -> Iterator[list[Path]]:
        moved: list[Path] = []

        def replace(file: Path, target: Path) -> Path:
            if len(moved) == moves:
                raise KeyboardInterrupt
            moved.append(file)
            return really_replace(file, target)

        with monkeypatch.context() as patch:
            patch.setattr(Path, "replace", replace)
            yield moved

    return crash_after


@pytest.fixture(scope="session")
def faulty_disk(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A library that simulates a failing disk in the process that preloads it; see faults.c."""
    compiler = shutil.which("cc")
    if sys.platform != "linux" or compiler is None:
        pytest.skip("needs Linux and a C compiler")
    library = tmp_path_factory.mktemp("faults") / "faults.so"
    source = Path(__file__).parent / "faults.c"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
    return str(library)
