"""No package asks whether a file exists with a call that answers "no" when it does not know."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HIDING = {
    "exists", "glob", "is_block_device", "is_char_device", "is_dir", "is_fifo", "is_file", "is_junction", "is_mount",
    "is_socket", "is_symlink", "isdir", "isfile", "islink", "lexists", "rglob",
}  # fmt: skip
"""Methods of `Path` and functions of `os.path` that return False, or leave entries out, after an error."""
MODULES = sorted((ROOT / "packages").glob("*/src/**/*.py"))


def hiding_calls(module: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in HIDING:
            yield f"line {node.lineno}: {node.func.attr}"


@pytest.mark.parametrize("module", MODULES, ids=lambda module: str(module.relative_to(ROOT / "packages")))
def test_no_call_takes_an_error_for_an_absent_file(module: Path) -> None:
    assert list(hiding_calls(module)) == []
