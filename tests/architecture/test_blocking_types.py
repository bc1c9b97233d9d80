"""The types of the blocking classes agree with the classes that an `App` uses."""

import ast

import pytest

import write_blocking_types
from hassette_core.apps import blocking

COMMAND = "python scripts/write_blocking_types.py"


def without_layout(text: str) -> str:
    """Return the code without its layout: the order of imports, line breaks and the layout of docstrings."""
    tree = ast.parse(text)
    imports = sorted(
        f"{node.module} {name.name} {name.asname}"
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        for name in node.names
    )
    classes = [ast.unparse(node) for node in tree.body if isinstance(node, ast.ClassDef)]
    return "\n".join([*imports, *(" ".join(line.split()) for line in classes)])


def test_types_of_the_blocking_classes_are_up_to_date() -> None:
    written = write_blocking_types.FILE.read_text(encoding="utf-8")
    assert without_layout(written) == without_layout(write_blocking_types.blocking_types()), f"run: {COMMAND}"


@pytest.mark.parametrize("cls", blocking.Blocking.__subclasses__(), ids=lambda cls: cls.__name__)
def test_blocking_class_has_each_public_method_of_its_source(cls: type[blocking.Blocking]) -> None:
    missing = {name for name, _ in blocking.public_methods(cls._source)} - vars(cls).keys()
    assert not missing
