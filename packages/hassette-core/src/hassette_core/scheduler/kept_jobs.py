"""`KeptJobs`: paused jobs and groups, and persistent timers, which survive a restart."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple, cast, get_args

from hassette_core.errors import RegistrationError
from hassette_core.scheduler.planned_job import microseconds

PausedKind = Literal["job", "group"]
MAX_KEPT = 10_000
"""Maximum number of pauses, and of persistent timers, of one app instance. More of them are the error of the app."""
KEPT_OPTIONS = ("name", "kwargs", "mode", "timeout", "jitter", "misfire", "misfire_limit", "group")
"""The options of a persistent timer that the next start needs."""
_END_US = microseconds(datetime(9000, 1, 1, tzinfo=UTC))

Owner = tuple[str, str]
"""The app key and the instance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptTimer:
    """A persistent timer.

    Attributes:
        app: The app's key.
        instance: The app's instance.
        method: The name of the method of the app that is the handler.
        due_us: The time of the run, in microseconds since the Unix epoch.
        schedule: The schedule, as the registration shows it.
        local: The time of the run as local time of the home, for a timer that follows the time zone. Otherwise empty.
        options: The options of the job, as JSON values. Only this object refers to them.
    """

    app: str
    instance: str
    method: str
    due_us: int
    schedule: str
    local: str = ""
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def owner(self) -> Owner:
        """The app key and the instance."""
        return self.app, self.instance

    @property
    def name(self) -> str:
        """The name of the job."""
        return self.options.get("name") or self.method

    @property
    def entry(self) -> dict[str, Any]:
        """The form in the file."""
        return {key: getattr(self, key) for key in KeptTimer.__slots__}

    @classmethod
    def from_entry(cls, entry: object) -> "KeptTimer":
        """Return the timer that an entry of the file describes.

        Raises:
            ValueError: The entry has another form. The message names the key.
        """
        _require(isinstance(entry, dict), "a timer", "a table", entry)
        values = cast("dict[str, Any]", entry)
        for key in ("app", "instance", "method", "schedule"):
            value = values.get(key)
            _require(isinstance(value, str) and bool(value), key, "a text", value)
        due_us, local = values.get("due_us"), values.get("local", "")
        options: Any = values.get("options", {})
        valid = type(due_us) is int and 0 <= due_us < _END_US
        _require(valid, "due_us", "the microseconds from 1970 to a time before 9000", due_us)
        _require(_is_local_time(local), "local", "a local date and time, or empty", local)
        _require(isinstance(options, dict), "options", "a table", options)
        given = cast("dict[str, Any]", options)
        _require(given.keys() <= {*KEPT_OPTIONS}, "options", f"a table with keys of {', '.join(KEPT_OPTIONS)}", given)
        _require(isinstance(given.get("name", ""), str), "name", "a text", given.get("name"))
        return cls(**{key: values[key] for key in cls.__slots__ if key in values})


def _require(valid: bool, key: str, expected: str, value: object) -> None:
    if not valid:
        raise ValueError(f"{key} must be {expected}, got {value!r:.80}")


def _is_local_time(text: object) -> bool:
    try:
        return text == "" or datetime.fromisoformat(cast("str", text)).tzinfo is None
    except (TypeError, ValueError):
        return False


class BadEntry(NamedTuple):
    """An entry of the file that cannot be read.

    Attributes:
        subject: The app instance, such as ``hall.upstairs``, if it can be read; otherwise ``scheduler``.
        problem: The name of the job, if it can be read, and the reason.
    """

    subject: str
    problem: str


