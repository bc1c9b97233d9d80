"""Values to feed the store with (it knows their shapes only), and ready-made files."""

import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from hassette_store import DatabaseService, StoreSettings
from hassette_store.file.creation import create

T0_US = 1_790_000_000_000_000
"""The tests' beginning of time: a Monday in September 2026, 15:06:40 UTC."""


class Source(NamedTuple):
    file: str = "apps/hall.py"
    line: int = 12
    snippet: str = "async def on_motion(self): ..."


class Listener:
    """Compared by identity, like the executor's registrations."""

    def __init__(self, name: str = "on_motion", app: str = "hall", instance: str = "main", **more: Any) -> None:
        self.app, self.instance, self.name = app, instance, name
        self.topic: str = more.get("topic", "state_changed.binary_sensor.hall")
        self.handler: str = more.get("handler", "Hall.on_motion")
        self.settings: tuple[tuple[str, str], ...] = more.get("settings", (("debounce", "2 s"),))
        self.source: Source | None = more.get("source", Source())
        self.runs_in: str = more.get("runs_in", "async")
        self.timeout_s: float | None = more.get("timeout_s")


class Job:
    def __init__(self, name: str = "tidy", app: str = "hall", instance: str = "main", **more: Any) -> None:
        self.app, self.instance, self.name = app, instance, name
        self.schedule: str = more.get("schedule", "every 30 s")
        self.handler: str = more.get("handler", "Hall.tidy")
        self.settings: tuple[tuple[str, str], ...] = ()
        self.source: Source | None = None
        self.runs_in: str = "sync"
        self.timeout_s: float | None = 5.0


class Heard(NamedTuple):
    event_type: str = "state_changed"
    entity_id: str | None = "binary_sensor.hall"
    old_state: str | None = "off"
    new_state: str | None = "on"
    context_id: str | None = "01HZX3ABCDEFGHJKMNPQRSTVWX"
    parent_id: str | None = None
    user_id: str | None = None


class Due(NamedTuple):
    due_us: int = T0_US
    manual: bool = False


class Frame(NamedTuple):
    file: str
    line: int
    function: str


class Failure(NamedTuple):
    kind: str = "exception"
    type: str = "ZeroDivisionError"
    message: str = "division by zero"
    frames: tuple[Frame, ...] = (Frame("/config/apps/hall.py", 12, "Hall.on_motion"),)

    @property
    def traceback(self) -> str:
        calls = "".join(f'  File "{frame.file}", line {frame.line}, in {frame.function}\n' for frame in self.frames)
        return f"Traceback (most recent call last):\n{calls}{self.type}: {self.message}\n" if self.frames else ""


class LogLine(NamedTuple):
    at_us: int = T0_US
    level: int = 30
    logger: str = "hall.main"
    message: str = "the lamp did not answer"


class Call(NamedTuple):
    at_us: int = T0_US
    domain: str = "light"
    service: str = "turn_on"
    target: str = '{"entity_id":"light.hall"}'
    data: str = ""
    duration_us: int = 12_000
    context_id: str | None = "01HZX3CALLCALLCALLCALLCALL"
    error: str | None = None


class Effects(NamedTuple):
    log_lines: tuple[LogLine, ...] = ()
    service_calls: tuple[Call, ...] = ()
    dropped_log_lines: int = 0
    dropped_service_calls: int = 0


class Run(NamedTuple):
    id: int
    registration: Any
    trigger: Any
    started_us: int
    duration_us: int
    waited_us: int
    status: str
    failure: Failure | None = None
    effects: Effects | None = None


class Running(NamedTuple):
    run: int
    registration: Any
    trigger: Any
    started_us: int


class Skip(NamedTuple):
    registration: Any
    hour_us: int
    reason: str
    count: int


class Summary(NamedTuple):
    registration: Any
    hour_us: int
    counts: tuple[tuple[str, int], ...]
    total_us: int
    max_us: int
    waited_us: int
    buckets: tuple[tuple[int, int], ...]


class Loss(NamedTuple):
    reason: str
    what: str
    count: int
    first_us: int
    last_us: int


class Lifecycle(NamedTuple):
    id: int
    at_us: int
    kind: str
    subject: str
    detail: str


