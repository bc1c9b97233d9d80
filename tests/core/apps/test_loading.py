"""Loading apps: an error in one app names the app, the cause and the fix; the other apps load."""

import errno
import linecache
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from hassette_core.apps import LoadedInstance, LoadFailure, load_apps
from hassette_core.config import AppEntry
from support.app_runner import AppDirectory, entry

GOOD = """
class Config(AppConfig):
    light: str
    minutes: int = 5

class Good(App[Config]):
    pass
"""


def load(app_dir: Path, **entries: AppEntry) -> tuple[list[LoadedInstance], list[LoadFailure]]:
    return load_apps(entries, app_dir)


def only_error(failed: list[LoadFailure]) -> str:
    (failure,) = failed
    text = str(failure.error)
    assert "\n" not in text
    return text


def test_app_is_loaded_with_its_settings_checked(app_dir: AppDirectory) -> None:
    app_dir.write("good", GOOD)
    loaded, failed = load(app_dir.path, lamp=entry("good", "Good", config={"light": "light.a", "minutes": 7}))
    assert failed == []
    (app,) = loaded
    assert (app.app_key, app.instance, app.config.light, app.config.minutes) == ("lamp", "lamp", "light.a", 7)


def test_instances_have_names_and_share_the_config_table(app_dir: AppDirectory) -> None:
    app_dir.write("good", GOOD)
    instances = [{"name": "hall", "light": "light.hall"}, {"light": "light.b", "minutes": 1}]
    loaded, failed = load(app_dir.path, lamp=entry("good", "Good", config={"minutes": 9}, instances=instances))
    assert failed == []
    assert [(app.instance, app.config.light, app.config.minutes) for app in loaded] == [
        ("hall", "light.hall", 9),
        ("lamp_2", "light.b", 1),
    ]


def test_disabled_app_is_not_loaded(app_dir: AppDirectory) -> None:
    assert load(app_dir.path, lamp=entry("missing", "Missing", enabled=False)) == ([], [])


def test_broken_app_does_not_affect_the_others(app_dir: AppDirectory) -> None:
    app_dir.write("good", GOOD)
    app_dir.write("broken", "1 / 0")
    loaded, failed = load(
        app_dir.path, broken=entry("broken", "X"), lamp=entry("good", "Good", config={"light": "light.a"})
    )
    assert [app.app_key for app in loaded] == ["lamp"]
    assert [failure.app_key for failure in failed] == ["broken"]


def test_module_that_cannot_be_looked_up_does_not_affect_the_others(app_dir: AppDirectory) -> None:
    """An unreadable directory has no effect for root. A name that is too long for a file fails for every user."""
    app_dir.write("good", GOOD)
    broken = entry("a" * 300, "X")
    loaded, failed = load(app_dir.path, broken=broken, lamp=entry("good", "Good", config={"light": "light.a"}))
    assert [app.app_key for app in loaded] == ["lamp"]
    assert [failure.app_key for failure in failed] == ["broken"]
    assert "aaaa" in str(failed[0].error)


def test_app_dir_that_cannot_be_examined_is_not_called_missing(
    app_dir: AppDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    app_dir.write("good", GOOD)

    def fail(file: Path, **_: object) -> object:
        raise OSError(errno.EIO, os.strerror(errno.EIO), str(file))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "stat", fail)
        _, failed = load(app_dir.path, lamp=entry("good", "Good", config={"light": "light.a"}))
    assert f"cannot read the directory of its module: Input/output error: {app_dir.path}" in only_error(failed)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero (line 2 of"),
        ("import nothing_of_that_name", "ModuleNotFoundError: No module named 'nothing_of_that_name'"),
        ("def broken(:\n    pass", "SyntaxError"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("import asyncio; raise asyncio.CancelledError", "CancelledError"),
        ("class Gone(BaseException): ...\nraise Gone('away')", "Gone: away"),
        ("class Words(Exception):\n    def __str__(self): raise SystemExit\nraise Words", "Words: <the message could"),
    ],
)
def test_import_error_names_the_file_and_the_line(app_dir: AppDirectory, text: str, message: str) -> None:
    path = app_dir.write("broken", text)
    _, failed = load(app_dir.path, x=entry("broken", "X"))
    error = only_error(failed)
    assert error.startswith(f"app x: cannot import {path}: ")
    assert message in error
    assert failed[0].error.__cause__ is not None


