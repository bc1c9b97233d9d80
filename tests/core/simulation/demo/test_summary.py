"""``hassette demo`` at its ends: where it keeps its file if nobody says, and what it says last."""

import getpass
import json
import os
import tempfile
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hassette_core import installed
from hassette_core.cli.demo import default_data_dir
from hassette_core.simulation.demo.summary import MOST_SESSIONS, summarise


@pytest.mark.parametrize("error", [KeyError("uid not found: 4711"), OSError("No username set"), ImportError("pwd")])
def test_a_user_without_a_name_has_a_folder_too(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def nameless() -> str:
        raise error

    monkeypatch.setattr(getpass, "getuser", nameless)
    assert default_data_dir() == Path(tempfile.gettempdir()) / f"hassette-demo-{os.getuid()}"


@pytest.fixture
def ended(tmp_path: Path) -> Any:
    """A demonstration that has ended, with one run kept."""
    return SimpleNamespace(
        accounting=SimpleNamespace(executed=1, persisted=1, waiting=0, shed={}),
        tally=SimpleNamespace(failures=Counter[str]()),
        options=SimpleNamespace(data_dir=tmp_path),
        keeps=True,
        page_url=None,
        degraded=(),
    )


@pytest.mark.parametrize(("cursor", "words"), [(None, "500 in the history"), ("7", "500 or more in the history")])
def test_sessions_are_counted_up_to_what_the_command_tells_at_once(
    cursor: str | None, words: str, ended: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def telemetry(arguments: list[str]) -> int:
        limit = int(arguments[arguments.index("--limit") + 1])
        print(json.dumps({"sessions": [{"state": "clean"}] * limit, "next_cursor": cursor}))
        return 0

    point = SimpleNamespace(load=lambda: telemetry)
    monkeypatch.setattr(installed, "commands", lambda: {"telemetry": point})
    assert MOST_SESSIONS == 500
    assert f"  sessions  {words} (500 clean)" in summarise(ended, 1.0).splitlines()


@pytest.mark.parametrize(
    ("called", "on_the_path", "to_type"),
    [
        (".venv/bin/hassette", None, ".venv/bin/hassette"),
        ("/home/me/.venv/bin/hassette", "/home/me/.venv/bin/hassette", "hassette"),
        ("/usr/lib/python3/pytest/__main__.py", None, "hassette"),
    ],
)
def test_what_to_type_next_is_what_was_typed_where_the_command_has_only_its_path(
    called: str, on_the_path: str | None, to_type: str, ended: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", [called, "demo"])
    monkeypatch.setattr("shutil.which", lambda name: on_the_path)
    file = tmp_path / "hassette.db"
    assert f"Look at it with:  {to_type} telemetry sessions --db {file}" in summarise(ended, 1.0).splitlines()
