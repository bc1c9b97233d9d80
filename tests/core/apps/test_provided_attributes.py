"""An app cannot replace the objects that the framework provides, because its changes would have no effect."""

from typing import Any

import pytest

from hassette_core import App, AppConfig, SyncApp
from hassette_core.testing import HomeTestError, HomeUnderTest
from hassette_core.testing.plugin import home

__all__ = ["home"]

NAMES = ["config", "app_key", "instance", "states", "apps", "storage", "bus", "scheduler", "api", "home", "time"]


@pytest.mark.parametrize("base", [App[AppConfig], SyncApp[AppConfig]])
def test_provided_attribute_cannot_be_replaced(home: HomeUnderTest, base: type[Any]) -> None:
    class Lamp(base):
        """Has other attributes."""

    home.add_app(Lamp)
    app: Any = home.app(Lamp)
    for name in NAMES:
        with pytest.raises(AttributeError, match=rf"self\.{name} must stay the object that the framework provides"):
            setattr(app, name, {})
    app.count = 1
    app.logger = None
    assert app.count == 1


class Counter(App[AppConfig]):
    """Replaces its storage in place of a change."""

    async def on_initialize(self) -> None:
        self.storage = {"count": 1}  # pyright: ignore[reportAttributeAccessIssue]  the error of this test


def test_app_that_replaces_its_storage_fails_with_the_correction(home: HomeUnderTest) -> None:
    with pytest.raises(HomeTestError, match=r'write self\.storage\["key"\] = value, or self\.storage\.update'):
        home.add_app(Counter)


class Early(App[AppConfig]):
    """Sets an attribute of the framework too early."""

    def __init__(self, config: AppConfig, context: Any) -> None:
        self.time = 7  # pyright: ignore[reportAttributeAccessIssue]  the error of this test
        super().__init__(config, context)


def test_app_that_sets_a_provided_attribute_before_the_framework_fails(home: HomeUnderTest) -> None:
    with pytest.raises(HomeTestError, match=r"self\.time must stay the object .*; choose another name"):
        home.add_app(Early)