def test_import_error_names_the_line_of_the_app_and_not_of_a_library_in_a_similar_directory(
    app_dir: AppDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = app_dir.path.with_name("apps_library")
    library.mkdir()
    (library / "divides_by_zero.py").write_text("1 / 0\n", encoding="utf-8")
    monkeypatch.syspath_prepend(library)
    path = app_dir.write("broken", "import divides_by_zero")
    _, failed = load(app_dir.path, x=entry("broken", "X"))
    assert only_error(failed).endswith(f"ZeroDivisionError: division by zero (line 2 of {path}).")


def test_import_error_is_described_without_reading_source_code(app_dir: AppDirectory) -> None:
    path = app_dir.write("broken", "1 / 0")
    _, failed = load(app_dir.path, x=entry("broken", "X"))
    assert "(line 2 of" in only_error(failed)
    assert str(path) not in linecache.cache


@pytest.mark.parametrize(
    ("module", "class_name", "message"),
    [
        (
            "goood",
            "Good",
            "Set `module` in [apps.x] to a file name without .py; did you mean 'good'?",
        ),
        ("other", "Good", "without .py; the directory contains good."),
        ("good.py", "Good", "module must be a name without .py (light, or garden.light), got 'good.py'"),
        ("../good", "Good", "got '../good'"),
        ("good", "Goood", "has no class 'Goood'; it has Good. Set `class` in [apps.x]"),
        ("good", "Config", "class must be an App, got 'Config' of"),
        ("good", "App", "class must be an App, got 'App' of"),
    ],
)
def test_error_for_a_wrong_module_or_class_proposes_right_ones(
    app_dir: AppDirectory, module: str, class_name: str, message: str
) -> None:
    app_dir.write("good", GOOD)
    _, failed = load(app_dir.path, x=entry(module, class_name))
    assert message in only_error(failed)


def test_secret_that_is_a_number_in_the_file_of_secrets_is_explained(app_dir: AppDirectory) -> None:
    app_dir.write(
        "garage",
        """
        from pydantic import SecretStr
        class Config(AppConfig):
            pin: SecretStr
        class Garage(App[Config]):
            pass
        """,
    )
    _, failed = load(app_dir.path, x=entry("garage", "Garage", config={"pin": 4711}))
    message = only_error(failed)
    assert "pin must be text in quotes, got a number; write a secret in secrets.toml in quotes, too" in message
    assert "4711" not in message


def test_error_names_a_missing_app_dir(tmp_path: Path) -> None:
    _, failed = load(tmp_path / "nowhere", x=entry("good", "Good"))
    assert "does not exist; create it" in only_error(failed)


def test_error_for_a_class_without_settings_shows_how_to_write_it(app_dir: AppDirectory) -> None:
    app_dir.write("bare", "class Bare(App): pass")
    _, failed = load(app_dir.path, x=entry("bare", "Bare"))
    message = only_error(failed)
    assert message.startswith("app x: class Bare does not name the class of its settings")
    assert "App[AppConfig]" in message


@pytest.mark.parametrize(
    ("raised", "message"),
    [
        ("TypeError('no number')", "Config, the class of its settings, failed: TypeError: no number (line 9 of"),
        ("KeyError('hall')", "failed: KeyError: 'hall' (line 9 of"),
        ("AttributeError('no lamp')", "failed: AttributeError: no lamp (line 9 of"),
        ("SystemExit('no config')", "failed: SystemExit: no config (line 9 of"),
    ],
)
def test_error_names_a_settings_class_that_fails_and_the_others_load(
    app_dir: AppDirectory, raised: str, message: str
) -> None:
    path = app_dir.write(
        "broken",
        f"""
        from pydantic import model_validator

        class Config(AppConfig):
            @model_validator(mode="after")
            def look(self):
                # the next line is line 9
                raise {raised}

        class Broken(App[Config]):
            pass
        """,
    )
    app_dir.write("good", GOOD)
    entries = {"x": entry("broken", "Broken"), "lamp": entry("good", "Good", config={"light": "light.a"})}
    loaded, failed = load(app_dir.path, **entries)
    assert [app.app_key for app in loaded] == ["lamp"]
    text = only_error(failed)
    assert text.startswith("app x.x: Config")
    assert f"{message} {path})" in text


def test_error_for_an_unknown_annotation_contains_no_web_address(app_dir: AppDirectory) -> None:
    text = "class Config(AppConfig):\n    light: 'Lihgt'\n\nclass Broken(App[Config]):\n    pass\n"
    app_dir.write("broken", text)
    _, failed = load(app_dir.path, x=entry("broken", "Broken"))
    message = only_error(failed)
    assert message.startswith("app x.x: Config, the class of its settings, failed: PydanticUserError: ")
    assert "http" not in message


def test_settings_class_is_inherited(app_dir: AppDirectory) -> None:
    app_dir.write("good", GOOD + "\nclass Better(Good):\n    pass\n")
    loaded, _ = load(app_dir.path, x=entry("good", "Better", config={"light": "light.a"}))
    assert loaded[0].config.light == "light.a"


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({}, "light is missing"),
        (
            {"light": "light.a", "minutes": "many"},
            "minutes must be a whole number, got 'many'",
        ),
        (
            {"light": "light.a", "minuts": 1},
            "minuts is not a known key; did you mean 'minutes'? Known keys: light, minutes",
        ),
        ({"light": "light.a", "xyz": 1}, "xyz is not a known key. Known keys: light, minutes"),
    ],
)
def test_wrong_settings_name_the_key_and_the_expected_value(
    app_dir: AppDirectory, config: dict[str, Any], message: str
) -> None:
    app_dir.write("good", GOOD)
    _, failed = load(app_dir.path, lamp=entry("good", "Good", config=config))
    text = only_error(failed)
    assert text.startswith("app lamp.lamp: its settings in [apps.lamp] are wrong")
    assert message in text


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"hall": {"lux": 5}}, "hall.lux is not a known key. Known keys: area, sensors"),
        ({"hall": {"sensors": [{"enity": "x"}]}}, "did you mean 'entity'? Known keys: entity"),
        ({"hall": {"area": {"siz": 2}}}, "hall.area.siz is not a known key; did you mean 'size'? Known keys: size"),
        ({"hal": {}}, "hal is not a known key; did you mean 'hall'? Known keys: hall"),
    ],
)
def test_unknown_key_of_an_inner_table_is_compared_with_the_keys_of_that_table(
    app_dir: AppDirectory, config: dict[str, Any], message: str
) -> None:
    app_dir.write(
        "rooms",
        """
        from dataclasses import dataclass

        class Sensor(AppConfig):
            entity: str = ""

        @dataclass
        class Area:
            size: int = 0

        class Room(AppConfig):
            sensors: list[Sensor] = []
            area: Area | None = None

        class Config(AppConfig):
            hall: Room = Room()

        class Rooms(App[Config]):
            pass
        """,
    )
    _, failed = load(app_dir.path, x=entry("rooms", "Rooms", config=config))
    assert message in only_error(failed)


