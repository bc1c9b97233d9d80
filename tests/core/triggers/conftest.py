"""The fixture `home` of the plugin. The tests of core have another fixture with this name."""

from hassette_core.testing.plugin import home

__all__ = ["home"]