class Batch(NamedTuple):
    sequence: int
    at_us: int = T0_US
    invocations: tuple[Run, ...] = ()
    executions: tuple[Run, ...] = ()
    registered: tuple[Any, ...] = ()
    retired: tuple[Any, ...] = ()
    lifecycle: tuple[Lifecycle, ...] = ()
    skipped: tuple[Skip, ...] = ()
    summaries: tuple[Summary, ...] = ()
    losses: tuple[Loss, ...] = ()
    running: tuple[Running, ...] | None = None
    session_facts: tuple[tuple[str, str], ...] = ()


class Clock:
    """Wall clock and monotonic clock, moved by hand."""

    def __init__(self) -> None:
        self.us = T0_US
        self.s = 1_000.0

    def now_us(self) -> int:
        return self.us

    def monotonic(self) -> float:
        return self.s

    def pass_(self, seconds: float) -> None:
        self.us += int(seconds * 1e6)
        self.s += seconds


def run_id(after_us: int = 0, counter: int = 0) -> int:
    """An id that ends so many microseconds after `T0_US`."""
    return ((T0_US + after_us) // 1000 << 21) + counter


def an_invocation(number: int = 0, registration: Any = None, status: str = "success", **more: Any) -> Run:
    """A run that ended `number` milliseconds after `T0_US`."""
    duration_us = more.pop("duration_us", 3_000)
    return Run(
        id=more.pop("id", run_id(number * 1000)),
        registration=registration,
        trigger=more.pop("trigger", Heard()),
        started_us=more.pop("started_us", T0_US + number * 1000 - duration_us),
        duration_us=duration_us,
        waited_us=more.pop("waited_us", 250),
        status=status,
        failure=more.pop("failure", Failure() if status == "error" else None),
        effects=more.pop("effects", None),
    )


class Values:
    """Everything above, for tests to say `v.Batch(…)`."""

    T0_US = T0_US
    Source, Listener, Job, Heard, Due = Source, Listener, Job, Heard, Due
    Frame, Failure, LogLine, Call, Effects = Frame, Failure, LogLine, Call, Effects
    Run, Running, Skip, Summary, Loss, Lifecycle, Batch = Run, Running, Skip, Summary, Loss, Lifecycle, Batch
    run_id = staticmethod(run_id)
    an_invocation = staticmethod(an_invocation)


@pytest.fixture(scope="session")
def v() -> type[Values]:
    return Values


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def empty_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A history at the newest schema, to be copied."""
    path = tmp_path_factory.mktemp("template") / "hassette.db"
    create(path)
    return path


@pytest.fixture
def path(tmp_path: Path, empty_file: Path) -> Path:
    copy = tmp_path / "data" / "hassette.db"
    copy.parent.mkdir()
    shutil.copyfile(empty_file, copy)
    return copy


MakeStore = Callable[..., DatabaseService]


@pytest.fixture
async def make_store(path: Path, clock: Clock) -> AsyncIterator[MakeStore]:
    """Make services on the test's file; those that a test leaves open are closed."""
    made: list[DatabaseService] = []

    def make(file: Path = path, **settings: Any) -> DatabaseService:
        made.append(DatabaseService(file, StoreSettings(**settings), now_us=clock.now_us, monotonic=clock.monotonic))
        return made[-1]

    yield make
    for store in made:
        await store.stop()


@pytest.fixture
async def store(make_store: MakeStore) -> DatabaseService:
    store = make_store()
    await store.start()
    return store


class Reader:
    """Reads the file as sync would, beside the writer."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def rows(self, sql: str, *parameters: object) -> list[dict[str, Any]]:
        connection = sqlite3.connect(f"file:{self._path}?mode=ro", uri=True)
        connection.row_factory = sqlite3.Row
        try:
            return [dict(row) for row in connection.execute(sql, parameters)]
        finally:
            connection.close()

    def row(self, sql: str, *parameters: object) -> dict[str, Any]:
        (row,) = self.rows(sql, *parameters)
        return row

    def value(self, sql: str, *parameters: object) -> Any:
        (value,) = self.row(sql, *parameters).values()
        return value


@pytest.fixture
def read(path: Path) -> Reader:
    return Reader(path)


@pytest.fixture
def spoil(path: Path) -> Callable[[str], None]:
    """Run statements in the file behind the store's back."""

    def run(script: str) -> None:
        db = sqlite3.connect(path)
        try:
            db.executescript(script)
        finally:
            db.close()

    return run


@pytest.fixture
def crash_after(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], AbstractContextManager[list[Path]]]:
    """Let the process die, as it were, at the next move of a file after so many: `KeyboardInterrupt`."""
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
