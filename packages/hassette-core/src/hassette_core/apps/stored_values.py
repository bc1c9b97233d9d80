"""Values that `self.storage` can keep: their checks, their form in the file, and containers that report changes."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from functools import partial
from threading import RLock
from typing import Any, SupportsIndex, cast

from hassette_core.apps.stored_times import stored_time, time_from_json, time_to_json
from hassette_core.containment import Actor, check_may_control
from hassette_core.errors import StorageError

_TIMES = (datetime, date, time, timedelta)
_MAX_BITS = 10_000
"""Python does not convert larger numbers to text."""
_MAX_DEPTH = 100


class Changes:
    """Receives the changes of the containers of one storage.

    Args:
        changed: Called after each change.
        owner: The app instance.

    Attributes:
        lock: Held during each change, because handlers may run in threads.
    """

    def __init__(self, changed: Callable[[], None], owner: Actor) -> None:
        self.lock = RLock()
        self._changed = changed
        self._owner = owner

    def change(self) -> RLock:
        """Return the lock for a change.

        Raises:
            RehearsalError: The code that runs belongs to another app, which rehearses, and the owner acts.
        """
        check_may_control(self._owner, "change the storage")
        return self.lock

    def note(self) -> None:
        """Report a change."""
        self._changed()


def stored(value: object, where: str, changes: Changes, depth: int = 0) -> Any:
    """Return a value as the storage keeps it: lists and tables are copied into containers that report changes.

    Args:
        value: The value.
        where: The place of the value, such as ``storage['seen'][0]``.
        changes: Receives the changes of the containers.
        depth: Number of containers around the value.

    Raises:
        StorageError: The value cannot be stored. The message names the place and the possible types.
    """
    if value is None or type(value) in (bool, str):
        return value
    if isinstance(value, _TIMES):
        try:
            return stored_time(value)
        except TypeError as error:
            raise StorageError(f"{where} {error}") from None
    if isinstance(value, int) and not isinstance(value, bool):
        if value.bit_length() > _MAX_BITS:
            raise StorageError(f"{where} must be a number of at most {_MAX_BITS} bits, got one of {value.bit_length()}")
        return int(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise StorageError(f"{where} must be a finite number, got {value!r}; store None for a missing value")
        return float(value)
    if isinstance(value, str):  # a StrEnum, for example
        return str.__str__(value)
    if depth > _MAX_DEPTH:
        raise StorageError(f"{where} must not be in more than {_MAX_DEPTH} lists and tables; does one contain itself?")
    if isinstance(value, dict):
        table = StoredDict(where, changes, depth)
        table.fill(cast("Mapping[Any, object]", value))
        return table
    if type(value) in (list, tuple, StoredList):
        items = StoredList(where, changes, depth)
        items.fill(cast("Sequence[object]", value))
        return items
    raise StorageError(f"{where} must be {_EXPECTED}, got {type(value).__name__}; {_advice(value)}")


_EXPECTED = (
    "a text, a number, True, False, None, a datetime, date, time or timedelta, or a list or a table (dict) of these"
)


def _advice(value: object) -> str:
    kind = type(value)
    if issubclass(kind, set | frozenset):
        return "store sorted(…) of the set, and make a set of it when you read it"
    if issubclass(kind, tuple) and hasattr(value, "_asdict"):
        return "store single fields of it, such as state.state"
    if hasattr(value, "model_dump"):
        return "store model_dump(mode='json') of the model"
    if isinstance(value, bytes | bytearray):
        return "write bytes into a file in self.data_dir"
    return "store str(…) of it, or single fields of it"


def key_of(key: object, where: str) -> str:
    """Return a key of a table.

    Raises:
        StorageError: The key is not a text. In the file, all keys are texts.
    """
    if not isinstance(key, str):
        raise StorageError(f"a key of {where} must be a text, got {key!r}; use str({key!r})")
    return str.__str__(key)


class StoredList(list[Any]):
    """A list in a storage. Each change is stored, also a change in place: ``self.storage["seen"].append(1)``."""

    def __init__(self, where: str, changes: Changes, depth: int) -> None:
        super().__init__()
        self._where = where
        self._changes = changes
        self._depth = depth

    def fill(self, values: Iterable[object]) -> None:
        super().extend([self._stored(value) for value in values])

    def _stored(self, value: object) -> Any:
        return stored(value, f"{self._where}[…]", self._changes, self._depth + 1)

    def append(self, value: object, /) -> None:
        with self._changes.change():
            super().append(self._stored(value))
            self._changes.note()

    def insert(self, index: SupportsIndex, value: object, /) -> None:
        with self._changes.change():
            super().insert(index, self._stored(value))
            self._changes.note()

    def extend(self, values: Iterable[object], /) -> None:
        with self._changes.change():
            self.fill(list(values))
            self._changes.note()

    def __iadd__(self, values: Iterable[object], /) -> "StoredList":  # pyright: ignore[reportIncompatibleMethodOverride]
        self.extend(values)
        return self

    def __imul__(self, count: SupportsIndex, /) -> "StoredList":
        with self._changes.change():
            self[:] = list(self) * int(count)
        return self

    def __setitem__(self, index: Any, value: Any, /) -> None:
        with self._changes.change():
            if type(index) is slice:
                super().__setitem__(index, [self._stored(each) for each in value])
            elif not _is_same(cast("object", self[index]), value):
                super().__setitem__(index, self._stored(value))
            self._changes.note()

    def __delitem__(self, index: SupportsIndex | slice, /) -> None:
        with self._changes.change():
            super().__delitem__(index)
            self._changes.note()

    def pop(self, index: SupportsIndex = -1, /) -> Any:
        with self._changes.change():
            value = super().pop(index)
            self._changes.note()
            return value

    def remove(self, value: Any, /) -> None:
        with self._changes.change():
            super().remove(value)
            self._changes.note()

    def clear(self) -> None:
        with self._changes.change():
            super().clear()
            self._changes.note()

    def sort(self, **options: Any) -> None:
        with self._changes.change():
            try:
                super().sort(**options)
            finally:  # a failed sort may have changed the order
                self._changes.note()

    def reverse(self) -> None:
        with self._changes.change():
            super().reverse()
            self._changes.note()

    def copy(self) -> list[Any]:
        """Return a plain list. A change of it is not stored."""
        return list(self)

    def __reduce_ex__(self, protocol: SupportsIndex, /) -> Any:
        return list, (list(self),)  # for copy.deepcopy and pickle


class StoredDict(dict[str, Any]):
    """A table in a storage. Each change is stored, also a change in place: ``self.storage["rooms"]["hall"] = 21``."""

    def __init__(self, where: str, changes: Changes, depth: int) -> None:
        super().__init__()
        self._where = where
        self._changes = changes
        self._depth = depth

    def fill(self, values: Mapping[Any, object]) -> None:
        items = [(key_of(key, self._where), value) for key, value in values.items()]
        super().update([(key, self._stored(key, value)) for key, value in items])

    def _stored(self, key: str, value: object) -> Any:
        return stored(value, f"{self._where}[{key!r}]", self._changes, self._depth + 1)

    def __setitem__(self, key: str, value: object, /) -> None:
        key = key_of(key, self._where)
        with self._changes.change():
            if key not in self or not _is_same(self[key], value):
                super().__setitem__(key, self._stored(key, value))
            self._changes.note()

    def __delitem__(self, key: str, /) -> None:
        with self._changes.change():
            super().__delitem__(key)
            self._changes.note()

    def pop(self, key: str, /, *default: Any) -> Any:
        with self._changes.change():
            value = super().pop(key, *default)
            self._changes.note()
            return value

    def popitem(self) -> tuple[str, Any]:
        with self._changes.change():
            item = super().popitem()
            self._changes.note()
            return item

    def clear(self) -> None:
        with self._changes.change():
            super().clear()
            self._changes.note()

    def update(self, values: Any = (), /, **more: Any) -> None:
        with self._changes.change():
            self.fill(dict(values, **more))
            self._changes.note()

    def __ior__(self, values: Any, /) -> "StoredDict":  # pyright: ignore[reportIncompatibleMethodOverride]
        self.update(values)
        return self

    def setdefault(self, key: str, default: Any = None, /) -> Any:
        with self._changes.change():
            if key not in self:
                self[key] = default
            return self[key]

    def copy(self) -> dict[str, Any]:
        """Return a plain table. A change of it is not stored."""
        return dict(self)

    def __reduce_ex__(self, protocol: SupportsIndex, /) -> Any:
        return dict, (dict(self),)  # for copy.deepcopy and pickle


def _is_same(old: object, new: object) -> bool:
    """Return whether a container is assigned to its own place: ``storage["seen"] += [1]``."""
    return old is new and isinstance(old, StoredList | StoredDict)


def to_json(value: Any) -> Any:
    """Return a stored value in the form of the file. JSON has no times: a datetime is ``{"$datetime": "…"}``.

    Raises:
        TypeError: The value cannot be stored. A function in C, such as `heapq.heappush`, adds values without a check.
    """
    if isinstance(value, list | tuple):
        return [to_json(item) for item in cast("list[Any]", value)]
    if isinstance(value, dict):
        table = {key: to_json(item) for key, item in cast("dict[str, Any]", value).items()}
        # A table of the app that looks like a time is marked as a table.
        return {"$dict": table} if len(table) == 1 and next(iter(table)).startswith("$") else table
    if isinstance(value, _TIMES):
        return time_to_json(stored_time(value))  # a function in C, such as heappush, has added it without a check
    if value is None or isinstance(value, str | int | float):
        return value
    raise TypeError(f"must be {_EXPECTED}, got {type(value).__name__}; {_advice(value)}")


def from_json(value: Any) -> Any:
    """Return the value of a form in the file.

    Raises:
        ValueError, TypeError: No value has this form.
        ZoneInfoNotFoundError: This machine does not know the zone of a time.
    """
    if isinstance(value, list):
        return [from_json(item) for item in cast("list[Any]", value)]
    if not isinstance(value, dict):
        return value
    table = cast("dict[str, Any]", value)
    if len(table) == 1:
        ((kind, content),) = table.items()
        if kind in _READ:
            return _READ[kind](content)
    return {key: from_json(item) for key, item in table.items()}


def _read_table(content: Any) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise TypeError(f"$dict must be a table, got {content!r}")
    return {key: from_json(item) for key, item in cast("dict[str, Any]", content).items()}


_READ: dict[str, Callable[[Any], Any]] = {
    "$dict": _read_table,
    "$timedelta": lambda content: timedelta(*content),
    "$datetime": partial(time_from_json, datetime),
    "$date": date.fromisoformat,
    "$time": partial(time_from_json, time),
}
