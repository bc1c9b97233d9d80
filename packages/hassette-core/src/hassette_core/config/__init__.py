"""What a person can set: ``hassette.toml``, with the environment above it."""

from hassette_core.config.loading import DEFAULT_FILE, load_config
from hassette_core.config.model import AppEntry, FrameworkSettings, HassetteConfig, HomeAssistantSettings

__all__ = [
    "DEFAULT_FILE",
    "AppEntry",
    "FrameworkSettings",
    "HassetteConfig",
    "HomeAssistantSettings",
    "load_config",
]
