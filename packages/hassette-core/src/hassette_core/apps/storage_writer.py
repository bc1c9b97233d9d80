"""`StorageWriter`: write the storages of all apps in one thread, so that a slow disk does not block the event loop."""

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from hassette_core.apps.folders import app_folder
from hassette_core.apps.storage import AppStorage
from hassette_core.containment import RecordEvent

FIRST_S = 0.02
"""Seconds from a change to its write, so that several changes of a handler are one write."""
INTERVAL_S = 0.5
"""Minimum time between two writes of one storage, in seconds."""
RETRY_S = 30.0
"""Pause after a failed write, in seconds."""


class StorageWriter:
    """Makes the storages of the app instances, and writes them in one thread.

    The thread starts with the first change, and ends with `stop`.

    Args:
        data_dir: The directory of the history and of the apps' files.
        report: Records a damaged file, and failed writes.
        retry_s: Pause after a failed write, in seconds.
    """

    def __init__(self, data_dir: Path, report: RecordEvent, *, retry_s: float = RETRY_S) -> None:
        self._data_dir = data_dir
        self._report = report
        self._retry_s = retry_s
        self._storages: dict[tuple[str, str], AppStorage] = {}
        self._due: dict[tuple[str, str], float] = {}
        self._written: dict[tuple[str, str], float] = {}
        self._condition = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closing = False

    def storage_of(self, app_key: str, instance: str) -> AppStorage:
        """Return the storage of an app instance. After a reload of the app, it is the same object."""
        key = (app_key, instance)
        if key not in self._storages:
            folder = app_folder(self._data_dir, app_key, instance)
            self._storages[key] = AppStorage(
                folder, f"{app_key}.{instance}", lambda: self._request(key), self._report, owner=key
            )
        return self._storages[key]

    async def stop(self, timeout_s: float) -> bool:
        """Write all changes, and end the thread. Return False if that takes longer than the limit, in seconds."""
        with self._condition:
            # A function such as heapq.heappush changes a list without a call of its methods.
            self._due = {key: 0.0 for key, storage in self._storages.items() if storage.is_open}
            if not self._due:
                return True
            thread = self._start_thread()
            self._closing = True
            self._condition.notify()
        # The limit is in real time, also on a loop whose time a test moves. A pool for this call, because hung calls
        # of apps may occupy the threads of the loop.
        waiter = ThreadPoolExecutor(1, "hassette-storage-stop")
        try:
            await asyncio.get_running_loop().run_in_executor(waiter, thread.join, timeout_s)
        finally:
            waiter.shutdown(wait=False)
        return not thread.is_alive()

    def _request(self, key: tuple[str, str]) -> None:
        with self._condition:
            due = max(time.monotonic() + FIRST_S, self._written.get(key, 0.0) + INTERVAL_S)
            self._due[key] = min(due, self._due.get(key, due))
            self._start_thread()
            self._condition.notify()

    def _start_thread(self) -> threading.Thread:
        if self._thread is None:
            self._closing = False
            self._thread = threading.Thread(target=self._run, name="hassette-storage", daemon=True)
            self._thread.start()
        return self._thread

    def _run(self) -> None:
        while (key := self._next()) is not None:
            written = self._storages[key].write()
            with self._condition:
                self._written[key] = time.monotonic()
                if not written and not self._closing:
                    self._due.setdefault(key, time.monotonic() + self._retry_s)

    def _next(self) -> tuple[str, str] | None:
        """Wait for the next storage that is due. Return None to end the thread."""
        with self._condition:
            while self._due or not self._closing:
                key = min(self._due, key=lambda each: self._due[each], default=None)
                left_s = None if key is None else self._due[key] - time.monotonic()
                if key is not None and left_s is not None and (left_s <= 0 or self._closing):
                    del self._due[key]
                    return key
                self._condition.wait(left_s)
            self._thread = None
            return None