@pytest.mark.parametrize(
    "config",
    [
        {"alarm_code": "hunter2hunter2"},
        {"guarded": 12345678},
        {"deep": {"apiKey": "hunter2hunter2"}},
        {"whole": "hunter2hunter2"},
    ],
)
def test_error_for_settings_contains_no_secret(app_dir: AppDirectory, config: dict[str, Any]) -> None:
    app_dir.write(
        "guard",
        """
        from pydantic import SecretStr, model_validator

        class Config(AppConfig):
            alarm_code: int = 0
            guarded: SecretStr | None = None
            deep: str = ""
            whole: str = ""

            @model_validator(mode="after")
            def refuse(self):
                if self.whole:
                    raise ValueError("these settings exclude each other")
                return self

        class Guard(App[Config]):
            pass
        """,
    )
    _, failed = load(app_dir.path, x=entry("guard", "Guard", config=config))
    message = only_error(failed)
    assert "its settings in [apps.x] are wrong" in message
    assert "hunter2" not in message
    assert "12345678" not in message


def test_first_of_two_instances_with_one_name_is_loaded(app_dir: AppDirectory) -> None:
    app_dir.write("good", GOOD)
    instances = [{"name": "hall", "light": "light.a"}, {"name": "hall", "light": "light.b"}]
    loaded, failed = load(app_dir.path, lamp=entry("good", "Good", instances=instances))
    assert [app.config.light for app in loaded] == ["light.a"]
    assert "the name of instance 2 must be unique, got 'hall' again" in only_error(failed)


