"""An error of the user or of an app is reported in one paragraph, with the cause and the fix, without a traceback."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.history_file import HistoryFile
from support.processes import Process, Start, errors_of_each
from support.waiting import patience

pytestmark = [pytest.mark.timeout(180), pytest.mark.heavy]

TOKEN = {"HASSETTE__HOME_ASSISTANT__TOKEN": "a-token"}
GOOD_APP = """
from hassette_core import App, AppConfig

class Good(App[AppConfig]):
    async def on_initialize(self) -> None:
        self.scheduler.run_in(self.run, 0.1)

    async def run(self) -> None:
        self.logger.warning("the good app runs")
"""
LEAKY = """
from pydantic import Field
from hassette_core import App, AppConfig

class Config(AppConfig):
    api_key: str = Field(alias="api-key")

class Leaky(App[Config]):
    async def on_initialize(self) -> None:
        raise ValueError(f"cannot log in with {self.config.api_key}")
"""
HANDLER_EXITS = """
import sys
from hassette_core import App, AppConfig

class Exits(App[AppConfig]):
    async def on_initialize(self) -> None:
        self.scheduler.run_in(self.end, 0.1)

    async def end(self) -> None:
        sys.exit(3)
"""


@pytest.fixture
def apps(tmp_path: Path) -> Path:
    folder = tmp_path / "apps"
    folder.mkdir()
    (folder / "good.py").write_text(GOOD_APP, encoding="utf-8")
    return folder


def stopped_after(process: Process, text: str) -> str:
    """Wait for a line with the text, stop the process, and return the line. Fail if the output has the text twice."""
    line = process.wait_for(text)
    process.signal(signal.SIGTERM)
    assert process.end() == 0
    assert process.output.count(text) == 1
    return line


def configure(folder: Path, text: str) -> None:
    (folder / "hassette.toml").write_text(text, encoding="utf-8")


BAD_CONFIGURATIONS = [
    ("[home_assistant]\nurll = 'x'", ["line 2", "home_assistant.urll is not a known key", "did you mean 'url'"]),
    ("[hassette]\nlog_level = 3", ["line 2", "hassette.log_level must be one of 'debug'", "got 3"]),
    ("[hassette]\nwhat is this", ["hassette.toml is not valid TOML", "line 2"]),
    ("[store]\nsynchronus = 1", ["hassette.toml", "[store]", "synchronus", "synchronous"]),
    ('[sync]\nport = "x"', ["hassette.toml", "[sync]", "port"]),
    ('[home_assistant]\nurl = "homeassistant.local"\ntoken = "x"', ["homeassistant.local", "http://"]),
]


def test_error_in_the_configuration_is_one_paragraph_and_exit_code_2(tmp_path: Path) -> None:
    commands: list[list[str]] = []
    for number, (text, _) in enumerate(BAD_CONFIGURATIONS):
        folder = tmp_path / str(number)
        folder.mkdir()
        configure(folder, text)
        commands.append(["run", "--config", str(folder / "hassette.toml")])
    found = errors_of_each(tmp_path, *commands, **TOKEN)
    for (text, words), (_, errors) in zip(BAD_CONFIGURATIONS, found, strict=True):
        assert errors.endswith("EXIT CODE 2\n"), (text, errors)
        assert "Traceback" not in errors
        (paragraph,) = [line for line in errors.splitlines() if line.startswith("hassette: ")]
        assert [word for word in words if word not in paragraph] == []


def test_missing_token_is_one_paragraph_and_exit_code_2(start: Start, tmp_path: Path) -> None:
    configure(tmp_path, "")
    process = start("run")
    assert process.end() == 2, process.output
    (paragraph,) = process.output.splitlines()
    assert "hassette.toml: home_assistant.token is missing" in paragraph
    assert "long-lived access token" in paragraph


def test_missing_configuration_names_the_command_that_creates_one(start: Start) -> None:
    process = start("run")
    assert process.end() == 2
    assert process.output.count("\n") == 1
    assert "hassette init" in process.output


def test_broken_app_leaves_the_others_running(start: Start, tmp_path: Path, apps: Path) -> None:
    (apps / "broken.py").write_text("import nowhere_to_be_found", encoding="utf-8")
    configure(
        tmp_path,
        '[apps.broken]\nmodule = "broken"\nclass = "Broken"\n[apps.good]\nmodule = "good"\nclass = "Good"\n',
    )
    process = start("demo", "--config", "hassette.toml", "--data-dir", "data", "--port", 0)
    process.wait_for_all("cannot import", "the good app runs")
    process.signal(signal.SIGTERM)
    assert process.end() == 0


def test_secret_that_an_app_raises_is_neither_in_the_log_nor_in_the_history(
    start: Start, tmp_path: Path, apps: Path, history: HistoryFile
) -> None:
    (apps / "leaky.py").write_text(LEAKY, encoding="utf-8")
    configure(
        tmp_path,
        '[apps.leaky]\nmodule = "leaky"\nclass = "Leaky"\nconfig = { api-key = "hunter2hunter2" }\n'
        '[apps.good]\nmodule = "good"\nclass = "Good"\n',
    )
    process = start("demo", "--config", "hassette.toml", "--data-dir", history.file.parent, "--port", 0, "--speed", 0)
    process.wait_for_all("cannot log in with •••", "the good app runs")
    process.signal(signal.SIGTERM)
    assert process.end() == 0
    assert "hunter2hunter2" not in process.output
    stored = b"".join(file.read_bytes() for file in history.file.parent.iterdir() if file.is_file())
    assert "cannot log in with •••".encode() in stored
    assert b"hunter2hunter2" not in stored


def test_handler_that_calls_sys_exit_fails_its_run_and_the_session_ends_clean(
    start: Start, tmp_path: Path, apps: Path, history: HistoryFile
) -> None:
    (apps / "exits.py").write_text(HANDLER_EXITS, encoding="utf-8")
    configure(tmp_path, '[apps.exits]\nmodule = "exits"\nclass = "Exits"\n')
    process = start("demo", "--config", "hassette.toml", "--data-dir", history.file.parent, "--port", 0, "--speed", 0)
    process.wait_for("exits.exits.end failed: SystemExit: 3")
    process.signal(signal.SIGTERM)
    assert process.end() == 0, process.output
    assert "could not be handed to the executor" not in process.output
    assert "failures      1 (exits.exits.end 1×)" in process.output, "the summary and the history agree"
    (session,) = history.sessions()
    assert (session["outcome"], session["reason"]) == ("clean", "SIGTERM")
    assert len(history.run_ids()) == 1


@pytest.fixture
def port_in_use() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_port_in_use_disables_only_the_pages(start: Start, port_in_use: int) -> None:
    process = start("demo", "--no-past", "--data-dir", "data", "--port", port_in_use)
    line = stopped_after(process, "Service failed to start")
    assert f"Port {port_in_use}" in line
    assert "Set port in [sync]" in line
    assert "page          none" in process.output
    assert "lost records  none" in process.output


@pytest.mark.usefixtures("apps")
def test_unwritable_data_directory_disables_only_the_history(start: Start, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a directory", encoding="utf-8")
    configure(tmp_path, '[apps.good]\nmodule = "good"\nclass = "Good"\n')
    process = start("demo", "--config", "hassette.toml", "--data-dir", tmp_path / "file" / "data", "--port", 0)
    line = process.wait_for("Service failed to start")
    stopped_after(process, "the good app runs")
    assert str(tmp_path / "file" / "data") in line
    assert "set another data_dir" in line
    assert "degraded      database" in process.output
    assert "stop_deadline" in process.output, "the summary counts the lost runs"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can change to another user")
def test_data_directory_of_another_user_is_named(tmp_path: Path) -> None:
    # File modes do not restrict root, so the store runs as another user.
    folder = tmp_path / "data of another user"
    folder.mkdir(mode=0o700)
    program = (
        "import asyncio, concurrent.futures.thread, os\nfrom pathlib import Path\n"
        "from hassette_store.plugin import create_sink\n"
        f"sink = create_sink(data_dir=Path({str(folder)!r}), settings={{}})\n"
        "os.setgid(65534)\nos.setuid(65534)\n"
        "try:\n    asyncio.run(sink.start())\nexcept Exception as error:\n    print(error)\n"
    )
    command = [sys.executable, "-c", program]
    output = subprocess.run(command, capture_output=True, text=True, timeout=patience(30), check=True).stdout
    assert str(folder) in output
    assert "data_dir" in output


def test_file_that_is_not_a_database_is_named_and_not_changed(start: Start, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    letter = "Dear diary, this is not a database. " * 50
    (data / "hassette.db").write_text(letter, encoding="utf-8")
    process = start("demo", "--no-past", "--data-dir", data, "--port", 0)
    line = stopped_after(process, "Database file cannot be used; new records go to a second file")
    assert "hassette.db" in line
    assert "not an SQLite database" in line
    assert (data / "hassette.db").read_text(encoding="utf-8") == letter
    assert len(list(data.glob("hassette-degraded-*.db"))) == 1


def test_unknown_command_is_wrong_usage(start: Start) -> None:
    process = start("dmeo")
    assert process.end() == 2
    assert "No such command" in process.output
