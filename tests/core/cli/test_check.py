"""``hassette check`` and ``hassette init``."""

import asyncio
import errno
import os
from pathlib import Path

import pytest

from hassette_core.cli.main import execute
from hassette_core.simulation.home import SimulatedHome
from support.waiting import patience

pytestmark = pytest.mark.heavy

GOOD_APP = """
from hassette_core import App, AppConfig

class GoodConfig(AppConfig):
    light: str

class Good(App[GoodConfig]):
    pass
"""
UNBUILDABLE = """
from hassette_core import App, AppConfig
from pydantic import model_validator
class Settings(AppConfig):
    @model_validator(mode="after")
    def validate(self):
        raise TypeError("not today")
class Broken(App[Settings]): pass
"""
BOTH = """
[apps.broken]
module = "broken"
class = "Broken"
[apps.good]
module = "good"
class = "Good"
config.light = "light.hall"
"""


@pytest.fixture(autouse=True)
def folder(config_dir: Path) -> Path:
    (config_dir / "apps" / "good.py").write_text(GOOD_APP, encoding="utf-8")
    (config_dir / "hassette.toml").write_text(BOTH, encoding="utf-8")
    return config_dir


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (None, ["does not exist", "broken.py", "[apps.broken]"]),
        ("import nowhere_to_be_found", ["cannot import", "broken.py", "nowhere_to_be_found"]),
        ("def (", ["cannot import", "broken.py", "SyntaxError"]),
        ("class Broken: pass", ["Broken", "class must be an App, got 'Broken'"]),
        ("x = 1", ["has no class 'Broken'", "`class` in [apps.broken]"]),
        ("from hassette_core import App\nclass Broken(App): pass", ["app broken: class Broken", "App[AppConfig]"]),
        (UNBUILDABLE, ["app broken.broken: Settings", "TypeError: not today", "line 7 of", "broken.py"]),
    ],
)
def test_check_reports_a_broken_app_and_still_loads_the_others(
    folder: Path, capsys: pytest.CaptureFixture[str], source: str | None, words: list[str]
) -> None:
    if source is not None:
        (folder / "apps" / "broken.py").write_text(source, encoding="utf-8")
    assert execute(["check"]) == 2
    output = capsys.readouterr()
    (paragraph,) = output.err.splitlines()
    assert [word for word in words if word not in paragraph] == []
    assert output.out == "ok      good.good: Good\n"


def test_check_reports_a_wrong_setting_of_an_app(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "hassette.toml").write_text(BOTH[BOTH.index("[apps.good]") :].replace("config.light", "config.lihgt"))
    assert execute(["check"]) == 2
    assert "did you mean 'light'?" in capsys.readouterr().err


def test_check_of_a_valid_configuration_has_exit_code_0(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "hassette.toml").write_text(BOTH[BOTH.index("[apps.good]") :])
    assert execute(["check"]) == 0
    assert "hassette.toml is valid: 1 app instance\n" in capsys.readouterr().out
    assert not (folder / "data").exists(), "a check creates no files"


@pytest.mark.parametrize("problem", ["no token", "no home"])
def test_check_starts_the_apps_also_without_a_token_or_a_connection(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, problem: str
) -> None:
    (folder / "apps" / "broken.py").write_text(
        "from hassette_core import App, AppConfig\n\nclass Broken(App[AppConfig]):\n"
        "    async def on_initialize(self) -> None:\n        self.scheduler.run_dialy(print, '07:00')\n",
        encoding="utf-8",
    )
    arguments = ["check"]
    if problem == "no token":
        monkeypatch.delenv("HASSETTE__HOME_ASSISTANT__TOKEN")
    else:
        monkeypatch.setenv("HASSETTE__HOME_ASSISTANT__URL", "http://127.0.0.1:1")
        arguments += ["--online", "--timeout", "2"]
    assert execute(arguments) != 0
    output = capsys.readouterr()
    assert output.out == "ok      good.good: Good\n"
    finding, sentence = output.err.splitlines()
    assert "run_dialy" in finding
    assert "token is missing" in sentence or "cannot connect" in sentence


def test_wrong_setting_of_one_of_two_instances_is_reported_once(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "hassette.toml").write_text(
        '[apps.good]\nmodule = "good"\nclass = "Good"\n'
        'instances = [{ name = "hall", light = "light.hall" }, { name = "bath", light = 7 }]\n'
    )
    assert execute(["check"]) == 2
    (problem,) = capsys.readouterr().err.splitlines()
    assert "good.bath" in problem


