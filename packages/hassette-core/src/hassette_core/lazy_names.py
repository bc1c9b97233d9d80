"""A package's names, each imported when it is first asked for (PEP 562)."""

import sys
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module


def of(package: str, names: Mapping[str, Iterable[str]]) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """Return a package's ``__getattr__`` and ``__dir__``.

    Args:
        package: Its name.
        names: What it exports, by the module that has it.
    """
    homes = {name: module for module, exported in names.items() for name in exported}

    def get(name: str) -> object:
        if (module := homes.get(name)) is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        found = getattr(import_module(f"{package}.{module}"), name)
        setattr(sys.modules[package], name, found)  # the next time it is simply there
        return found

    def list_all() -> list[str]:
        return sorted({*vars(sys.modules[package]), *homes})

    return get, list_all
