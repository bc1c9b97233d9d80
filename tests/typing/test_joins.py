"""`joins.py` has no type errors. A rename on only one side of a join would cause an error."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
JOINS = Path("tests/typing/joins.py")

# Each entry has a member of a class that is renamed on one side only, and the function of joins.py in which pyright
# must then find an error. The member is found by its package, its class and the text with which it begins, so the
# class may move to another file.
RENAMES = {
    "Batch.skipped": ("hassette_executor", "skipped: tuple", "the_store_accepts_a_batch_of_the_executor"),
    "SkipRow.reason": ("hassette_store", "reason(self)", "the_store_accepts_a_batch_of_the_executor"),
    "RecordSink.last_id": ("hassette_executor", "def last_id", "the_database_is_a_sink"),
    "Service.serve": ("hassette_core/lifecycle", "def serve", "core_accepts_these_services"),
    "LiveView.snapshot": ("hassette_core", "def snapshot", "the_live_view_of_core_is_a_live_feed"),
    "LiveSnapshot.upcoming": ("hassette_sync", "upcoming(self)", "the_live_view_returns_a_live_snapshot"),
    "LiveTrigger.detail": ("hassette_sync", "detail(self)", "the_live_view_returns_a_live_snapshot"),
    "ControlAction.by": ("hassette_sync", "by: str", "the_control_of_core_is_a_control"),
    "CompletingPluginCommand.complete": ("hassette_core", "def complete", "sync_completes_its_command"),
    "RunningRow.run": ("hassette_store", "run(self)", "the_live_view_returns_a_live_snapshot"),
}

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A copy of all files that pyright reads. A test can change the copy."""
    for source in ROOT.glob("packages/*/src"):
        shutil.copytree(source, tmp_path / source.relative_to(ROOT), ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / JOINS).parent.mkdir(parents=True)
    shutil.copy(ROOT / JOINS, tmp_path / JOINS)
    sources = [str(source.relative_to(tmp_path)) for source in tmp_path.glob("packages/*/src")]
    settings = {"include": [str(JOINS)], "typeCheckingMode": "strict", "pythonVersion": "3.11", "extraPaths": sources}
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings))
    return tmp_path


def failing_statements(workspace: Path) -> set[str]:
    """Return the names of the functions of joins.py in which pyright finds an error."""
    command = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable, "-p", str(workspace)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False, cwd=workspace)
    lines = (workspace / JOINS).read_text().splitlines()
    at = [diagnostic["range"]["start"]["line"] for diagnostic in json.loads(answer.stdout)["generalDiagnostics"]]
    return {enclosing_statement(lines[: line + 1]) for line in at}


def enclosing_statement(lines: list[str]) -> str:
    """Return the name of the last function that begins in the lines. If there is none, return the last line."""
    return next((match[1] for line in reversed(lines) if (match := re.match(r"def (\w+)", line))), lines[-1])


def file_of(workspace: Path, package: str, class_name: str) -> tuple[Path, int]:
    """Return the file that defines a class, and the position of the class in the text of the file."""
    definition = re.compile(rf"^class {class_name}\b", re.MULTILINE)
    found = [
        (path, match.start())
        for path in workspace.glob(f"packages/*/src/{package}/**/*.py")
        if (match := definition.search(path.read_text()))
    ]
    (only,) = found
    return only


def test_all_joins_type_check(workspace: Path) -> None:
    assert failing_statements(workspace) == set()


@pytest.mark.parametrize("name", RENAMES)
def test_rename_on_one_side_fails_the_type_check(workspace: Path, name: str) -> None:
    package, before, statement = RENAMES[name]
    class_name, _, member = name.partition(".")
    path, start = file_of(workspace, package, class_name)
    text = path.read_text()
    at = text.index(before, start)
    renamed = before.replace(member, f"{member}_renamed")
    path.write_text(text[:at] + renamed + text[at + len(before) :])

    assert statement in failing_statements(workspace)
