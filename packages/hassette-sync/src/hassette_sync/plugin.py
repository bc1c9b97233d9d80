"""Entry points ``sync`` and ``mcp`` in the group ``hassette.services``, through which core finds this package."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from hassette_sync.assistants.settings import AssistantSettings, assistant_settings
from hassette_sync.control import Control
from hassette_sync.errors import WebNotInstalledError
from hassette_sync.live import LiveFeed
from hassette_sync.service import DataSyncService
from hassette_sync.settings import WebSettings

if TYPE_CHECKING:
    from hassette_sync.web.service import WebService

SESSIONS_FILE = "browser_sessions.json"


def create_service(*, data_dir: Path, settings: Mapping[str, object], live: LiveFeed, control: Control) -> "WebService":
    """Return the service that shows the history of ``data_dir/hassette.db`` and the present state.

    Args:
        data_dir: Data directory of the framework.
        settings: Table ``[sync]`` of hassette.toml; see `WebSettings`.
        live: Feed of the framework.
        control: Control of the framework.

    Raises:
        ValueError: A setting is unknown or invalid. The message is one sentence that names the key.
        WebNotInstalledError: The extra ``web`` is not installed.
    """
    web_settings = WebSettings.from_mapping(settings)
    data = DataSyncService(data_dir / "hassette.db", live, control, deadline_s=web_settings.query_deadline_s)
    return create_web_service(data, web_settings, data_dir / SESSIONS_FILE)


def create_web_service(data: DataSyncService, settings: WebSettings, sessions_file: Path | None = None) -> "WebService":
    """Return the service of the pages and of the HTTP API.

    Args:
        data: The service that answers the questions.
        settings: Address, token and host names.
        sessions_file: File of the sessions of browsers; None keeps them in memory.

    Raises:
        WebNotInstalledError: The extra ``web`` is not installed.
    """
    try:
        from hassette_sync.web.service import WebService
    except ModuleNotFoundError as missing:
        if (missing.name or "").startswith("hassette_sync"):
            raise
        raise WebNotInstalledError(missing.name or "a package") from missing
    return WebService(data, settings, sessions_file)


def configure_assistants(*, data_dir: Path, settings: Mapping[str, object], live: LiveFeed, control: Control) -> None:
    """Set the permissions of assistants. They use the service of `create_service`, so there is no other service.

    Args:
        data_dir: Data directory of the framework.
        settings: Table ``[mcp]`` of hassette.toml; see `AssistantSettings`.
        live: Feed of the framework, which `create_service` uses.
        control: Control of the framework, which `create_service` uses.

    Raises:
        ValueError: A setting is unknown or invalid. The message is one sentence that names the key.
    """
    del live, control
    assistant_settings.put(data_dir, AssistantSettings.from_mapping(settings))
