"""The README and the documentation agree with the code."""

import ast
import re
import subprocess
import sys
import textwrap
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from hassette_core import HassetteConfig
from hassette_executor.otel.settings import OpenTelemetrySettings
from hassette_store import StoreSettings
from hassette_sync.settings import WebSettings
from support.app_examples import examples
from support.waiting import patience

ROOT = Path(__file__).parents[2]
PROSE = sorted(
    [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("packages/*/*.md")]
)
SOURCES = sorted(ROOT.glob("packages/*/src/**/*.py"))
PLUGIN_SETTINGS: dict[str, Callable[[dict[str, object]], object]] = {
    "otel": OpenTelemetrySettings.from_mapping,
    "store": StoreSettings.from_mapping,
    "sync": WebSettings.from_mapping,
}
_SECOND_FILE = "store/test_second_file.py::test_records_go_to_a_second_file_while_the_database_file_cannot_be_used"
# The events in the README's table of losses, each with the test that proves the loss.
PROOFS = {
    "clean stop": "store/test_what_can_be_lost.py::test_clean_stop_loses_nothing",
    "SIGKILL": "store/test_what_can_be_lost.py::test_sigkill_loses_only_unwritten_batches",
    # These two have the same effect on the file as SIGKILL: the process ends at any point, without a shutdown.
    "segfault": "store/test_what_can_be_lost.py::test_sigkill_loses_only_unwritten_batches",
    "out of memory": "store/test_what_can_be_lost.py::test_sigkill_loses_only_unwritten_batches",
    "power loss": "store/test_what_can_be_lost.py::test_power_loss_never_loses_the_file",
    "database locked": "store/test_what_can_be_lost.py::test_lock_of_another_process_loses_nothing",
    "disk full": "store/test_what_can_be_lost.py::test_full_disk_loses_nothing_that_is_retried",
    "read-only": "store/test_what_can_be_lost.py::test_read_only_disk_loses_nothing_that_is_retried",
    "I/O error": "store/test_what_can_be_lost.py::test_disk_that_fails_every_nth_write_loses_nothing",
    "history removed or replaced while Hassette runs": (
        "full/test_degraded.py::test_history_that_is_removed_while_running_is_begun_again_and_the_loss_is_counted"
    ),
    "corrupt file": "store/test_files.py::test_damaged_file_is_moved_aside_and_its_readable_rows_are_copied",
    "write-ahead log of another file": "store/test_salvage_of_logs.py::test_log_over_a_backup_hides_no_run",
    "wrong clock": "store/test_wrong_clock.py::test_clock_that_starts_ahead_deletes_nothing",
    "failed upgrade": _SECOND_FILE,
    "newer file": _SECOND_FILE,
    "file of another program": _SECOND_FILE,
    "Home Assistant disconnects a client that reads too slowly": (
        "core/link/test_link.py::test_cut_of_a_slow_client_is_recognised_counted_and_reported_with_its_cause"
    ),
}

each_page = pytest.mark.parametrize("page", PROSE, ids=lambda path: path.relative_to(ROOT).as_posix())


def loss_table(page: Path) -> list[str]:
    """Return the rows of the table of losses on a page."""
    match = re.search(r"\| event \| what is lost \|\n\|[-|]+\|\n((?:\|.+\|\n)+)", page.read_text())
    assert match is not None
    return match[1].splitlines()


def events(page: Path) -> list[str]:
    """Return each event in the table of losses, such as ``disk full`` and ``corrupt file``."""
    cells = [re.sub(r" \(.*?\)", "", row.split("|")[1]) for row in loss_table(page)]
    return [event.strip() for cell in cells for event in cell.split(",")]


def test_each_event_of_the_loss_table_has_a_proof() -> None:
    assert events(ROOT / "README.md") == list(PROOFS)


@pytest.mark.parametrize("proof", sorted(set(PROOFS.values())))
def test_each_proof_is_a_test_that_runs(proof: str) -> None:
    file, _, name = proof.partition("::")
    match = re.search(rf"((?:^@.*\n)*)^(?:async )?def {name}\(", (ROOT / "tests" / file).read_text(), re.MULTILINE)

    assert match is not None
    assert not re.search(r"skip|xfail|torture", match[1])


def test_loss_table_is_the_same_on_both_pages() -> None:
    assert loss_table(ROOT / "README.md") == loss_table(ROOT / "docs/what-can-be-lost.md")


def test_each_name_in_the_glossary_is_in_the_code() -> None:
    names = set(re.findall(r"`([A-Z]\w+)(?:\[\w+\])?`", (ROOT / "docs/glossary.md").read_text()))
    code = "\n".join(source.read_text() for source in SOURCES)

    assert {name for name in names if not re.search(rf"^(?:class |){name}\b", code, re.MULTILINE)} == set()


def test_model_docstring_in_contributing_is_the_real_one() -> None:
    (model,) = [
        example for example in examples(ROOT / "CONTRIBUTING.md", "python") if example.startswith("def run_in(")
    ]
    source = ROOT / "packages/hassette-core/src/hassette_core/scheduler/app_scheduler.py"

    assert textwrap.indent(model, "    ") in source.read_text()


@each_page
def test_every_link_to_a_file_has_a_target(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text())

    assert [link for link in links if "://" not in link and not (page.parent / link).exists()] == []


@each_page
def test_every_file_that_is_named_exists(page: Path) -> None:
    named = re.findall(r"`[^`\n]*?((?:tests|benchmarks|scripts|examples|docs)/[\w/]+\.\w+)`", page.read_text())

    if page.name == "tutorial.md":  # its files are in the reader's folder, and its own test runs each step
        named = []
    assert [name for name in named if not (ROOT / name).exists()] == []


@each_page
def test_python_examples_compile_and_complete_programs_run(page: Path, tmp_path: Path) -> None:
    # An example may import the module of an earlier one.
    files = re.findall(r"`apps/(\w+\.py)`:\n\n```python\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)
    for name, code in files:
        (tmp_path / name).write_text(code, encoding="utf-8")
    for example in examples(page, "python"):
        compile(example, page.name, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        if re.search(r"^(class |asyncio\.run)", example, re.MULTILINE):  # any other example is not a complete program
            command = [sys.executable, "-W", "error", "-c", example]
            done = subprocess.run(
                command, cwd=tmp_path, capture_output=True, text=True, timeout=patience(30), check=False
            )
            assert done.returncode == 0, done.stderr


@each_page
def test_every_toml_example_fits_the_model_of_the_configuration(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "token.txt").write_text("token")
    monkeypatch.chdir(tmp_path)
    for block in examples(page, "toml"):
        without_secrets = re.sub(r"""'secret\(.+?\)'|"!secret .+?\"""", '"secret"', block)
        tables = tomllib.loads(without_secrets)
        if not tables.keys() <= HassetteConfig.model_fields.keys() | PLUGIN_SETTINGS.keys():
            continue  # secrets.toml, or the pyproject.toml of a reader
        for app in tables.get("apps", {}).values():
            if not {"module", "class"} & app.keys():
                app.update({"module": "part", "class": "Part"})  # the example shows a part of the table
        for table in PLUGIN_SETTINGS.keys() & tables.keys():
            PLUGIN_SETTINGS[table](tables.pop(table))
        HassetteConfig.model_validate(tables)


def test_readme_contains_the_two_commands_that_ci_runs() -> None:
    commands = "".join(examples(ROOT / "README.md", "sh")).splitlines()

    assert sum(command.endswith("hassette demo") for command in commands) == 1
    assert sum(command.endswith("nox -s test") for command in commands) == 1
    assert commands[-1] == "bash .ci/run"
