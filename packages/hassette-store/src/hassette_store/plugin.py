"""How core finds the store: the entry point ``store`` in the group ``hassette.sinks``."""

from collections.abc import Mapping
from pathlib import Path

from hassette_store.database import DatabaseService
from hassette_store.settings import StoreSettings


def create_sink(*, data_dir: Path, settings: Mapping[str, object]) -> DatabaseService:
    """Make the service that keeps the history in ``data_dir/hassette.db``.

    Args:
        data_dir: The framework's data directory; it is made at start if it is missing.
        settings: The table ``[store]`` of hassette.toml.

    Raises:
        ValueError: If a setting is unknown or wrong; one sentence that names the key.
    """
    return DatabaseService(data_dir / "hassette.db", StoreSettings.from_mapping(settings))
