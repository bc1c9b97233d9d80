"""Entry point ``store`` in the group ``hassette.sinks``, through which core finds the store."""

from collections.abc import Mapping
from pathlib import Path

from hassette_store.history import HistoryService
from hassette_store.settings import StoreSettings


def create_sink(*, data_dir: Path, settings: Mapping[str, object]) -> HistoryService:
    """Return the service that stores the history in ``data_dir/hassette.db``.

    Args:
        data_dir: The framework's data directory; `HistoryService.start` creates it if it is missing.
        settings: The table ``[store]`` of hassette.toml.

    Raises:
        ValueError: A setting is unknown or has a wrong value. The message names the key.
    """
    return HistoryService(data_dir / "hassette.db", StoreSettings.from_mapping(settings))
