"""`ModuleChanges`: the imported modules of apps that differ from their files, and the modules that import them."""

import ast
from collections.abc import Iterator, Mapping
from importlib.util import resolve_name
from pathlib import Path
from types import ModuleType

from hassette_core.apps.imports import PACKAGE, AppSourceLoader, digest_of, loaded_modules


class ModuleChanges:
    """Compares the imported modules of apps with their files.

    The comparison of contents is exact: an unchanged file that was saved again is no change, and a change is found even
    if the operating system did not report it.
    """

    def __init__(self) -> None:
        self._refused: dict[str, bytes] = {}

    def refuse(self, name: str, module: ModuleType) -> None:
        """Do not count the current file of a module as a change, because that version could not start."""
        self._refused[name] = digest_of(_source_of(module))

    def accept(self, name: str) -> None:
        """Count the file of a module as a change again."""
        self._refused.pop(name, None)

    def affected(self) -> dict[str, ModuleType]:
        """Return the changed modules, and the modules that import them directly or through others."""
        modules = loaded_modules()
        affected = {name for name, module in modules.items() if self._is_changed(name, module)}
        if affected:
            imports = {name: set(_imports_of(module, modules)) for name, module in modules.items()}
            waiting = list(affected)
            while waiting:
                changed = waiting.pop()
                for name, imported in imports.items():
                    if changed in imported and name not in affected:
                        affected.add(name)
                        waiting.append(name)
        return {name: modules[name] for name in affected}

    def _is_changed(self, name: str, module: ModuleType) -> bool:
        loader = _loader_of(module)
        return loader is not None and digest_of(_source_of(module)) not in (loader.digest, self._refused.get(name))


def missing_files() -> bool:
    """Return whether the file of an imported module is missing or empty. An editor may be replacing it."""
    return any(_source_of(module) == b"" for module in loaded_modules().values() if _loader_of(module) is not None)


def _loader_of(module: ModuleType) -> AppSourceLoader | None:
    loader = module.__spec__.loader if module.__spec__ is not None else None
    return loader if isinstance(loader, AppSourceLoader) else None


def _source_of(module: ModuleType) -> bytes:
    """Return the content of a module's file; nothing if there is no such file."""
    loader = _loader_of(module)
    try:
        return Path(str(loader.path)).read_bytes() if loader is not None else b""
    except OSError:  # the import of the module reports this error
        return b""


def _imports_of(module: ModuleType, modules: Mapping[str, ModuleType]) -> Iterator[str]:
    """Yield the modules of apps that a module imports.

    The statements in its source show most of them. The objects in the module show modules that it imports by a
    computed name.
    """
    parent = module.__name__.rpartition(".")[0]
    if parent != PACKAGE:
        yield parent  # Python imports a package before its modules
    for name in _imported_names(module):
        for full_name in (name, f"{PACKAGE}.{name}"):
            parts = full_name.split(".")
            yield from (".".join(parts[:end]) for end in range(2, len(parts) + 1))
    for value in list(vars(module).values()):
        found = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
        if isinstance(found, str) and found in modules and found != module.__name__:
            yield found


def _imported_names(module: ModuleType) -> Iterator[str]:
    try:
        tree = ast.parse(_source_of(module))
    except (SyntaxError, ValueError):  # a changed file; the import of the module reports the error
        return
    package = module.__name__ if hasattr(module, "__path__") else module.__name__.rpartition(".")[0]
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=source, names=names, level=level):
                try:
                    base = resolve_name("." * level + (source or ""), package) if level else source or ""
                except ImportError:  # more dots than packages; the import reports it
                    continue
                yield base
                yield from (f"{base}.{alias.name}" for alias in names)
            case ast.Call(args=[ast.Constant(value=str() as name), *_]) if not name.startswith("."):
                yield name  # for example importlib.import_module("notifier")
            case _:
                pass
