"""The public names of `hassette_core`."""

import ast
import importlib
from pathlib import Path

import hassette_core

SOURCE = ast.parse(Path(hassette_core.__file__).read_text())


def imported_for_type_checkers() -> dict[str, str]:
    """Return the module of each name that is imported under ``TYPE_CHECKING``."""
    (block,) = [node for node in SOURCE.body if isinstance(node, ast.If)]
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    return {alias.name: node.module or "" for node in imports for alias in node.names}


def lazy_table() -> dict[str, str]:
    """Return the module of each name in the table that `lazy_attributes` gets."""
    (call,) = [node.value for node in SOURCE.body if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call)]
    table: dict[str, tuple[str, ...]] = ast.literal_eval(call.args[1])
    return {name: module for module, names in table.items() for name in names}


def test_three_lists_of_public_names_agree() -> None:
    assert imported_for_type_checkers() == lazy_table()
    assert sorted(hassette_core.__all__) == sorted([*lazy_table(), "__version__"])


def test_every_public_name_can_be_imported_and_is_the_modules_object() -> None:
    for name, module in lazy_table().items():
        assert getattr(hassette_core, name) is getattr(importlib.import_module(module), name)


def test_dir_lists_the_public_names() -> None:
    assert set(hassette_core.__all__) <= set(dir(hassette_core))
