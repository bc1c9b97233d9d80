"""The public names of `hassette_store`."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import hassette_store

SOURCE = ast.parse(Path(hassette_store.__file__).read_text())


def names_in(node: ast.AST) -> dict[str, str]:
    """Return the module of each name that a statement imports."""
    imports = [each for each in ast.walk(node) if isinstance(each, ast.ImportFrom)]
    return {alias.name: each.module or "" for each in imports for alias in each.names}


def lazy_table() -> dict[str, str]:
    """Return the module of each name that is imported on first use."""
    (call,) = [node.value for node in SOURCE.body if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call)]
    names: dict[str, tuple[str, ...]] = ast.literal_eval(call.args[1])
    return {name: module for module, exported in names.items() for name in exported}


def test_three_lists_of_public_names_agree() -> None:
    (block,) = [node for node in SOURCE.body if isinstance(node, ast.If)]
    assert names_in(block) == lazy_table()
    assert sorted(hassette_store.__all__) == sorted([*lazy_table(), "__version__"])
    assert set(hassette_store.__all__) <= set(dir(hassette_store))


def test_every_public_name_is_the_object_of_its_module() -> None:
    for name, module in lazy_table().items():
        assert getattr(hassette_store, name) is getattr(importlib.import_module(module), name)
    with pytest.raises(AttributeError, match="has no attribute 'unknown'"):
        _ = hassette_store.unknown  # pyright: ignore[reportAttributeAccessIssue]


def test_public_modules_are_attributes_of_the_package() -> None:
    program = "import hassette_store; print(hassette_store.kinds.__name__, hassette_store.ids.__name__)"
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert shown.split() == ["hassette_store.kinds", "hassette_store.ids"]


def test_reader_does_not_import_the_parts_that_write() -> None:
    program = "import sys, hassette_store; hassette_store.connect_to_read; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert "hassette_store.file.connections" in modules
    assert not {"hassette_store.database", "hassette_store.retention", "alembic", "aiosqlite"} & {*modules}
