"""``self.storage`` keeps its values over restarts, and loses none silently."""

import copy
import enum
import heapq
import json
import math
import pickle
import re
import stat
import subprocess
import sys
import zoneinfo
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hassette_core import AppStorage
from hassette_core.apps.storage_writer import StorageWriter
from hassette_core.errors import StorageError
from support.app_runner import AppDirectory, AppRunner, entry
from support.home import Home
from support.waiting import eventually


class Disk:
    """A storage without a thread.

    Attributes:
        changes: Number of noted changes.
        reports: The recorded events.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.changes = 0
        self.reports: list[tuple[str, str, str]] = []
        self.storage = self.open()

    def open(self) -> AppStorage:
        return AppStorage(self.folder, "app.one", self._note, lambda *report: self.reports.append(report))

    def again(self) -> AppStorage:
        """Write the storage, and open its file as after a restart."""
        assert self.storage.write()
        self.storage = self.open()
        return self.storage

    def _note(self) -> None:
        self.changes += 1


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    return Disk(tmp_path / "data" / "app" / "one")


@pytest.mark.parametrize(
    "value",
    [
        *("", "Küche \u2028 \ud800 \0", 0, -1, 10**30, 1.5, 1e308, -0.0, True, False, None, [], {}),
        *([1, ["two", {"three": None}]], {"a": {"": [1.0, {}]}}, {"$datetime": "no"}, {"$dict": {}}, {"$x": 1, "y": 2}),
        *(
            datetime(2026, 3, 29, 1, 30, 0, 5),  # noqa: DTZ001  a time without a zone
            datetime(2026, 3, 29, tzinfo=UTC),
            date(2026, 2, 28),
            time(7, 0, 0, 1),
        ),
        *(datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=-3.5))), time(7, tzinfo=UTC), timedelta(-1, 2, 3)),
        {"when": [datetime(2026, 1, 1, tzinfo=UTC)], "$date": date(2026, 1, 1)},
    ],
)
def test_value_is_the_same_after_a_restart(disk: Disk, value: Any) -> None:
    disk.storage["x"] = value
    assert disk.storage["x"] == value
    found = disk.again()["x"]
    assert found == value
    assert type(found) is type(disk.storage["x"])
    assert list(disk.storage) == ["x"]


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.datetimes()
    | st.dates()
    | st.times()
    | st.timedeltas(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text() | st.just("$time"), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.heavy
@settings(max_examples=30)
@given(values=st.dictionaries(st.text(), json_values, max_size=5))
def test_every_value_that_is_accepted_is_the_same_after_a_restart(
    tmp_path_factory: pytest.TempPathFactory, values: dict[str, Any]
) -> None:
    disk = Disk(tmp_path_factory.mktemp("storage"))
    disk.storage.update(values)
    assert dict(disk.again()) == values


zones = (
    st.none()
    | st.builds(timezone, st.timedeltas(timedelta(seconds=-1), timedelta(seconds=1)))
    | st.just(timezone(timedelta(microseconds=-1), "almost UTC"))
    | st.timezones()
    | st.builds(timezone, st.timedeltas(timedelta(hours=-23), timedelta(hours=23)))
    | st.builds(timezone, st.timedeltas(timedelta(hours=-23), timedelta(hours=23)), st.text())
    | st.just(ZoneInfo.no_cache("Europe/Vienna"))
)
folds = st.sampled_from([0, 1])
times = st.builds(
    lambda value, zone, fold: value.replace(tzinfo=zone, fold=fold), st.datetimes() | st.times(), zones, folds
)


def facts(value: Any) -> object:
    """Return everything that two equal times may differ in."""
    zone = value.tzinfo
    return (type(value), value.isoformat(), value.fold, type(zone), str(zone), value.tzname())


@settings(max_examples=100)
@given(value=times)
def test_time_keeps_its_zone_the_name_of_its_zone_and_its_fold(
    tmp_path_factory: pytest.TempPathFactory, value: datetime | time
) -> None:
    disk = Disk(tmp_path_factory.mktemp("storage"))
    disk.storage["x"] = [value]
    assert disk.storage["x"] == disk.again()["x"]
    assert facts(disk.storage["x"][0]) == facts(value)


class Now(datetime):
    """A time of a library such as freezegun."""


class Precise(Now):
    """A time with nanoseconds, as pandas has it."""

    def replace(self, *_: Any, **__: Any) -> Any:
        return "a time with nanoseconds"


class Zone(tzinfo):
    """A zone of a library such as pytz."""

    def utcoffset(self, _: datetime | None) -> timedelta:
        return timedelta(hours=1)

    def __repr__(self) -> str:
        return "<Zone>"


ZONE_FILE = next(Path(folder, "Europe/Vienna") for folder in zoneinfo.TZPATH if Path(folder, "Europe/Vienna").exists())


def zone_of_a_file(key: str | None) -> ZoneInfo:
    with ZONE_FILE.open("rb") as file:
        return ZoneInfo.from_file(file, key)


def test_time_of_another_class_becomes_a_time_of_python_at_once(disk: Disk) -> None:
    disk.storage["x"] = Now(2026, 3, 29, 2, 30, fold=1, tzinfo=UTC)
    assert type(disk.storage["x"]) is datetime
    assert facts(disk.storage["x"]) == facts(datetime(2026, 3, 29, 2, 30, fold=1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (datetime(2026, 1, 1, tzinfo=Zone()), "storage['x'] must have a time zone of zoneinfo"),
        ([time(7, tzinfo=Zone())], "storage['x'][…] must have a time zone of zoneinfo"),
        (datetime(2026, 1, 1, tzinfo=zone_of_a_file(None)), "must have a time zone of zoneinfo"),
        (datetime(2026, 1, 1, tzinfo=zone_of_a_file("My/Zone")), "must have a time zone of zoneinfo"),
        ({"a": Precise(2026, 1, 1)}, "storage['x']['a'] must be a time with microseconds"),
    ],
)
def test_time_that_the_next_start_could_not_read_is_refused(disk: Disk, value: Any, message: str) -> None:
    with pytest.raises(StorageError) as caught:
        disk.storage["x"] = value
    assert message in str(caught.value)
    assert dict(disk.again()) == {}


class Colour(enum.StrEnum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


def test_tuples_become_lists_and_enums_become_their_values_at_once(disk: Disk) -> None:
    disk.storage["x"] = (1, (Colour.RED, Level.HIGH))
    assert disk.storage["x"] == [1, ["red", 3]]
    assert type(disk.storage["x"][1][0]) is str
    assert type(disk.storage["x"][1][1]) is int
    assert disk.again()["x"] == [1, ["red", 3]]


class Point(NamedTuple):
    x: int
    y: int


CIRCLE: list[Any] = []
CIRCLE.append(CIRCLE)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (math.nan, "storage['x'] must be a finite number, got nan; store None"),
        ([1, {"a": -math.inf}], "storage['x'][…]['a'] must be a finite number, got -inf"),
        ({1, 2}, "got set; store sorted(…)"),
        (b"x", "got bytes; write bytes into a file in self.data_dir"),
        (object(), "got object; store str(…)"),
        (Path("x"), "must be a text, a number, True, False, None, a datetime"),
        (1j, "got complex"),
        ([1 << 20_000], "storage['x'][…] must be a number of at most 10000 bits"),
        ({1: "a"}, "a key of storage['x'] must be a text, got 1; use str(1)"),
        ({None: 1}, "must be a text, got None"),
        (CIRCLE, "does one contain itself?"),
        (Point(1, 2), "store single fields of it"),
    ],
)
@pytest.mark.parametrize(
    "change",
    [
        lambda storage, value: storage.update(good=1, x=value),
        lambda storage, value: storage.setdefault("x", value),
        lambda storage, value: storage.__setitem__("x", value),
    ],
)
def test_value_that_cannot_be_stored_is_refused_with_its_place(
    disk: Disk, value: Any, message: str, change: Callable[[AppStorage, Any], object]
) -> None:
    disk.storage["old"] = 1
    with pytest.raises(StorageError) as caught:
        change(disk.storage, value)
    assert message in str(caught.value)
    assert dict(disk.again()) == {"old": 1}


def test_key_must_be_a_text(disk: Disk) -> None:
    storage: Any = disk.storage
    with pytest.raises(StorageError, match="a key of storage must be a text, got 1"):
        storage[1] = 2
    assert list(storage) == []


def test_order_after_a_failed_sort_is_stored(disk: Disk) -> None:
    disk.storage["x"] = [3, 1, None, 2]
    disk.again()
    before = disk.changes
    with pytest.raises(TypeError):
        disk.storage["x"].sort()
    assert disk.changes == before + 1
    order = list(disk.storage["x"])
    assert disk.again()["x"] == order


LIST_CHANGES: dict[str, Callable[[list[Any]], object]] = {
    "append": lambda x: x.append(9),
    "insert": lambda x: x.insert(0, 9),
    "extend": lambda x: x.extend([9, 8]),
    "extend itself": lambda x: x.extend(x),
    "item": lambda x: x.__setitem__(0, 9),
    "slice": lambda x: x.__setitem__(slice(0, 1), [7, [8]]),
    "del": lambda x: x.__delitem__(0),
    "pop": lambda x: x.pop(),
    "remove": lambda x: x.remove(1),
    "clear": lambda x: x.clear(),
    "sort": lambda x: x.sort(key=str, reverse=True),
    "reverse": lambda x: x.reverse(),
    "+=": lambda x: x.__iadd__((5,)),
    "*=": lambda x: x.__imul__(2),
    "nested": lambda x: x[2].append(4),
    "nested table": lambda x: x[3].update(a=2),
}


@pytest.mark.parametrize("change", LIST_CHANGES.values(), ids=LIST_CHANGES.keys())
def test_change_of_a_list_in_place_is_stored(disk: Disk, change: Callable[[list[Any]], object]) -> None:
    expected: list[Any] = [3, 1, [2], {"a": 1}]
    disk.storage["x"] = expected
    disk.storage["deep"] = {"x": [expected]}
    disk.again()
    before = disk.changes
    for place in (disk.storage["x"], disk.storage["deep"]["x"][0]):
        change(place)
    assert disk.changes >= before + 2
    change(expected)
    assert dict(disk.again()) == {"x": expected, "deep": {"x": [expected]}}


DICT_CHANGES: dict[str, Callable[[dict[str, Any]], object]] = {
    "item": lambda x: x.__setitem__("a", 9),
    "new item": lambda x: x.__setitem__("z", {"deep": []}),
    "del": lambda x: x.__delitem__("a"),
    "pop": lambda x: x.pop("a"),
    "popitem": lambda x: x.popitem(),
    "clear": lambda x: x.clear(),
    "update": lambda x: x.update({"a": 2}, c=3),
    "update with pairs": lambda x: x.update([("a", 5)]),
    "|=": lambda x: x.__ior__({"d": 4}),
    "setdefault": lambda x: x.setdefault("n", []).append(1),
    "nested": lambda x: x["b"].append(1),
}


@pytest.mark.parametrize("change", DICT_CHANGES.values(), ids=DICT_CHANGES.keys())
def test_change_of_a_table_in_place_is_stored(disk: Disk, change: Callable[[dict[str, Any]], object]) -> None:
    expected: dict[str, Any] = {"a": 1, "b": [2]}
    disk.storage["x"] = expected
    disk.again()
    before = disk.changes
    change(disk.storage["x"])
    assert disk.changes > before
    change(expected)
    assert disk.again()["x"] == expected


def test_usual_idioms_are_stored(disk: Disk) -> None:
    storage = disk.storage
    storage["count"] = storage.get("count", 0) + 1
    storage["count"] += 1
    storage.setdefault("seen", []).append("tag")
    seen = storage["seen"]
    storage["seen"] += ["other"]
    seen.append("third")
    storage |= {"more": {}}
    del storage["more"]
    assert storage.pop("gone", 7) == 7
    assert dict(disk.again()) == {"count": 2, "seen": ["tag", "other", "third"]}
    assert "count" in disk.storage
    assert len(disk.storage) == 2
    assert repr(disk.storage) == "<AppStorage of app.one: {'count': 2, 'seen': ['tag', 'other', 'third']}>"


def test_storage_keeps_a_copy_and_copies_of_its_containers_are_plain(disk: Disk) -> None:
    mine = [1]
    disk.storage["x"] = mine
    mine.append(2)
    assert disk.storage["x"] == [1]
    disk.storage["y"] = {"x": disk.storage["x"]}
    disk.storage["x"].append(3)
    assert disk.storage["y"] == {"x": [1]}
    for plain in (copy.deepcopy(disk.storage["y"]), pickle.loads(pickle.dumps(disk.storage["y"]))):
        assert type(plain) is dict
        assert type(plain["x"]) is list
    assert type(disk.storage["y"].copy()) is dict
    assert type(disk.storage["x"].copy()) is list
    assert json.loads(json.dumps(disk.storage["y"])) == {"x": [1]}


def test_file_and_folder_are_only_for_the_owner_and_are_made_by_the_first_write(disk: Disk) -> None:
    assert disk.storage.get("x") is None
    assert disk.storage.write()
    assert not disk.folder.exists()
    disk.storage["x"] = 1
    assert disk.storage.write()
    assert stat.S_IMODE((disk.folder / "storage.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(disk.folder.stat().st_mode) == 0o700
    assert [file.name for file in disk.folder.iterdir()] == ["storage.json"]


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b"{", b"\xff\xfe", b"[]", b"{}", b"null", b'{"version": 1}', b'{"version": 1, "values": []}'),
        *(b'{"version": 1, "values": {"x": NaN}}', b'{"version": 1, "values": {"x": {"$datetime": "yesterday"}}}'),
        *(b'{"version": 1, "values": {"x": {"$timedelta": "no"}}}', b"[" * 100_000, b"\0" * 4096),
        b'{"version": "1", "values": {}}',
        *(
            b'{"version": 1, "values": {"x": {"$datetime": %b}}}' % content
            for content in (b'{"at": "2026-01-01", "zone": "/etc"}', b'{"at": "2026-01-01", "more": 1}', b"{}", b"5")
        ),
        b'{"version": 1, "values": {"x": {"$time": {"at": "07:00", "name": "CET"}}}}',
    ],
)
def test_damaged_file_is_moved_aside_and_reported(disk: Disk, data: bytes, caplog: pytest.LogCaptureFixture) -> None:
    disk.folder.mkdir(parents=True)
    (disk.folder / "storage.json").write_bytes(data)
    assert dict(disk.storage) == {}
    disk.storage["x"] = 1
    assert dict(disk.again()) == {"x": 1}
    (aside,) = disk.folder.glob("storage.damaged-*.json")
    assert aside.read_bytes() == data
    ((kind, subject, detail),) = disk.reports
    assert (kind, subject) == ("storage_damaged", "app.one")
    assert aside.name in detail
    assert "Storage of an app is damaged" in caplog.text


def test_file_that_cannot_be_read_is_an_error_and_is_never_replaced(disk: Disk) -> None:
    (disk.folder / "storage.json").mkdir(parents=True)
    for access in (lambda: disk.storage["x"], lambda: disk.storage.update(x=1), lambda: list(disk.storage)):
        with pytest.raises(StorageError, match=r"cannot read the storage .*storage\.json: Is a directory"):
            access()
    assert disk.storage.write()
    assert (disk.folder / "storage.json").is_dir()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b'{"version": 2, "values": {"x": 1}}', "has the version 2; it needs a newer Hassette"),
        (
            b'{"version": 1, "values": {"x": {"$datetime": {"at": "2026-01-01T00:00:00", "zone": "Mars/Base"}}}}',
            "contains a time in the zone 'Mars/Base', which this machine does not know",
        ),
    ],
)
def test_file_that_needs_a_newer_version_or_a_time_zone_is_an_error_and_stays(
    disk: Disk, data: bytes, message: str
) -> None:
    disk.folder.mkdir(parents=True)
    (disk.folder / "storage.json").write_bytes(data)
    with pytest.raises(StorageError, match=message):
        disk.storage["x"] = 2
    assert (disk.folder / "storage.json").read_bytes() == data
    assert disk.reports == []


def test_failed_write_keeps_the_old_file_and_is_reported_once(disk: Disk) -> None:
    disk.storage["x"] = 1
    disk.again()
    (disk.folder / "storage.json.new").mkdir()  # the new file cannot be made
    disk.storage["x"] = 2
    assert not disk.storage.write()
    assert not disk.storage.write()
    assert disk.open()["x"] == 1
    assert disk.storage["x"] == 2
    ((kind, _, detail),) = disk.reports
    assert kind == "storage_failed"
    assert "the values are kept in memory" in detail
    (disk.folder / "storage.json.new").rmdir()
    assert disk.again()["x"] == 2


async def test_failed_write_is_repeated(tmp_path: Path) -> None:
    reports: list[tuple[str, ...]] = []
    writer = StorageWriter(tmp_path, lambda *report: reports.append(report), retry_s=0.01)
    (tmp_path / "apps").write_text("in the way")
    writer.storage_of("a", "b")["x"] = 1
    await eventually(lambda: len(reports) == 1)
    (tmp_path / "apps").unlink()
    await eventually(lambda: (tmp_path / "apps/a/b/storage.json").exists())
    assert await writer.stop(5)


async def test_change_that_no_method_notes_is_stored_at_the_stop(tmp_path: Path) -> None:
    writer = StorageWriter(tmp_path, lambda *_: None)
    storage = writer.storage_of("a", "b")
    storage["heap"] = []
    assert writer.storage_of("a", "b") is storage
    assert await writer.stop(5)
    heapq.heappush(storage["heap"], 3)
    assert await writer.stop(5)
    assert StorageWriter(tmp_path, lambda *_: None).storage_of("a", "b")["heap"] == [3]


@pytest.mark.parametrize(
    ("added", "named"),
    [
        (object(), r"storage\['queue'\] must be a text, a number, .* got object; store str\(…\) of it"),
        ((1, {2}), r"storage\['queue'\] must be .* got set; store sorted\(…\)"),
        (float("nan"), "Out of range float values are not JSON compliant"),
    ],
)
async def test_value_that_a_function_in_c_adds_stops_no_writes_of_other_apps(
    tmp_path: Path, added: object, named: str
) -> None:
    reports: list[tuple[str, ...]] = []
    writer = StorageWriter(tmp_path, lambda *report: reports.append(report), retry_s=0.01)
    storage = writer.storage_of("bad", "one")
    storage["queue"] = []
    heapq.heappush(storage["queue"], added)
    storage["count"] = 1
    await eventually(lambda: any(re.search(named, report[2]) for report in reports))
    writer.storage_of("other", "one")["x"] = 1
    assert (reports[0][0], reports[0][1]) == ("storage_failed", "bad.one")
    await eventually((tmp_path / "apps" / "other" / "one" / "storage.json").exists)
    storage["queue"].clear()
    assert await writer.stop(5)
    assert StorageWriter(tmp_path, lambda *_: None).storage_of("bad", "one") == {"queue": [], "count": 1}


async def test_tuples_that_a_function_in_c_adds_are_stored_as_lists(tmp_path: Path) -> None:
    writer = StorageWriter(tmp_path, lambda *_: None)
    storage = writer.storage_of("a", "b")
    storage["queue"] = []
    heapq.heappush(storage["queue"], (datetime(2026, 1, 1, tzinfo=UTC), "off"))
    assert await writer.stop(5)
    again = StorageWriter(tmp_path, lambda *_: None).storage_of("a", "b")
    assert again["queue"] == [[datetime(2026, 1, 1, tzinfo=UTC), "off"]]


COUNTER = """
class Counter(App[AppConfig]):
    async def on_initialize(self):
        self.bus.on_state_change(self.count, "light.a")
        self.storage["starts"] = self.storage.get("starts", 0) + 1
    async def count(self):
        self.storage.setdefault("seen", []).append(len(self.storage.get("seen", [])))
