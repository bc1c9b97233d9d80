"""Entry point ``store`` in the group ``hassette.sinks``, through which core finds the store."""

from collections.abc import Callable, Mapping
from pathlib import Path

from hassette_store.clock.machine import running_s, wall_clock_us
from hassette_store.history import HistoryService
from hassette_store.settings import StoreSettings


def create_sink(
    *,
    data_dir: Path,
    settings: Mapping[str, object],
    now_us: Callable[[], int] = wall_clock_us,
    monotonic: Callable[[], float] = running_s,
) -> HistoryService:
    """Return the service that stores the history in ``data_dir/hassette.db``.

    Args:
        data_dir: The framework's data directory; `HistoryService.start` creates it if it is missing.
        settings: The table ``[store]`` of hassette.toml.
        now_us: Wall clock, in microseconds since the Unix epoch. The demo writes its past with other clocks.
        monotonic: Monotonic clock, in seconds.

    Raises:
        ValueError: A setting is unknown or has a wrong value. The message names the key.
    """
    path = data_dir / "hassette.db"
    return HistoryService(path, StoreSettings.from_mapping(settings), now_us=now_us, monotonic=monotonic)
