"""If a path option leads to a pipe, a socket, a device, a directory or a loop, the command fails and never blocks."""

import os
import socket
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from support.history import History
from support.processes import errors_of_each
from support.waiting import patience

pytestmark = pytest.mark.heavy

TOKEN = {"HASSETTE__HOME_ASSISTANT__TOKEN": "t" * 20}
HASSETTE = Path(sys.executable).with_name("hassette")
COMMANDS = {
    "status": ["status"],
    "runs": ["runs"],
    "errors": ["errors", "--json"],
    "show": ["show", "1"],
    "sessions": ["sessions"],
    "check": ["check"],
    "vacuum": ["vacuum"],
    "backup": ["backup", "copy.db"],
    "restore": ["restore", "good.db"],
}


def pipe(path: Path) -> None:
    os.mkfifo(path)


def socket_file(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as bound:
        # The address of a socket has at most 107 characters, so it is bound in the folder.
        here = Path.cwd()
        os.chdir(path.parent)
        try:
            bound.bind(path.name)
        finally:
            os.chdir(here)


def link_to_pipe(path: Path) -> None:
    os.mkfifo(path.with_name("target"))
    path.symlink_to("target")


def loop(path: Path) -> None:
    path.symlink_to(path.name)


def directory_with_pipe(path: Path) -> None:
    path.mkdir()
    os.mkfifo(path / "hassette.db")


ODD: dict[str, tuple[Callable[[Path], None], str]] = {
    "pipe": (pipe, "a named pipe"),
    "socket": (socket_file, "a socket"),
    "link-to-pipe": (link_to_pipe, "a named pipe"),
    "loop": (loop, "symbolic links"),
    "directory-with-pipe": (directory_with_pipe, "a named pipe"),
}


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run ``hassette`` in a folder. It must end soon."""
    return subprocess.run(
        [HASSETTE, *arguments],
        cwd=folder, env={**os.environ, **TOKEN},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=patience(30), check=False,
    )  # fmt: skip


@pytest.mark.parametrize("odd", ODD)
def test_odd_database_is_refused_with_its_kind(tmp_path: Path, odd: str) -> None:
    make, kind = ODD[odd]
    History(tmp_path / "good.db").close()
    path = tmp_path / "odd"
    make(path)
    before = sorted(tmp_path.rglob("*"))
    commands = [["telemetry", *command, "--db", "odd"] for command in COMMANDS.values()]
    for command, errors in errors_of_each(tmp_path, *commands, **TOKEN):
        assert errors.endswith("EXIT CODE 1\n"), (command, errors)
        assert kind in errors, command
        assert "Traceback" not in errors, command
    assert sorted(tmp_path.rglob("*")) == before, "no command changed anything"


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/null", "/dev/full"])
def test_device_is_not_read(tmp_path: Path, device: str) -> None:
    commands = [["telemetry", *COMMANDS[name], "--db", device] for name in ("status", "check", "backup")]
    for command, errors in errors_of_each(tmp_path, *commands, **TOKEN):
        assert errors.endswith("EXIT CODE 1\n"), (command, errors)
        assert "a device" in errors, command
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("odd", ["pipe", "socket", "loop"])
def test_backup_is_not_restored_from_an_odd_path(tmp_path: Path, odd: str) -> None:
    make, kind = ODD[odd]
    History(tmp_path / "hassette.db").close()
    make(tmp_path / "odd")
    result = run(tmp_path, "telemetry", "restore", "odd", "--db", "hassette.db")
    assert result.returncode == 1
    assert kind in result.stderr


def test_restore_leaves_a_pipe_in_place(tmp_path: Path) -> None:
    History(tmp_path / "good.db").close()
    os.mkfifo(tmp_path / "odd")
    assert run(tmp_path, "telemetry", "restore", "good.db", "--db", "odd").returncode == 1
    assert stat.S_ISFIFO((tmp_path / "odd").stat().st_mode)


def test_text_file_is_not_a_history(tmp_path: Path) -> None:
    (tmp_path / "notes.db").write_text("hello\n" * 2_000_000)
    result = run(tmp_path, "telemetry", "status", "--db", "notes.db")
    assert result.returncode == 1
    assert "it is not an SQLite file" in result.stderr


@pytest.mark.parametrize("odd", ["pipe", "socket", "link-to-pipe", "loop"])
def test_odd_configuration_is_refused(tmp_path: Path, odd: str) -> None:
    make, _ = ODD[odd]
    make(tmp_path / "odd.toml")
    commands = [[*command, "--config", "odd.toml"] for command in (["check"], ["run"], ["demo", "--seconds", "1"])]
    for command, errors in errors_of_each(tmp_path, *commands, **TOKEN):
        assert errors.endswith("EXIT CODE 2\n") or "odd.toml cannot be read" in errors, (command, errors)
        assert not errors.endswith("EXIT CODE 0\n"), command
        assert "odd.toml" in errors, command
        assert "Traceback" not in errors, command


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/tty"])
def test_configuration_is_not_read_from_a_device(tmp_path: Path, device: str) -> None:
    result = run(tmp_path, "check", "--config", device)
    assert result.returncode != 0
    assert f"{device} cannot be read" in result.stderr


def test_huge_configuration_is_refused(tmp_path: Path) -> None:
    (tmp_path / "hassette.toml").write_text("# comment\n" * 200_000)
    result = run(tmp_path, "check")
    assert "hassette.toml cannot be read: it has 2,000,000 bytes, more than 1,000,000" in result.stderr


def test_token_file_that_is_a_pipe_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "token")
    (tmp_path / "hassette.toml").write_text('[home_assistant]\nurl = "http://127.0.0.1:1"\ntoken_file = "token"\n')
    env = {name: value for name, value in os.environ.items() if "TOKEN" not in name}
    result = subprocess.run(
        [HASSETTE, "check"],
        cwd=tmp_path, env=env, capture_output=True, text=True, timeout=patience(30), check=False,
    )  # fmt: skip
    assert "token_file must be a readable file" in result.stderr
    assert "it is a named pipe, not a file" in result.stderr


def test_history_is_found_although_the_configuration_is_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "hassette.toml")
    History(tmp_path / "hassette.db").close()
    result = subprocess.run(
        [Path(sys.executable).with_name("hassette-telemetry"), "status"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=patience(30),
        check=False,
    )
    assert result.returncode == 0, result.stderr
