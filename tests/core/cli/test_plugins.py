"""Plugins: found by entry points, told off for wrong settings, and never able to stop the house."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from hassette_core import Hassette, HassetteConfig, installed, plugins
from hassette_core.config import load_config
from hassette_core.errors import ConfigError
from hassette_core.lifecycle import ServiceStatus
from hassette_executor import MemorySink


class Point:
    """An entry point whose target is at hand."""

    dist = None

    def __init__(self, name: str, target: object) -> None:
        self.name = name
        self.value = f"somewhere:{name}"
        self._target = target

    def load(self) -> object:
        if isinstance(self._target, BaseException):
            raise self._target
        return self._target


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    found: dict[str, list[Point]] = {}
    for module in (plugins, installed):
        monkeypatch.setattr(module, "entry_points", lambda group: found.get(group, []))

    def install(group: str, name: str, target: object) -> None:
        found.setdefault(group, []).append(Point(name, target))

    return install


@pytest.fixture
def config(tmp_path: Path) -> HassetteConfig:
    return HassetteConfig.model_validate(
        {"home_assistant": {"token": "x"}, "hassette": {"data_dir": tmp_path}, "plugins": {"mine": {"level": 3}}}
    )


def test_a_sink_is_made_from_the_table_of_its_name(install: Callable[..., None], config: HassetteConfig) -> None:
    given: list[Any] = []

    def create(*, data_dir: Path, settings: Mapping[str, object]) -> MemorySink:
        given.extend([data_dir, dict(settings)])
        return MemorySink()

    install("hassette.sinks", "mine", create)
    (sink,), broken = plugins.load_sinks(config)
    assert isinstance(sink, MemorySink)
    assert given == [config.data_dir, {"level": 3}]
    assert broken == ()


def test_a_setting_that_a_plugin_refuses_names_file_and_table(
    install: Callable[..., None], config: HassetteConfig
) -> None:
    def create(**_: object) -> MemorySink:
        raise ValueError("level must be at most 2, not 3")

    install("hassette.sinks", "mine", create)
    with pytest.raises(ConfigError, match=r"the configuration: \[mine\] level must be at most 2, not 3"):
        Hassette(config)


@pytest.mark.parametrize("trouble", [ImportError("no apsw"), SyntaxError("bad"), RuntimeError("at import")])
def test_a_plugin_that_does_not_import_is_degraded_and_the_rest_is_made(
    install: Callable[..., None], config: HassetteConfig, trouble: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    install("hassette.sinks", "broken", trouble)
    install("hassette.sinks", "mine", lambda **_: MemorySink())
    hassette = Hassette(config)
    (status,) = [part for part in hassette.statuses if part.name == "broken"]
    assert status.status is ServiceStatus.DEGRADED
    assert str(trouble) in status.detail
    assert hassette.keeps
    assert [record.message for record in caplog.records] == ["A plugin cannot be used; everything else runs without it"]


def test_a_plugin_that_cannot_be_made_is_degraded(install: Callable[..., None], config: HassetteConfig) -> None:
    def create(**_: object) -> MemorySink:
        raise RuntimeError("no web framework here")

    install("hassette.services", "page", create)
    hassette = Hassette(config)
    assert [part.detail for part in hassette.statuses if part.name == "page"] == ["RuntimeError: no web framework here"]
    assert hassette.page_url is None


def test_the_tables_of_plugins_are_known_by_their_names(install: Callable[..., None]) -> None:
    install("hassette.sinks", "mine", None)
    install("hassette.services", "page", None)
    install("hassette.commands", "look", None)
    assert installed.plugin_tables() == {"mine", "page"}
    assert list(installed.commands()) == ["look"]


def test_a_plugin_may_want_no_part_at_all(install: Callable[..., None], config: HassetteConfig) -> None:
    install("hassette.sinks", "mine", lambda **_: None)
    assert plugins.load_sinks(config) == ((), ())
    assert not Hassette(config).keeps


def test_the_store_is_the_first_of_several_sinks(install: Callable[..., None], config: HassetteConfig) -> None:
    other, store = MemorySink(), MemorySink()
    install("hassette.sinks", "archive", lambda **_: other)
    install("hassette.sinks", "store", lambda **_: store)
    assert plugins.load_sinks(config).parts == (store, other), "its account is the one that is shown"


def test_refused_settings_name_the_line_or_the_variable_and_every_plugin_of_the_group_is_asked(
    install: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(sentence: str) -> Callable[..., Any]:
        def create(**_parts: object) -> Any:
            raise ValueError(sentence)

        return create

    for name, sentence in [
        ("one", "level must be a number"),
        ("two", "token must have at least 16 characters"),
        ("three", "endpoint is missing"),
    ]:
        install("hassette.sinks", name, refuse(sentence))
    for key in ("TWO__TOKEN", "THREE__OTHER"):
        monkeypatch.setenv(f"HASSETTE__{key}", "short")
    file = tmp_path / "hassette.toml"
    file.write_text("[one]\nother = 1\nlevel = 'x'\n\n[two]\n[three]\n", encoding="utf-8")
    with pytest.raises(ConfigError) as raised:
        plugins.load_sinks(load_config(file, plugin_tables=("one", "two", "three")))
    assert sorted(str(raised.value).splitlines()) == sorted(
        [
            f"{file}, line 3: [one] level must be a number",
            "HASSETTE__TWO__TOKEN in the environment: [two] token must have at least 16 characters",
            f"{file}, line 6: [three] endpoint is missing",
        ]
    )
