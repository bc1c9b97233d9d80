"""Import the public names of a package on first use (PEP 562)."""

import sys
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module


def lazy_attributes(
    package: str, names: Mapping[str, Iterable[str]]
) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """Return ``__getattr__`` and ``__dir__`` for a package.

    Args:
        package: The package's ``__name__``.
        names: The public names, by the module that defines them.
    """
    modules = {name: module for module, exported in names.items() for name in exported}

    def get(name: str) -> object:
        if (module := modules.get(name)) is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        found = getattr(import_module(module), name)
        setattr(sys.modules[package], name, found)  # Python calls __getattr__ only for names that it does not find
        return found

    def list_all() -> list[str]:
        return sorted({*vars(sys.modules[package]), *modules})

    return get, list_all
