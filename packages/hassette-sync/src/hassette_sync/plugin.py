"""How core finds sync: the entry point ``sync`` in the group ``hassette.services``."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from hassette_sync.errors import WebNotInstalledError
from hassette_sync.live import LiveFeed
from hassette_sync.service import DataSyncService
from hassette_sync.settings import WebSettings

if TYPE_CHECKING:
    from hassette_sync.web.service import WebService


def create_service(*, data_dir: Path, settings: Mapping[str, object], live: LiveFeed) -> "WebService":
    """Make the service that shows the history of ``data_dir/hassette.db`` and what is live.

    Args:
        data_dir: The framework's data directory.
        settings: The table ``[sync]`` of hassette.toml; see `WebSettings`.
        live: The framework's feed.

    Raises:
        ValueError: A setting is unknown or wrong; one sentence that names the key.
        WebNotInstalledError: The extra ``web`` is not installed.
    """
    wanted = WebSettings.from_mapping(settings)
    data = DataSyncService(data_dir / "hassette.db", live, deadline_s=wanted.query_deadline_s)
    return create_web_service(data, wanted)


def create_web_service(data: DataSyncService, settings: WebSettings) -> "WebService":
    """Make the service of pages and HTTP answers.

    Raises:
        WebNotInstalledError: The extra ``web`` is not installed.
    """
    try:
        from hassette_sync.web.service import WebService
    except ModuleNotFoundError as missing:
        if (missing.name or "").startswith("hassette_sync"):
            raise
        raise WebNotInstalledError(missing.name or "something") from missing
    return WebService(data, settings)
