"""The imported modules of apps that differ from their files, and the modules that depend on them."""

import ast
from collections.abc import Collection, Iterator, Mapping
from importlib.util import resolve_name
from pathlib import Path
from types import ModuleType

from hassette_core.apps.imports import PACKAGE, AppSourceLoader, loaded_modules
from hassette_core.syntax import syntax_tree


def changed_groups() -> list[dict[str, ModuleType]]:
    """Return the imported modules that differ from their files, and the modules that import them, in groups.

    A module and the modules that import it, directly or through others, belong to one group: if one of them cannot be
    used, the others cannot be used either, or there would be two copies of a module.

    The comparison of contents is exact: an unchanged file that was saved again is no change, and a change is found even
    if the operating system did not report it.
    """
    modules = loaded_modules()
    changed = [name for name, module in modules.items() if _is_changed(module)]
    if not changed:
        return []
    imports = {name: set(_imports_of(module, modules)) for name, module in modules.items()}
    affected = _with_importers(changed, imports)
    groups: list[dict[str, ModuleType]] = []
    left = dict.fromkeys(name for name in modules if name in affected)
    while left:
        group, waiting = set[str](), [next(iter(left))]
        while waiting:
            name = waiting.pop()
            if name in left:
                del left[name]
                group.add(name)
                waiting += imports[name]
                waiting += (other for other in left if name in imports[other])
        groups.append({name: module for name, module in modules.items() if name in group})
    return groups


def importers_of(names: Collection[str]) -> set[str]:
    """Return modules, and the imported modules of apps that import them directly or through others."""
    modules = loaded_modules()
    return _with_importers(names, {name: set(_imports_of(module, modules)) for name, module in modules.items()})


def _with_importers(names: Collection[str], imports: Mapping[str, Collection[str]]) -> set[str]:
    found = set(names)
    waiting = list(names)
    while waiting:
        imported = waiting.pop()
        for name, its_imports in imports.items():
            if imported in its_imports and name not in found:
                found.add(name)
                waiting.append(name)
    return found


def files_behind(module: str, app_dir: Path) -> frozenset[tuple[str, bytes]]:
    """Return the files of a module and of all modules of apps that it imports, each with its content.

    Two results are equal if no file has changed, and no imported file was added or removed.

    Args:
        module: The name of the module in ``app_dir``, such as ``garden.pump``.
        app_dir: The directory of the apps' modules.
    """
    found: dict[str, bytes] = {}
    waiting, seen = [module], set[str]()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        path = app_dir.joinpath(*name.split("."))
        for file in (path / "__init__.py", path.with_suffix(".py")):
            if (source := _read(file)) is not None:
                found[str(file)] = source
                is_package = file.name == "__init__.py"
                package = f"{PACKAGE}.{name}" if is_package else f"{PACKAGE}.{name}".rpartition(".")[0]
                for imported in _imported_names(source, package):
                    parts = imported.removeprefix(f"{PACKAGE}.").split(".")
                    if all(part.isidentifier() for part in parts):
                        waiting += (".".join(parts[:end]) for end in range(1, len(parts) + 1))
                break
    return frozenset(found.items())


def missing_files() -> bool:
    """Return whether the file of an imported module is missing, or has become empty. An editor may be replacing it."""
    return any(
        loader.source and not _source_of(module)
        for module in loaded_modules().values()
        if (loader := _loader_of(module)) is not None
    )


def _is_changed(module: ModuleType) -> bool:
    loader = _loader_of(module)
    return loader is not None and _source_of(module) != loader.source


def _loader_of(module: ModuleType) -> AppSourceLoader | None:
    loader = module.__spec__.loader if module.__spec__ is not None else None
    return loader if isinstance(loader, AppSourceLoader) else None


def _source_of(module: ModuleType) -> bytes:
    """Return the content of a module's file; nothing if there is no such file."""
    loader = _loader_of(module)
    return b"" if loader is None else _read(Path(str(loader.path))) or b""


def _read(file: Path) -> bytes | None:
    try:
        return file.read_bytes()
    except OSError:  # the import of the module reports this error
        return None


def _imports_of(module: ModuleType, modules: Mapping[str, ModuleType]) -> Iterator[str]:
    """Yield the modules of apps that a module imports, in its imported version or in the version in its file.

    The statements in the source show most of them. The objects in the module show modules that it imports by a
    computed name.
    """
    parent = module.__name__.rpartition(".")[0]
    if parent != PACKAGE:
        yield parent  # Python imports a package before its modules
    package = module.__name__ if hasattr(module, "__path__") else parent
    loader = _loader_of(module)
    for source in {_source_of(module), loader.source if loader is not None else b""}:
        for name in _imported_names(source, package):
            for full_name in (name, f"{PACKAGE}.{name}"):
                parts = full_name.split(".")
                yield from (found for end in range(2, len(parts) + 1) if (found := ".".join(parts[:end])) in modules)
    for value in list(vars(module).values()):
        found = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
        if isinstance(found, str) and found in modules and found != module.__name__:
            yield found


def _imported_names(source: bytes, package: str) -> Iterator[str]:
    """Yield the names that a source imports. Relative names are resolved with the full name of the package."""
    try:
        tree = syntax_tree(source)
    except (SyntaxError, ValueError):  # a changed file; the import of the module reports the error
        return
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=origin, names=names, level=level):
                try:
                    base = resolve_name("." * level + (origin or ""), package) if level else origin or ""
                except ImportError:  # more dots than packages; the import reports it
                    continue
                yield base
                yield from (f"{base}.{alias.name}" for alias in names)
            case ast.Call(args=[ast.Constant(value=str() as name), *_]) if not name.startswith("."):
                yield name  # for example importlib.import_module("notifier")
            case _:
                pass