"""


async def test_storage_of_each_instance_survives_a_restart(home: Home, apps: AppRunner, app_dir: AppDirectory) -> None:
    app_dir.write("counter", COUNTER)
    entries = {"c": entry("counter", "Counter", instances=[{"name": "x"}, {"name": "y"}])}
    async with apps.make(entries):
        home.change("light.a", "on")
        await home.records(2)
    del entries["c"]
    async with apps.make(entries):
        pass
    entries["c"] = entry("counter", "Counter", instances=[{"name": "x"}])
    async with apps.make(entries) as service:
        assert dict(service.running.get("c").storage) == {"starts": 2, "seen": [0]}
    entries["c"] = entry("counter", "Counter", instances=[{"name": "y"}])
    async with apps.make(entries) as service:
        assert dict(service.running.get("c").storage) == {"starts": 2, "seen": [0]}


KILLED = """
import os, signal, sys
from pathlib import Path
from hassette_core.apps.storage_writer import StorageWriter
storage = StorageWriter(Path(sys.argv[1]), lambda *_: None).storage_of("a", "b")
count = storage.get("count", 0)
file = Path(sys.argv[1]) / "apps/a/b/storage.json"
while True:
    count += 1
    storage["count"] = count
    storage.setdefault("seen", []).append(count)
    while not file.exists() or f'"count": {count},' not in file.read_text():
        pass
    print(count, flush=True)
"""


@pytest.mark.long
def test_storage_survives_sigkill_at_any_moment(tmp_path: Path) -> None:
    reached = 0
    for _ in range(2):
        process = subprocess.Popen([sys.executable, "-c", KILLED, tmp_path], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        reached = int(process.stdout.readline())
        process.kill()
        process.communicate()
        content = json.loads((tmp_path / "apps/a/b/storage.json").read_text())["values"]
        assert content["count"] >= reached
        assert content["seen"][:reached] == list(range(1, reached + 1))
    assert reached >= 2
