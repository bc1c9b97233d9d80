"""The configuration: read ``hassette.toml`` and the environment (which takes precedence), and report all problems."""

from hassette_core.config.loading import DEFAULT_FILE, load_config
from hassette_core.config.model import (
    SUPERVISOR_URL,
    AppEntry,
    FrameworkSettings,
    HassetteConfig,
    HomeAssistantSettings,
    RecordingSettings,
)

__all__ = [
    "DEFAULT_FILE",
    "SUPERVISOR_URL",
    "AppEntry",
    "FrameworkSettings",
    "HassetteConfig",
    "HomeAssistantSettings",
    "RecordingSettings",
    "load_config",
]
