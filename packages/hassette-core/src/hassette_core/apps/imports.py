"""Import the modules in ``app_dir``, each exactly once, even if import statements use different names for one module.

The module ``app_dir/notifier.py`` is ``hassette_apps.notifier``. Apps may also import it by its plain name. Then
``sys.modules["notifier"]`` is the same module, so ``from notifier import RUNNING`` gives the variable of the running
app and not that of a second copy. A plain name is looked up last. So an app ``calendar.py`` hides neither Python's
module nor an installed package. This also holds if ``app_dir`` is in `sys.path`, as in the tests of a user whose pytest
has the option ``pythonpath = ["apps"]``.
"""

import importlib
import os
import sys
from collections.abc import Collection, Sequence
from importlib.abc import Loader
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import ModuleType

PACKAGE = "hassette_apps"
"""``app_dir`` is imported as this package. Otherwise an app module ``calendar`` would hide Python's module."""


def open_package(app_dir: Path) -> None:
    """Make ``app_dir`` importable. Remove the modules of an earlier load, so that Python reads them again."""
    forget_modules([name for name in sys.modules if name.startswith(f"{PACKAGE}.")])
    _forget_copies(app_dir)
    package = ModuleType(PACKAGE, "The apps in app_dir.")
    package.__path__ = [str(app_dir)]
    sys.modules[PACKAGE] = package
    for finder in (_MODULES, _PLAIN_NAMES):
        if finder in sys.meta_path:
            sys.meta_path.remove(finder)
    sys.meta_path.insert(0, _MODULES)
    sys.meta_path.append(_PLAIN_NAMES)


def _forget_copies(app_dir: Path) -> None:
    """Remove modules that were imported from ``app_dir`` through `sys.path`, because they are not those of the apps.

    `restore_copies` puts them back. A module of tests is no module of an app, and keeps its place.
    """
    restore_copies()
    _MODULES.copies.clear()
    folder = f"{app_dir}{os.sep}"
    for name, module in list(sys.modules.items()):
        if "." in name or name.startswith(("__", "test_", "conftest")):
            continue
        file = getattr(module, "__file__", None)
        if file in (f"{folder}{name}.py", f"{folder}{name}{os.sep}__init__.py"):
            for copy in [known for known in sys.modules if known == name or known.startswith(f"{name}.")]:
                _MODULES.copies[copy] = sys.modules.pop(copy)


def restore_copies() -> None:
    """Put modules that `open_package` removed back into `sys.modules`, except those whose name an app has taken.

    A class finds its file through `sys.modules`. So a test that imported an app by its plain name needs the module also
    after another test has loaded all apps.
    """
    for name, module in _MODULES.copies.items():
        if f"{PACKAGE}.{name}" in sys.modules:
            importlib.import_module(name)  # the module of the running app
        else:
            sys.modules.setdefault(name, module)


def loaded_modules() -> dict[str, ModuleType]:
    """Return the imported modules of apps, by their full names, such as ``hassette_apps.notifier``."""
    return {name: module for name, module in list(sys.modules.items()) if name.startswith(f"{PACKAGE}.")}


def forget_modules(names: Collection[str]) -> None:
    """Remove modules of apps from `sys.modules`, so that the next import reads their files again.

    Args:
        names: The full names.
    """
    for name in names:
        sys.modules.pop(name, None)
        _forget_plain_name(name)
    importlib.invalidate_caches()


def restore_modules(modules: dict[str, ModuleType]) -> None:
    """Put modules back into `sys.modules`, after a newer version of them could not be used.

    Args:
        modules: The modules by their full names.
    """
    for name, module in modules.items():
        sys.modules[name] = module
        _forget_plain_name(name)
        parent, _, child = name.rpartition(".")
        if parent in sys.modules:
            setattr(sys.modules[parent], child, module)


class AppSourceLoader(SourceFileLoader):
    """Compiles the source of an app module at each import.

    Python compares a compiled file with the time (in seconds) and the size of the source. After two edits in one
    second, it may run the older version.

    Attributes:
        source: The source that was imported; empty before the import.
    """

    source = b""

    def get_code(self, fullname: str) -> object:  # pyright: ignore[reportIncompatibleMethodOverride]  the type of a code object
        path = self.get_filename(fullname)
        self.source = self.get_data(path)
        return self.source_to_code(self.source, path)

    def exec_module(self, module: ModuleType) -> None:
        try:
            super().exec_module(module)
        except BaseException:
            # Python forgets the module, but only by its full name. Another module may have imported it meanwhile.
            _forget_plain_name(module.__name__)
            raise


def _forget_plain_name(full_name: str) -> None:
    name = full_name.removeprefix(f"{PACKAGE}.")
    if name in _MODULES.plain_names:
        _MODULES.plain_names.discard(name)
        sys.modules.pop(name, None)


class _ModuleFinder:
    """Finds the modules of the package, and modules in folders that were imported by their plain names.

    Attributes:
        plain_names: The plain names in `sys.modules`.
        copies: The modules that `open_package` has removed, by their names.
    """

    def __init__(self) -> None:
        self.plain_names: set[str] = set()
        self.copies: dict[str, ModuleType] = {}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname.startswith(f"{PACKAGE}."):
            spec = PathFinder.find_spec(fullname, path, target)
            if spec is not None and type(spec.loader) is SourceFileLoader:
                spec.loader = AppSourceLoader(spec.loader.name, spec.loader.path)
            return spec
        # `folder` is the module `hassette_apps.folder`, and has its path. Without this step, Python would import
        # `folder.notifier` from that path as a second module.
        if fullname.partition(".")[0] in self.plain_names or (path is None and _is_app_in_path(fullname)):
            return ModuleSpec(fullname, _PlainNameLoader(fullname))
        return None

    def invalidate_caches(self) -> None:
        """Do nothing, because `PathFinder` has the caches."""


def _is_app_in_path(name: str) -> bool:
    """Return whether the plain name leads to a module of an app, because ``app_dir`` is in `sys.path`."""
    package = sys.modules.get(PACKAGE)
    if package is None or name in sys.builtin_module_names:
        return False
    app = PathFinder.find_spec(f"{PACKAGE}.{name}", package.__path__)
    if app is None or app.origin is None:
        return False
    found = PathFinder.find_spec(name)
    return found is not None and found.origin == app.origin


class _PlainNameFinder:
    """Finds modules by their plain names, after all other finders."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        package = sys.modules.get(PACKAGE)
        if path is not None or package is None:
            return None
        found = PathFinder.find_spec(f"{PACKAGE}.{fullname}", package.__path__)
        return None if found is None else ModuleSpec(fullname, _PlainNameLoader(fullname))

    def invalidate_caches(self) -> None:
        """Do nothing, because `PathFinder` has the caches."""


class _PlainNameLoader(Loader):
    """Imports a module by its full name, and gives the same module its plain name."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._spec: ModuleSpec | None = None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        # Import the module here and not in `exec_module`. Otherwise `sys.modules` would contain an empty module with
        # the plain name while modules import each other.
        module = importlib.import_module(f"{PACKAGE}.{self._name}")
        self._spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self._spec  # Python has replaced it by the spec of the plain name
        _MODULES.plain_names.add(self._name)


_MODULES = _ModuleFinder()
_PLAIN_NAMES = _PlainNameFinder()
