"""Find and parse the source code of the apps, and find the names that it uses."""

import ast
import inspect
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from hassette_core.syntax import syntax_tree


def file_of(cls: type) -> Path | None:
    """Return the file of a class; None if it was created without a module."""
    try:
        name = inspect.getsourcefile(cls)
    except TypeError:
        return None
    return None if name is None else Path(name)


def class_node(file: Path, cls: type) -> ast.ClassDef | None:
    """Return the definition of a class; None if the file was removed or changed after its import.

    If the file has several classes of this name, the lines of the methods show which one it is.
    """
    tree = _tree_of(file)
    if tree is None:
        return None
    lines = {code.co_firstlineno for each in vars(cls).values() if (code := getattr(each, "__code__", None))}
    classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef) and node.name == cls.__name__]
    return max(classes, key=lambda node: (len(lines & _first_lines(node)), node.lineno), default=None)


def imported_trees(directory: Path) -> list[ast.Module]:
    """Return the code of all imported modules in a directory."""
    # A framework imports thousands of modules. A comparison of paths takes ten times as long as one of their texts.
    inside = f"{directory}{os.sep}"
    names = (getattr(module, "__file__", None) for module in list(sys.modules.values()))
    files = {Path(name) for name in names if isinstance(name, str) and os.path.normpath(name).startswith(inside)}
    return [tree for file in sorted(files) if (tree := _tree_of(file)) is not None]


def used_attributes(node: ast.AST) -> Iterator[str]:
    """Yield the names of the attributes that code reads from any object, and all string constants in the code."""
    for item in ast.walk(node):
        if isinstance(item, ast.Attribute) and isinstance(item.ctx, ast.Load):
            yield item.attr
        elif isinstance(item, ast.Constant) and isinstance(item.value, str):
            yield item.value  # for example getattr(self, "initialize")


def attributes_of_others(tree: ast.AST, context: type[ast.Load | ast.Store]) -> Iterator[str]:
    """Yield the attributes that code reads from objects other than ``self``, or assigns to them (``app.extra = 1``).

    Args:
        tree: The code.
        context: `ast.Load` for reading, `ast.Store` for assigning.
    """
    for item in ast.walk(tree):
        match item:
            case ast.Attribute(value=ast.Name(id="self")):
                pass
            case ast.Attribute(attr=name, ctx=found) if isinstance(found, context):
                yield name
            case ast.Call(func=ast.Name(id="setattr"), args=[_, ast.Constant(value=str() as name), _]):
                yield name
            case _:
                pass


def _first_lines(node: ast.ClassDef) -> set[int]:
    """Return the first line of each method, which is that of its first decorator."""
    functions = [item for item in node.body if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef)]
    return {min(each.lineno for each in [*function.decorator_list, function]) for function in functions}


def _tree_of(file: Path) -> ast.Module | None:
    try:
        return syntax_tree(file.read_bytes())
    except (OSError, SyntaxError, ValueError):  # the file was removed or changed after its import
        return None
