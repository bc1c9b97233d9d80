"""`AppStorage`: a small mapping that survives restarts, ``self.storage``."""

import json
import logging
import time
from collections.abc import Callable, Iterator, MutableMapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from zoneinfo import ZoneInfoNotFoundError

from hassette_core.app_component import AppComponent
from hassette_core.apps.stored_values import Changes, StoredDict, from_json, to_json
from hassette_core.containment import FRAMEWORK, Actor, RecordEvent
from hassette_core.errors import StorageError
from hassette_core.file_writing import replace_file
from hassette_executor import RepeatedLog

logger = logging.getLogger(__name__)

FILE = "storage.json"
VERSION = 1


class AppStorage(MutableMapping[str, Any], AppComponent, attribute="storage"):
    """A small mapping that survives restarts, crashes and reloads: ``self.storage``. It can be used in threads.

    Keys are texts. A value is a text, a number, True, False, None, a datetime, date, time or timedelta, or a list or a
    table (dict) of such values. The storage keeps a copy of a list or table. A change in place is stored, too::

        self.storage["count"] = self.storage.get("count", 0) + 1
        self.storage.setdefault("seen", []).append(tag)

    A change is in the file ``data_dir/apps/<app key>/<instance>/storage.json`` after some milliseconds; if the app
    changes its storage all the time, after half a second. Each write replaces the whole file, so use files in
    `App.data_dir` for more than about a megabyte.

    Args:
        folder: The directory of the app instance. The first write creates it.
        subject: The app instance, such as ``hall.upstairs``.
        request_write: Called after each change, in the thread of the change.
        report: Records a damaged file, and failed writes.
        owner: The app instance, which alone may change the values while it acts and another app rehearses.

    Raises:
        StorageError: A value cannot be stored, or the file cannot be read. Every access may raise the latter.
    """

    def __init__(
        self,
        folder: Path,
        subject: str,
        request_write: Callable[[], None],
        report: RecordEvent,
        *,
        owner: Actor = FRAMEWORK,
    ) -> None:
        self._folder = folder
        self._path = folder / FILE
        self._subject = subject
        self._report = report
        self._changes = Changes(request_write, owner)
        self._values: StoredDict | None = None
        self._written = b""
        self._failure = ""
        self._log = RepeatedLog(logger)

    if not TYPE_CHECKING:  # with this method, a type checker would accept each attribute

        def __setattr__(self, name: str, value: object) -> None:
            """Set an attribute of the framework.

            Raises:
                AttributeError: The name is public, so that an app means a value of the storage.
            """
            if not name.startswith("_"):
                raise AttributeError(f'self.storage.{name} = … stores nothing; write self.storage["{name}"] = …')
            super().__setattr__(name, value)

    @property
    def is_open(self) -> bool:
        """Whether the values have been read. Before that, there is nothing to write."""
        return self._values is not None

    def __getitem__(self, key: str) -> Any:
        return self._open()[key]

    def __setitem__(self, key: str, value: object) -> None:
        self._open()[key] = value

    def __delitem__(self, key: str) -> None:
        del self._open()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._open()))

    def __len__(self) -> int:
        return len(self._open())

    def __contains__(self, key: object) -> bool:
        return key in self._open()

    def __repr__(self) -> str:
        return f"<AppStorage of {self._subject}: {self._open()!r}>"

    def setdefault(self, key: str, default: Any = None) -> Any:
        """Return the value of a key. Store the default if the key is missing. A change of the result is stored."""
        return self._open().setdefault(key, default)

    def update(self, values: Any = (), /, **more: Any) -> None:
        """Store several values. If one of them cannot be stored, none is."""
        self._open().update(values, **more)

    def __ior__(self, values: Any) -> "AppStorage":
        self.update(values)
        return self

    def write(self) -> bool:
        """Write the values into the file, if they have changed. `StorageWriter` calls this in its thread.

        Returns:
            False if the write has failed. The failure has been logged and recorded.
        """
        if self._values is None:
            return True
        try:
            with self._changes.lock:
                values = {key: _in_file(key, value) for key, value in self._values.items()}
            data = _encode(values)
            if data == self._written or not (values or self._written):
                return True
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            replace_file(self._path, data)
        except Exception as error:  # noqa: BLE001  one thread writes the storages of all apps, so no error may end it
            self._write_failed(error)
            return False
        self._written = data
        if self._failure:
            self._failure = ""
            logger.info("Storage of an app can be written again", extra={"app": self._subject})
        return True

    def _write_failed(self, error: Exception) -> None:
        reason = error.strerror or str(error) if isinstance(error, OSError) else str(error)
        detail = f"cannot write {self._path}: {reason}; the values are kept in memory, and the write is repeated"
        facts = {"app": self._subject, "problem": detail}
        self._log.log("write", logging.ERROR, "Storage of an app cannot be written", extra=facts)
        if reason != self._failure:
            self._failure = reason
            self._report("storage_failed", self._subject, detail)

    def _open(self) -> StoredDict:
        if self._values is None:
            with self._changes.lock:
                if self._values is None:
                    self._values = self._read()
        return self._values

    def _read(self) -> StoredDict:
        opened = StoredDict("storage", self._changes, 0)
        try:
            data = self._path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return opened
        except OSError as error:
            raise StorageError(f"cannot read the storage {self._path}: {error.strerror}") from None
        try:
            content = _decode(data)
            if (version := content["version"]) == VERSION:
                opened.fill({key: from_json(value) for key, value in content["values"].items()})
        except ZoneInfoNotFoundError as error:
            raise StorageError(
                f"the storage {self._path} contains a time in the zone {error.args[0]!r}, which this machine does not"
                " know; install the package tzdata"
            ) from None
        except (ValueError, TypeError, RecursionError, OverflowError) as error:
            self._move_aside(str(error))
            return opened
        if version != VERSION:
            raise StorageError(f"the storage {self._path} has the version {version!r}; it needs a newer Hassette")
        self._written = data
        return opened

    def _move_aside(self, reason: str) -> None:
        aside = self._path.with_name(f"storage.damaged-{time.time_ns()}.json")
        try:
            self._path.rename(aside)
        except OSError as error:
            # Without this error, the next write would replace the damaged file.
            raise StorageError(
                f"the storage {self._path} is damaged ({reason}), and cannot be moved aside: {error.strerror}"
            ) from None
        detail = f"{self._path} is damaged ({reason}); it is now {aside.name}, and the storage is empty"
        logger.error("Storage of an app is damaged", extra={"app": self._subject, "problem": detail})
        self._report("storage_damaged", self._subject, detail)


def _in_file(key: str, value: object) -> Any:
    try:
        return to_json(value)
    except TypeError as error:
        raise StorageError(f"storage[{key!r}] {error}") from None


def _encode(values: object) -> bytes:
    text = json.dumps({"version": VERSION, "values": values}, indent=1, ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8", "surrogatepass")


def _decode(data: bytes) -> dict[str, Any]:
    content: Any = json.loads(data.decode("utf-8", "surrogatepass"))
    if not isinstance(content, dict):
        raise TypeError("it is not a table")
    table = cast("dict[str, Any]", content)
    if not isinstance(table.get("version"), int) or not isinstance(table.get("values"), dict):
        raise TypeError("it has no version, or no table of values")
    return table
