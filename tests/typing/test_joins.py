"""`joins.py` fits today, and would say so if a name on one side changed."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
JOINS = Path("tests/typing/joins.py")

# What is renamed, on one side only, and the statement that must fail then.
RENAMES = {
    "Batch.skipped": ("hassette_executor/records.py", "skipped: tuple", "a_batch_of_the_executor_is_one_for_the_store"),
    "SkipRow.reason": ("hassette_store/rows.py", "reason(self)", "a_batch_of_the_executor_is_one_for_the_store"),
    "RecordSink.last_id": ("hassette_executor/sink.py", "def last_id", "the_database_is_a_sink"),
    "Service.serve": ("hassette_core/lifecycle/protocols.py", "def serve", "these_are_services"),
    "LiveView.snapshot": ("hassette_core/live.py", "def snapshot", "core_shows_sync_what_is_live"),
    "LiveSnapshot.upcoming": ("hassette_sync/live.py", "upcoming(self)", "core_says_how_things_are_now"),
}

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A copy of all that pyright looks at, to be spoilt."""
    for source in ROOT.glob("packages/*/src"):
        shutil.copytree(source, tmp_path / source.relative_to(ROOT), ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / JOINS).parent.mkdir(parents=True)
    shutil.copy(ROOT / JOINS, tmp_path / JOINS)
    sources = [str(source.relative_to(tmp_path)) for source in tmp_path.glob("packages/*/src")]
    settings = {"include": [str(JOINS)], "typeCheckingMode": "strict", "pythonVersion": "3.11", "extraPaths": sources}
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings))
    return tmp_path


def statements_that_fail(workspace: Path) -> set[str]:
    """Return the names of the functions of joins.py in which pyright finds an error."""
    command = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable, "-p", str(workspace)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False, cwd=workspace)
    lines = (workspace / JOINS).read_text().splitlines()
    at = [diagnostic["range"]["start"]["line"] for diagnostic in json.loads(answer.stdout)["generalDiagnostics"]]
    return {statement_around(lines[: line + 1]) for line in at}


def statement_around(lines: list[str]) -> str:
    """Return the name of the last function that the lines begin, or the last line if there is none."""
    return next((match[1] for line in reversed(lines) if (match := re.match(r"def (\w+)", line))), lines[-1])


def test_every_join_fits(workspace: Path) -> None:
    assert statements_that_fail(workspace) == set()


@pytest.mark.parametrize("name", RENAMES)
def test_a_name_that_changes_on_one_side_is_noticed(workspace: Path, name: str) -> None:
    file, before, statement = RENAMES[name]
    (path,) = workspace.glob(f"packages/*/src/{file}")
    text = path.read_text()
    field = name.partition(".")[2]
    assert before in text
    path.write_text(text.replace(before, before.replace(field, f"{field}_renamed")))

    assert statement in statements_that_fail(workspace)