async def check_online(url: str, token: str, monkeypatch: pytest.MonkeyPatch, timeout_s: float = 20) -> int:
    monkeypatch.setenv("HASSETTE__HOME_ASSISTANT__URL", url)
    monkeypatch.setenv("HASSETTE__HOME_ASSISTANT__TOKEN", token)
    return await asyncio.to_thread(execute, ["check", "--online", "--timeout", str(patience(timeout_s))])


async def test_check_online_reports_version_and_address_of_home_assistant(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "hassette.toml").write_text("")
    async with SimulatedHome(speed=0) as home:
        assert await check_online(home.url, home.token, monkeypatch) == 0
        assert f"Home Assistant 2025.4.4 at {home.url}, {len(home.core.states)} entities" in capsys.readouterr().out


async def test_check_online_connects_even_if_an_app_is_broken(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with SimulatedHome(speed=0) as home:
        assert await check_online(home.url, home.token, monkeypatch) == 2
        output = capsys.readouterr()
        assert "app broken" in output.err
        assert f"Home Assistant 2025.4.4 at {home.url}" in output.out


async def test_refused_token_has_exit_code_3_and_one_sentence_without_the_token(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "hassette.toml").write_text("")
    async with SimulatedHome(speed=0) as home:
        assert await check_online(home.url, "a-wrong-token", monkeypatch) == 3
    (sentence,) = capsys.readouterr().err.splitlines()
    assert "refused the access token" in sentence
    assert "a-wrong-token" not in sentence


@pytest.mark.parametrize(
    ("scheme", "words"),
    [("http", ["cannot connect to http://127.0.0.1", "onnect"]), ("https", ["an address with http://"])],
)
async def test_check_online_reports_the_reason_if_there_is_no_connection(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, scheme: str, words: list[str]
) -> None:
    (folder / "hassette.toml").write_text("")
    async with SimulatedHome(speed=0) as home:
        url = home.url.replace("http:", f"{scheme}:")
        if scheme == "http":
            await home.stop()  # then the server refuses connections to this port
        assert await check_online(url, "a-token", monkeypatch, timeout_s=2) == 1
    (sentence,) = capsys.readouterr().err.splitlines()
    assert [word for word in words if word not in sentence] == []
    assert sentence.endswith("Check that the address is right and that Home Assistant is running.")


def test_files_that_init_creates_pass_check(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    assert execute(["init", str(home)]) == 0
    monkeypatch.chdir(home)
    assert execute(["check"]) == 0
    assert "ok      motion_light.hall: MotionLight" in capsys.readouterr().out


def test_only_the_owner_may_read_a_new_configuration(folder: Path) -> None:
    before = os.umask(0)
    try:
        assert execute(["init", str(folder / "new")]) == 0
    finally:
        os.umask(before)
    assert (folder / "new" / "hassette.toml").stat().st_mode & 0o777 == 0o600
    assert (folder / "new" / "apps" / "motion_light.py").stat().st_mode & 0o777 == 0o666


def test_init_names_all_existing_files(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "apps" / "motion_light.py").write_text("", encoding="utf-8")
    assert execute(["init"]) == 1
    error = capsys.readouterr().err
    assert error == "hassette: hassette.toml and apps/motion_light.py already exist; nothing was written\n"


@pytest.mark.parametrize("look", ["lstat", "stat", "exists"])
def test_init_overwrites_nothing_if_it_cannot_look_for_existing_files(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, look: str
) -> None:
    before = (folder / "hassette.toml").read_text()

    def fail(file: Path, **_: object) -> object:
        if look == "exists":
            return False  # as `Path.exists` on Python 3.14 after an I/O error
        raise OSError(errno.EIO, os.strerror(errno.EIO), str(file))

    monkeypatch.setattr(Path, look, fail)
    assert execute(["init"]) == 1
    assert "hassette.toml" in capsys.readouterr().err
    monkeypatch.undo()
    assert (folder / "hassette.toml").read_text() == before


def test_init_overwrites_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (folder / "hassette.toml").read_text()
    assert execute(["init"]) == 1
    assert "hassette.toml already exists; nothing was written" in capsys.readouterr().err
    assert (folder / "hassette.toml").read_text() == before
    assert not (folder / "apps" / "motion_light.py").exists()