@pytest.mark.parametrize("name", ["", "  "])
def test_instance_with_an_empty_name_is_refused_and_the_others_load(app_dir: AppDirectory, name: str) -> None:
    app_dir.write("good", GOOD)
    instances = [{"name": name, "light": "light.a"}, {"name": "hall", "light": "light.b"}]
    loaded, failed = load(app_dir.path, lamp=entry("good", "Good", instances=instances))
    assert [app.instance for app in loaded] == ["hall"]
    assert (
        only_error(failed)
        == f"app lamp: the name of instance 1 must be non-blank, got {name!r}; set it or leave it out."
    )


@pytest.mark.parametrize("key", ["a.b", " ", "", "."])
def test_key_that_could_be_confused_with_an_instance_is_refused(app_dir: AppDirectory, key: str) -> None:
    app_dir.write("good", GOOD)
    good = entry("good", "Good", config={"light": "light.a"})
    loaded, failed = load(app_dir.path, **{key: good, "good": good})
    assert [app.app_key for app in loaded] == ["good"]
    assert f"the key of an app must be a non-blank name without a dot, got {key!r}" in only_error(failed)


def test_app_module_may_have_the_name_of_a_python_module(app_dir: AppDirectory) -> None:
    app_dir.write("calendar", GOOD)
    loaded, failed = load(app_dir.path, x=entry("calendar", "Good", config={"light": "light.a"}))
    assert failed == []
    assert loaded
    import calendar

    assert calendar.monthrange(2026, 2) == (6, 28)


def test_apps_may_be_in_folders_and_import_each_other(app_dir: AppDirectory) -> None:
    app_dir.write("shared", "NUMBER = 42")
    app_dir.write(
        "garden/water", "from hassette_apps.shared import NUMBER\nfrom shared import NUMBER as again\n" + GOOD
    )
    _, failed = load(app_dir.path, x=entry("garden.water", "Good", config={"light": "light.a"}))
    assert failed == []


def test_loading_again_reads_edited_modules(app_dir: AppDirectory) -> None:
    app_dir.write("good", GOOD)
    first, _ = load(app_dir.path, x=entry("good", "Good", config={"light": "light.a"}))
    app_dir.write("good", GOOD + "\n\nEDITED = True\n")
    second, _ = load(app_dir.path, x=entry("good", "Good", config={"light": "light.a"}))
    assert first[0].app_class is not second[0].app_class
    assert sys.modules["hassette_apps.good"].EDITED


@pytest.mark.parametrize(
    "text",
    [
        "def __getattr__(name): raise SystemExit(name)",
        "class Bad(App[AppConfig]):\n    @classmethod\n    def config_class(cls): raise KeyboardInterrupt",
        (
            "from pydantic import field_validator\nclass Config(AppConfig):\n    x: int = 1\n"
            "    @field_validator('x', mode='before')\n    @classmethod\n    def check(cls, x): raise SystemExit(x)\n"
            "class Bad(App[Config]): ..."
        ),
    ],
    ids=["module", "config_class", "validator"],
)
def test_code_of_an_app_that_exits_while_it_is_loaded_does_not_affect_the_others(
    app_dir: AppDirectory, text: str
) -> None:
    app_dir.write("good", GOOD)
    app_dir.write("bad", text)
    loaded, failed = load(
        app_dir.path, bad=entry("bad", "Bad", config={"x": 1}), lamp=entry("good", "Good", config={"light": "light.a"})
    )
    assert [app.app_key for app in loaded] == ["lamp"]
    assert [failure.app_key for failure in failed] == ["bad"]


