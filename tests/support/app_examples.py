"""Examples of app code: parse them, and find the members that they use and that do not exist."""

import ast
import re
import textwrap
from pathlib import Path

from hassette_core import Api, AppBus, AppScheduler, AppStorage, RunningApps, States
from hassette_core.home import HomeRegistry
from hassette_core.moments import AppTime

COMPONENTS: dict[str, type] = {
    "api": Api,
    "apps": RunningApps,
    "bus": AppBus,
    "home": HomeRegistry,
    "scheduler": AppScheduler,
    "states": States,
    "storage": AppStorage,
    "time": AppTime,
}


def examples(page: Path, language: str) -> list[str]:
    """Return the examples of a page in a language."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```$", page.read_text(encoding="utf-8"), re.M | re.S)
    return [textwrap.dedent(text) for _, text in found]


def parse_example(text: str) -> ast.Module:
    """Parse an example, which may use ``await`` outside of a function."""
    tree = compile(textwrap.dedent(text), text, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT | ast.PyCF_ONLY_AST)
    assert isinstance(tree, ast.Module)
    return tree


def unknown_members(tree: ast.Module) -> list[str]:
    """Return members of the attributes of an app that do not exist, such as ``self.bus.on_nothing``."""
    found: list[str] = []
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Attribute(value=ast.Name(id="self"), attr=part), attr=name):
                if part in COMPONENTS and not hasattr(COMPONENTS[part], name):
                    found.append(f"self.{part}.{name}")
            case _:
                pass
    return found
