"""Check that an environment contains one part of Hassette and nothing else.

Usage: python scripts/check_installed.py executor|core|store|sync|full

Run it with the environment's Python, before any test dependency is installed.
"""

import importlib
import importlib.metadata
import importlib.util
import sys

DATABASE = {"aiosqlite", "alembic", "sqlalchemy"}
TERMINAL = {"click", "rich"}
WEB = {"fastapi", "starlette", "uvicorn", "jinja2"}
HOME_ASSISTANT = {"hass_client", "aiohttp"}

# Packages that each part installs, and packages that must not be importable with it.
PRESENT = {
    "executor": {"hassette_executor"},
    "core": {"hassette_executor", "hassette_core"},
    "store": {"hassette_store"} | DATABASE,
    "sync": {"hassette_store", "hassette_sync"} | DATABASE | WEB | TERMINAL,
    "full": {"hassette_executor", "hassette_core", "hassette_store", "hassette_sync"} | DATABASE | WEB | TERMINAL,
}
ABSENT = {
    "executor": {"hassette_core", "hassette_store", "hassette_sync", "pydantic", "opentelemetry"}
    | DATABASE
    | WEB
    | HOME_ASSISTANT,
    "core": {"hassette_store", "hassette_sync", "opentelemetry"} | DATABASE | WEB,
    "store": {"hassette_executor", "hassette_core", "hassette_sync", "pydantic"} | (WEB - {"jinja2"}) | HOME_ASSISTANT,
    "sync": {"hassette_executor", "hassette_core"} | HOME_ASSISTANT,
    "full": set[str](),
}
INSTALLERS = {"pip", "setuptools"}  # a new virtual environment may contain them


def problems(part: str) -> list[str]:
    """Return one line for each package that is missing, must not be there, or comes from the wrong place."""
    found: list[str] = []
    for name in sorted(PRESENT[part]):
        try:
            module = importlib.import_module(name)
        except ImportError as error:
            found.append(f"{name} cannot be imported: {error}")
            continue
        if name.startswith("hassette_") and "site-packages" not in str(module.__file__):
            found.append(f"{name} comes from {module.__file__}, not from an installed wheel")
    found += [f"{name} can be imported" for name in sorted(ABSENT[part]) if importlib.util.find_spec(name)]
    if part == "executor":
        others = {dist.name for dist in importlib.metadata.distributions()} - INSTALLERS - {"hassette-executor"}
        found += [f"{name} is installed, but the executor needs nothing" for name in sorted(others)]
    return found


if __name__ == "__main__":
    if wrong := problems(sys.argv[1]):
        sys.exit(f"{sys.argv[1]}: " + "; ".join(wrong))
    print(f"{sys.argv[1]}: complete, and alone")