def test_class_of_the_settings_may_be_named_before_it_exists(app_dir: AppDirectory) -> None:
    app_dir.write("early", "class Early(App['Config']): ...\nclass Config(AppConfig):\n    x: int = 1\n")
    ((loaded,), failed) = load(app_dir.path, x=entry("early", "Early", config={"x": 2}))
    assert (loaded.config.model_dump(), failed) == ({"x": 2}, [])


def test_settings_with_an_annotation_that_exists_only_for_type_checkers_name_it(app_dir: AppDirectory) -> None:
    app_dir.write(
        "bad",
        """
        from typing import TYPE_CHECKING
        if TYPE_CHECKING:
            from decimal import Decimal
        class Config(AppConfig):
            x: "Decimal"
        class Bad(App[Config]): ...
        """,
    )
    _, failed = load(app_dir.path, x=entry("bad", "Bad", config={"x": 2}))
    message = only_error(failed)
    assert message.startswith("app x.x: Config, the class of its settings, failed: ")
    assert "you should define `Decimal`" in message
    assert message.endswith("Import that name at runtime, not under TYPE_CHECKING.")


NAMED = """
class Config(AppConfig):
    name: str = "none"
    rehearse: int = 0
    log_level: str = "none"
class Good(App[Config]): ...
"""


@pytest.mark.parametrize(
    ("key", "value", "meaning"),
    [
        ("name", "x", "the name of the instance"),
        ("rehearse", True, "the switch for its rehearsal"),
        ("log_level", "debug", "the level of its log messages"),
    ],
)
def test_key_of_an_instance_that_is_also_a_setting_of_the_app_is_explained(
    app_dir: AppDirectory, key: str, value: object, meaning: str
) -> None:
    app_dir.write("good", NAMED)
    loaded, failed = load(app_dir.path, lamp=entry("good", "Good", instances=[{key: value}, {}]))
    message = only_error(failed)
    assert f"{key} of the instance " in message
    assert f"must not be a setting of Config too, because in `instances` it is {meaning}; rename the" in message
    assert [app.instance for app in loaded] == ["lamp_2"]


@pytest.mark.parametrize("instances", [[], [{}, {}]])
def test_settings_with_names_that_the_framework_uses_in_instances_can_be_set_for_all(
    app_dir: AppDirectory, instances: list[dict[str, object]]
) -> None:
    app_dir.write("good", NAMED)
    config = {"name": "a", "rehearse": 3, "log_level": "loud"}
    loaded, failed = load(app_dir.path, lamp=entry("good", "Good", config=config, instances=instances))
    assert failed == []
    assert {(app.rehearse, app.log_level) for app in loaded} == {(False, None)}
    assert [app.config.model_dump() for app in loaded] == [config] * max(1, len(instances))


def test_name_of_an_instance_that_is_no_text_is_refused(app_dir: AppDirectory) -> None:
    app_dir.write("good", GOOD)
    _, failed = load(app_dir.path, lamp=entry("good", "Good", instances=[{"name": 5}]))
    assert "the name of instance 1 must be a text, got 5" in only_error(failed)


def test_error_for_a_module_in_a_folder_names_it_with_its_folder(app_dir: AppDirectory) -> None:
    app_dir.write("garden/pump", GOOD)
    _, failed = load(app_dir.path, x=entry("pump", "Good"))
    assert "did you mean 'garden.pump'?" in only_error(failed)
    _, failed = load(app_dir.path, x=entry("garden.pumpe", "Good"))
    assert "did you mean 'garden.pump'?" in only_error(failed)
