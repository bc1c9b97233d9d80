"""`KeptJobs`: paused jobs and groups, and persistent timers, which survive a restart."""

import asyncio
import logging
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from hassette_core.json_file import JsonFile
from hassette_executor import RepeatedLog

logger = logging.getLogger(__name__)

PausedKind = Literal["job", "group"]
MAX_KEPT = 10_000
"""Maximum number of pauses, and of persistent timers. More of them are the error of an app."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptTimer:
    """A persistent timer.

    Attributes:
        app: The app's key.
        instance: The app's instance.
        method: The name of the method of the app that is the handler.
        due_us: The time of the run, in microseconds since the Unix epoch.
        schedule: The schedule, as the registration shows it.
        options: The options of the job that are JSON values.
    """

    app: str
    instance: str
    method: str
    due_us: int
    schedule: str
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])


class KeptJobs:
    """Paused jobs and persistent timers, in memory and in a file.

    `serve` writes the file after each change. `save` writes it at once.

    Args:
        path: The file; None keeps the values only in memory.

    Attributes:
        timers: The persistent timers, by id.
    """

    def __init__(self, path: Path | None) -> None:
        self.timers: dict[str, KeptTimer] = {}
        self._paused: dict[tuple[str, str, PausedKind, str], None] = {}
        self._file = None if path is None else JsonFile(path)
        self._number = 0
        self._changed = asyncio.Event()
        self._loaded = False
        self._log = RepeatedLog(logger)
        self._writing = threading.Lock()
        self._version = 0  # counts the changes
        self._written = 0  # the version in the file

    def load(self) -> None:
        """Read the file, at the first call only."""
        if self._loaded or self._file is None:
            return
        self._loaded = True
        try:
            self._read(self._file.load() or {})
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            logger.warning("File of the scheduler has an unknown form and is ignored", extra={"error": repr(error)})

    def _read(self, value: dict[str, Any]) -> None:
        for app, instance, kind, name in value.get("paused", ()):
            self._paused[app, instance, kind, name] = None
        for entry in value.get("timers", ()):
            self.add_timer(KeptTimer(**entry))
        self._written = self._version
        self._changed.clear()

    def is_paused(self, app: str, instance: str, name: str, group: str | None) -> bool:
        """Return whether a job, or its group, is paused."""
        if not self._paused:
            return False
        in_paused_group = group is not None and (app, instance, "group", group) in self._paused
        return in_paused_group or (app, instance, "job", name) in self._paused

    def set_paused(self, app: str, instance: str, kind: PausedKind, name: str, paused: bool) -> None:
        """Pause or resume a job or a group, by its name."""
        if not paused:
            self._paused.pop((app, instance, kind, name), None)
        elif len(self._paused) < MAX_KEPT:
            self._paused[app, instance, kind, name] = None
        self._note_change()

    def add_timer(self, timer: KeptTimer) -> str:
        """Keep a timer. Return its id."""
        self._number += 1
        self.timers[str(self._number)] = timer
        self._note_change()
        return str(self._number)

    def timers_of(self, app: str, instance: str) -> list[tuple[str, KeptTimer]]:
        """Return the timers of one app instance, with their ids."""
        return [(key, timer) for key, timer in self.timers.items() if (timer.app, timer.instance) == (app, instance)]

    def remove_timer(self, timer_id: str | None) -> None:
        """Forget a timer. None, or a timer that is gone, has no effect."""
        if timer_id is not None and self.timers.pop(timer_id, None) is not None:
            self._note_change()

    async def serve(self) -> None:
        """Write the file after each change, until cancelled."""
        while True:
            await self._changed.wait()
            await self.save()

    def _note_change(self) -> None:
        self._version += 1
        self._changed.set()

    async def save(self) -> None:
        """Write the file if something has changed. A failure is logged, and the next change writes everything."""
        self._changed.clear()
        if self._file is None or self._written == self._version:
            return
        value = {"paused": [list(key) for key in self._paused], "timers": [asdict(t) for t in self.timers.values()]}
        try:
            await asyncio.to_thread(self._write, self._file, value, self._version)
        except OSError as error:
            self._log.log(
                "save",
                logging.ERROR,
                "File of the scheduler cannot be written; paused jobs and persistent timers may be lost at a restart",
                extra={"error": str(error)},
            )

    def _write(self, file: JsonFile, value: object, version: int) -> None:
        # If a save is cancelled, its thread may continue. It must not overwrite the value of a later save.
        with self._writing:
            if version > self._written:
                file.save(value)
                self._written = version
