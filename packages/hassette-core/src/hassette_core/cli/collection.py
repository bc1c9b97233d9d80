"""How often the garbage collector runs in the process of a command."""

import gc
from collections.abc import Generator
from contextlib import contextmanager

_THRESHOLDS = (10_000, 5, 5)
"""Arguments of `gc.set_threshold`. With Python's (700, 10, 10), the collector takes 12 % of the CPU time of a process
that handles as many events as possible, and each collection of all objects stops the apps for 60 ms. With these values,
it takes 2 %, and a collection of new objects takes 3 ms. The two small numbers limit the memory: with larger ones,
many old versions of a reloaded app would wait for their collection."""


def collect_rarely() -> None:
    """Let the garbage collector of this process run less often."""
    gc.set_threshold(*_THRESHOLDS)


@contextmanager
def collection_paused() -> Generator[None]:
    """Pause the garbage collector while packages are imported, because their objects live as long as the process.

    Without this, the collections take a tenth of the time of the start.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def keep_all_objects() -> None:
    """Exclude all objects that exist now from collections. They still end when nothing refers to them.

    After the packages are imported, a collection of all objects would take 50 ms, and stop all apps for that time.
    """
    gc.freeze()
