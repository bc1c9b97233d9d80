"""Plugins are found through entry points, their settings are checked, and their failures do not stop the framework."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from hassette_core import Hassette, HassetteConfig, plugins
from hassette_core.config import load_config
from hassette_core.errors import ConfigError
from hassette_core.installed import plugin_tables
from hassette_core.lifecycle import ServiceStatus, StatusBoard
from hassette_executor import MemorySink


class Point:
    """An entry point that loads the given target."""

    dist = None

    def __init__(self, name: str, target: object) -> None:
        self.name = name
        self.value = f"somewhere:{name}"
        self._target = target

    def load(self) -> object:
        if isinstance(self._target, BaseException):
            raise self._target
        return self._target


class Installed:
    """Entry points of packages, as if they were installed."""

    def __init__(self) -> None:
        self.groups: dict[str, list[Any]] = {}

    def add(self, group: str, name: str, target: object) -> None:
        self.groups.setdefault(group, []).append(Point(name, target))

    def find(self, group: str) -> list[Any]:
        return self.groups.get(group, [])


@pytest.fixture
def packages() -> Installed:
    return Installed()


@pytest.fixture
def config(tmp_path: Path) -> HassetteConfig:
    return HassetteConfig.model_validate(
        {"home_assistant": {"token": "x"}, "hassette": {"data_dir": tmp_path}, "plugins": {"mine": {"level": 3}}}
    )


def test_sink_is_created_with_the_settings_of_its_table(packages: Installed, config: HassetteConfig) -> None:
    given: list[Any] = []

    def create(*, data_dir: Path, settings: Mapping[str, object]) -> MemorySink:
        given.extend([data_dir, dict(settings)])
        return MemorySink()

    packages.add("hassette.sinks", "mine", create)
    board = StatusBoard()
    (sink,) = plugins.load_sinks(config, board, packages.find)
    assert isinstance(sink, MemorySink)
    assert given == [config.data_dir, {"level": 3}]
    assert board.statuses == ()


def test_rejected_setting_is_reported_with_file_and_table(packages: Installed, config: HassetteConfig) -> None:
    def create(**_: object) -> MemorySink:
        raise ValueError("level must be at most 2, got 3")

    packages.add("hassette.sinks", "mine", create)
    with pytest.raises(ConfigError, match=r"the configuration: \[mine\] level must be at most 2, got 3"):
        plugins.load_sinks(config, StatusBoard(), packages.find)


@pytest.mark.parametrize("error", [ImportError("no apsw"), SyntaxError("bad"), RuntimeError("at import")])
def test_plugin_that_cannot_be_imported_is_degraded_and_the_others_are_created(
    packages: Installed, config: HassetteConfig, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    packages.add("hassette.sinks", "broken", error)
    packages.add("hassette.sinks", "mine", lambda **_: MemorySink())
    board = StatusBoard()
    assert len(plugins.load_sinks(config, board, packages.find)) == 1
    (status,) = board.statuses
    assert (status.name, status.status) == ("broken", ServiceStatus.DEGRADED)
    assert str(error) in status.detail
    assert [record.message for record in caplog.records] == [
        "Plugin could not be loaded; all other services keep running"
    ]


def test_plugin_that_cannot_be_created_is_degraded(packages: Installed, config: HassetteConfig) -> None:
    def create(**_: object) -> MemorySink:
        raise RuntimeError("no web framework")

    packages.add("hassette.services", "page", create)
    board = StatusBoard()
    hassette = Hassette(config, plugins=False)
    assert plugins.load_services(config, hassette.live, hassette.control, board, packages.find) == ()
    assert [(one.name, one.detail) for one in board.statuses] == [("page", "RuntimeError: no web framework")]


def test_plugin_tables_have_the_names_of_sinks_and_services(packages: Installed) -> None:
    packages.add("hassette.sinks", "mine", None)
    packages.add("hassette.services", "page", None)
    packages.add("hassette.commands", "view", None)
    assert plugin_tables(packages.find) == {"mine", "page"}


def test_plugin_factory_may_return_none(packages: Installed, config: HassetteConfig) -> None:
    packages.add("hassette.sinks", "mine", lambda **_: None)
    assert plugins.load_sinks(config, StatusBoard(), packages.find) == ()


def test_plugin_factory_may_return_several_sinks(packages: Installed, config: HassetteConfig) -> None:
    sinks = (MemorySink(), MemorySink())
    packages.add("hassette.sinks", "mine", lambda **_: sinks)
    assert plugins.load_sinks(config, StatusBoard(), packages.find) == sinks


def test_store_is_the_first_of_several_sinks(packages: Installed, config: HassetteConfig) -> None:
    other, store = MemorySink(), MemorySink()
    packages.add("hassette.sinks", "archive", lambda **_: other)
    packages.add("hassette.sinks", "store", lambda **_: store)
    assert plugins.load_sinks(config, StatusBoard(), packages.find) == (store, other), (
        "pages show the accounting of the first sink"
    )


def test_rejected_settings_of_all_plugins_are_reported_with_line_or_variable(
    packages: Installed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def reject(sentence: str) -> Callable[..., Any]:
        def create(**_: object) -> Any:
            raise ValueError(sentence)

        return create

    for name, sentence in [
        ("one", "level must be a number"),
        ("two", "token must have at least 16 characters"),
        ("three", "endpoint is missing"),
    ]:
        packages.add("hassette.sinks", name, reject(sentence))
    for key in ("TWO__TOKEN", "THREE__OTHER"):
        monkeypatch.setenv(f"HASSETTE__{key}", "short")
    file = tmp_path / "hassette.toml"
    file.write_text("[one]\nother = 1\nlevel = 'x'\n\n[two]\n[three]\n", encoding="utf-8")
    with pytest.raises(ConfigError) as raised:
        plugins.load_sinks(load_config(file, plugin_tables=("one", "two", "three")), StatusBoard(), packages.find)
    assert sorted(str(raised.value).splitlines()) == sorted(
        [
            f"{file}, line 3: [one] level must be a number",
            "HASSETTE__TWO__TOKEN in the environment: [two] token must have at least 16 characters",
            f"{file}, line 6: [three] endpoint is missing",
        ]
    )