class KeptJobs:
    """Paused jobs and persistent timers, in memory. `KeptFile` writes them into a file.

    Attributes:
        version: Counts the changes.
        changed: Set at each change.
    """

    def __init__(self) -> None:
        self.version = 0
        self.changed = asyncio.Event()
        self._timers: dict[str, KeptTimer] = {}
        self._begun: set[str] = set()
        self._ids_of: defaultdict[Owner, dict[str, None]] = defaultdict(dict)
        self._paused: defaultdict[Owner, dict[tuple[PausedKind, str], None]] = defaultdict(dict)
        self._number = 0

    def is_paused(self, app: str, instance: str, name: str, group: str | None) -> bool:
        """Return whether a job, or its group, is paused."""
        paused = self._paused.get((app, instance))
        if not paused:
            return False
        return ("job", name) in paused or (group is not None and ("group", group) in paused)

    def owners_with_pauses(self) -> list[Owner]:
        """Return the app instances with at least one pause."""
        return [owner for owner, paused in self._paused.items() if paused]

    def check_pause(self, app: str, instance: str, kind: PausedKind, name: str) -> None:
        """Check that there is room for another pause of an app instance. May be called in a thread.

        Raises:
            RegistrationError: The app instance has too many pauses.
        """
        paused = self._paused.get((app, instance), {})
        if len(paused) >= MAX_KEPT and (kind, name) not in paused:
            raise RegistrationError(
                f"an app instance must have at most {MAX_KEPT} pauses, got one more in {app}.{instance}"
                f" for the {kind} {name!r}; resume jobs that are no longer needed, or give them a common group"
            )

    def set_paused(self, app: str, instance: str, kind: PausedKind, name: str, paused: bool) -> None:
        """Pause or resume a job or a group, by its name."""
        if paused:
            self._paused[app, instance][kind, name] = None
        else:
            self._paused[app, instance].pop((kind, name), None)
        self._note_change()

    def check_timer(self, app: str, instance: str) -> None:
        """Check that there is room for another timer of an app instance.

        Raises:
            RegistrationError: The app instance has too many timers.
        """
        if len(self._ids_of.get((app, instance), ())) >= MAX_KEPT:
            raise RegistrationError(
                f"an app instance must have at most {MAX_KEPT} waiting timers with persist, got one more in"
                f" {app}.{instance}; with replace=True, a timer ends the earlier timer of the same name and arguments"
            )

    def add_timer(self, timer: KeptTimer) -> str:
        """Keep a timer. Return its id."""
        self._number += 1
        timer_id = str(self._number)
        self._timers[timer_id] = timer
        self._ids_of[timer.owner][timer_id] = None
        self._note_change()
        return timer_id

    def timers_of(self, app: str, instance: str) -> list[tuple[str, KeptTimer]]:
        """Return the timers of one app instance whose run has not begun, with their ids."""
        ids = self._ids_of.get((app, instance), {})
        return [(timer_id, self._timers[timer_id]) for timer_id in ids if timer_id not in self._begun]

    def move_timer(self, timer_id: str, at: datetime) -> None:
        """Give a timer another time of its run, because the clock was set or the place has changed."""
        timer = self._timers.get(timer_id)
        if timer is not None and timer.due_us != microseconds(at):
            self._timers[timer_id] = replace(timer, due_us=microseconds(at))
            self._note_change()

    def begin(self, timer_id: str | None) -> None:
        """Note that the run of a timer begins in this turn of the event loop, and forget the timer after that.

        The file has the timer until the run has begun. If the process is killed in between, the run is not lost.
        """
        if timer_id is not None:
            self._begun.add(timer_id)
            asyncio.get_running_loop().call_soon(self.remove_timer, timer_id)

    def remove_timer(self, timer_id: str | None) -> None:
        """Forget a timer. None, or a timer that is gone, has no effect."""
        timer = None if timer_id is None else self._timers.pop(timer_id, None)
        if timer_id is None or timer is None:
            return
        self._begun.discard(timer_id)
        ids = self._ids_of[timer.owner]
        del ids[timer_id]
        if not ids:
            del self._ids_of[timer.owner]
        self._note_change()

    def value(self) -> dict[str, Any]:
        """Return all pauses and timers, in the form of the file."""
        return {
            "paused": [[*owner, *pause] for owner, paused in self._paused.items() for pause in paused],
            "timers": [timer.entry for timer in self._timers.values()],
        }

    def read(self, value: object) -> list[BadEntry]:
        """Add the pauses and timers of the file. Return the entries that cannot be read; the other entries count."""
        if not isinstance(value, dict):
            return [BadEntry("scheduler", f"the file must contain a table, got {value!r:.80}")]
        bad: list[BadEntry] = []
        content = cast("dict[str, Any]", value)
        for entry in _list_in(content, "paused", bad):
            match entry:
                case [str(app), str(instance), ("job" | "group") as kind, str(name)]:
                    self._paused[app, instance][kind, name] = None
                case _:
                    kinds = " or ".join(get_args(PausedKind))
                    problem = f"a pause must be a list of app, instance, {kinds}, and name, got {entry!r:.80}"
                    bad.append(BadEntry(_subject_of(entry), problem))
        for entry in _list_in(content, "timers", bad):
            try:
                self.add_timer(KeptTimer.from_entry(entry))
            except ValueError as error:
                bad.append(BadEntry(_subject_of(entry), f"the timer {_name_of(entry)!r:.80}: {error}"))
        return bad

    def _note_change(self) -> None:
        self.version += 1
        self.changed.set()


def _list_in(content: Mapping[str, Any], key: str, bad: list[BadEntry]) -> Iterable[Any]:
    entries = content.get(key, [])
    if isinstance(entries, list):
        return cast("list[Any]", entries)
    bad.append(BadEntry("scheduler", f"{key} must be a list, got {entries!r:.80}"))
    return []


def _subject_of(entry: Any) -> str:
    match entry:
        case {"app": str(app), "instance": str(instance)} | [str(app), str(instance), *_]:
            return f"{app}.{instance}"
        case {"app": str(app)}:
            return app
        case _:
            return "scheduler"


def _name_of(entry: Any) -> object:
    match entry:
        case {"options": {"name": str(name)}} | {"method": str(name)}:
            return name
        case _:
            return entry
