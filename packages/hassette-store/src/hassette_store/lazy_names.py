"""Import the public names of this package on first use (PEP 562)."""

import importlib
import sys
from collections.abc import Callable, Mapping, Sequence


def lazy_attributes(
    package: str, names: Mapping[str, Sequence[str]], modules: Sequence[str]
) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """Return ``__getattr__`` and ``__dir__`` for a package.

    Args:
        package: The ``__name__`` of the package.
        names: The public names, by the module that defines them.
        modules: The public modules.
    """
    places = {name: module for module, exported in names.items() for name in exported}

    def find(name: str) -> object:
        if name in modules:
            return importlib.import_module(f"{package}.{name}")
        if name not in places:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        found = getattr(importlib.import_module(places[name]), name)
        vars(sys.modules[package])[name] = found  # so that Python does not call `find` again
        return found

    return find, lambda: sorted({*vars(sys.modules[package]), *places, *modules})
