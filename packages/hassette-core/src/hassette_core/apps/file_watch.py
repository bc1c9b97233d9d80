"""`FileWatch`: notice that files of apps, or the configuration, may have changed."""

import logging
import os
import stat
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from hassette_core.apps.module_changes import missing_files
from hassette_core.syntax import PARSING

logger = logging.getLogger(__name__)

STEP_S = 0.5
"""A change is reported when no further change has followed for this time, in seconds. The thread wakes up as often."""
PATIENCE = 8
"""Number of steps for which the watch waits for the missing file of an imported module. An editor may replace it."""

_Signature = tuple[tuple[int, int, int] | None, ...]


class FileWatch:
    """Watches a directory with all its folders, and single files, in a thread.

    It reports that files may have changed, but not which files. The receiver compares contents. So the way in which an
    editor, ``rsync`` or ``git checkout`` writes files does not matter, and a missed change is found at the next report.

    Args:
        folder: The directory. It may be missing, be removed, and be created again.
        files: The single files.
        notify: Called in the thread after a change.
        step_s: See `STEP_S`.
    """

    def __init__(
        self, folder: Path, files: Sequence[Path], notify: Callable[[], None], *, step_s: float = STEP_S
    ) -> None:
        self._folder = folder
        self._files = files
        self._notify = notify
        self._step_s = step_s
        self._links: tuple[Path, ...] = ()
        self._stop = threading.Event()
        self._polls = False

    def start(self) -> None:
        """Start the thread."""
        self._stop = threading.Event()
        threading.Thread(target=self._run, args=(self._stop,), name="hassette-file-watch", daemon=True).start()

    def stop(self) -> None:
        """Make the thread end within a step."""
        self._stop.set()

    def _run(self, stop: threading.Event) -> None:
        self._links = _linked_modules(self._folder)
        self._seen = self._reported = self._signature()
        while not stop.is_set():
            watched = _identity_of(self._folder)
            try:
                if watched is None:
                    self._look(changed=False, patience=0)
                    stop.wait(self._step_s)
                else:
                    self._watch(stop, watched)
            except (OSError, RuntimeError) as error:
                if stop.is_set():
                    return
                if not self._polls and _identity_of(self._folder) is not None:
                    # For example, the limit of inotify is reached.
                    self._polls = True
                    facts = {"folder": str(self._folder), "error": str(error)}
                    logger.warning("Apps are watched by polling, because the system cannot watch them", extra=facts)
                stop.wait(self._step_s)

    def _watch(self, stop: threading.Event, watched: tuple[int, int]) -> None:
        with PARSING:
            import watchfiles  # here, because the import takes as long as that of all apps, and tests do not need it

        step_ms = round(1000 * self._step_s)
        # The folder may have been filled between its creation and this watch.
        changed, patience = True, PATIENCE
        root = str(self._folder.absolute())  # as the changes name it
        for changes in watchfiles.watch(
            root,
            watch_filter=lambda _change, path: path == root or _is_relevant(path),
            step=step_ms,
            rust_timeout=step_ms,
            yield_on_timeout=True,
            stop_event=stop,
            raise_interrupt=False,
            force_polling=self._polls or None,
            ignore_permission_denied=True,
        ):
            if stop.is_set():
                return
            patience = PATIENCE if changes else patience - 1
            # A folder that is created again may get the same inode, but the system does not report changes in it.
            removed = any(change is watchfiles.Change.deleted and path == root for change, path in changes)
            changed = self._look(changed=changed or bool(changes), patience=patience)
            if removed or _identity_of(self._folder) != watched:
                self._notify()
                return

    def _look(self, *, changed: bool, patience: int) -> bool:
        """Report a change, unless files are just being written. Return whether a change is still to be reported."""
        if changed:
            self._links = _linked_modules(self._folder)
        signature = self._signature()
        settled, self._seen = signature == self._seen, signature
        changed = changed or signature != self._reported
        if not changed or not settled or (patience > 0 and missing_files()):
            return changed
        self._reported = signature
        self._notify()
        return False

    def _signature(self) -> _Signature:
        """Return values that change with each new version of the single files and of the linked modules."""
        return tuple(_version_of(file) for file in (*self._files, *self._links))


def _linked_modules(folder: Path) -> tuple[Path, ...]:
    """Return the modules and folders in a folder that are symbolic links.

    The system does not report changes of the file to which a link leads. It reports changes of a linked folder only if
    the link is older than the watch.
    """
    found: list[Path] = []
    for parent, folders, files in os.walk(folder):
        found += (path for name in files if name.endswith(".py") and _is_link(path := Path(parent, name)))
        for linked in (path for name in folders if _is_link(path := Path(parent, name))):
            for inner, _, modules in os.walk(linked):
                found += (Path(inner), *(Path(inner, name) for name in modules if name.endswith(".py")))
    return tuple(sorted(found))


def _is_link(path: Path) -> bool:
    try:
        return stat.S_ISLNK(path.lstat().st_mode)
    except OSError:  # the file has just been removed, and the watch looks again
        return False


def _is_relevant(path: str) -> bool:
    """Return whether a path may be a module, or a folder with modules."""
    name = path.rpartition("/")[2]
    return name.endswith(".py") or "." not in name


def _identity_of(folder: Path) -> tuple[int, int] | None:
    try:
        status = folder.stat()
    except OSError:  # the watch tries again
        return None
    return status.st_dev, status.st_ino


def _version_of(file: Path) -> tuple[int, int, int] | None:
    try:
        status = file.stat()
    except OSError:  # the load of the configuration reports it
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns
