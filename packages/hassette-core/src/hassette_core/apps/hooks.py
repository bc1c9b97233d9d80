"""`uncalled_hooks`: find methods that look like hooks, but that neither the framework nor an app calls.

Without this check, an app of AppDaemon, whose ``initialize`` registers all listeners, would start and do nothing.
"""

import ast
import difflib
from pathlib import Path
from typing import Any, NamedTuple

from hassette_core.apps.app import AnyApp, App
from hassette_core.apps.source_code import attributes_of_others, class_node, file_of, imported_trees, used_attributes
from hassette_core.apps.sync_app import SyncApp
from hassette_core.replacements import HOOKS

_NAMES = ("on_initialize", "on_shutdown", "on_error")
_FRAMEWORK_CLASSES = (AnyApp, App, SyncApp)
_CLOSE = 0.85
"""A method counts as a misspelt hook if its name has at least this similarity (0 to 1) to the name of a hook."""


class UncalledHook(NamedTuple):
    """A method that looks like a hook and that no code calls.

    Attributes:
        name: The name of the method.
        hook: The hook that it may be.
        file: The file of the class.
        line: The line of the method.
        in_app: Whether the class is an app. Code of another library may call the methods of a mixin.
    """

    name: str
    hook: str
    file: str
    line: int
    in_app: bool

    def __str__(self) -> str:
        return f"no code calls the method {self.name}; did you mean {self.hook!r}?"


def uncalled_hooks(app_class: type[AnyApp[Any]], app_dir: Path) -> list[UncalledHook]:
    """Return the methods of an app that look like hooks, but that no code in ``app_dir`` calls.

    Args:
        app_class: The class of the app.
        app_dir: The directory of the apps' modules. Classes in other directories are not checked.
    """
    suspects: dict[type, dict[str, str]] = {}
    for cls in app_class.__mro__:
        if cls not in _FRAMEWORK_CLASSES:
            hooks = {name: hook for name in vars(cls) if (hook := _hook_of(name, app_class)) is not None}
            if hooks:
                suspects[cls] = hooks
    if not suspects:
        return []  # the usual case, in which no code is read
    used = {name for tree in imported_trees(app_dir) for name in attributes_of_others(tree, ast.Load)}
    nodes: list[tuple[type, Path, ast.ClassDef]] = []
    for cls in app_class.__mro__:
        file = file_of(cls)
        if file is not None and app_dir in file.parents and (node := class_node(file, cls)) is not None:
            nodes.append((cls, file, node))
            used |= set(used_attributes(node))
    return [
        UncalledHook(item.name, suspects[cls][item.name], str(file), item.lineno, issubclass(cls, AnyApp))
        for cls, file, node in nodes
        if cls in suspects
        for item in node.body
        if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef)
        and item.name in suspects[cls]
        and item.name not in used
    ]


def _hook_of(name: str, app_class: type[AnyApp[Any]]) -> str | None:
    """Return the hook that a method may be; None if the name is not similar to a hook."""
    if hasattr(AnyApp, name):
        return None
    if name in HOOKS:
        return HOOKS[name]
    close = difflib.get_close_matches(name, _NAMES, n=1, cutoff=_CLOSE)
    # An app that has the hook may have another method with a similar name.
    return close[0] if close and not _overrides(app_class, close[0]) else None


def _overrides(app_class: type[AnyApp[Any]], hook: str) -> bool:
    return any(hook in vars(cls) for cls in app_class.__mro__ if cls not in _FRAMEWORK_CLASSES)
