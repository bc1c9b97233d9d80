"""Check that an environment contains one part of Hassette and no package of the other parts.

Usage: python scripts/check_installed.py executor|core|store|sync|full

Run it with the environment's Python, before the test dependencies are installed.
"""

import importlib
import importlib.metadata
import importlib.util
import sys

DATABASE = {"aiosqlite", "alembic", "sqlalchemy"}
TERMINAL = {"click", "rich"}
WEB = {"fastapi", "starlette", "uvicorn", "jinja2"}
ASSISTANTS = {"mcp"}
HOME_ASSISTANT = {"aiohttp", "msgspec"}

# Modules that each part installs, and modules that it must not install.
PRESENT = {
    "executor": {"hassette_executor"},
    "core": {"hassette_executor", "hassette_core"},
    "store": {"hassette_store"} | DATABASE,
    "sync": {"hassette_store", "hassette_sync"} | DATABASE | WEB | TERMINAL,
    "full": {"hassette_executor", "hassette_core", "hassette_store", "hassette_sync"}
    | DATABASE
    | WEB
    | TERMINAL
    | ASSISTANTS,
}
ABSENT = {
    "executor": {"hassette_core", "hassette_store", "hassette_sync", "pydantic", "opentelemetry"}
    | DATABASE
    | WEB
    | HOME_ASSISTANT,
    "core": {"hassette_store", "hassette_sync", "opentelemetry"} | DATABASE | WEB,
    "store": {"hassette_executor", "hassette_core", "hassette_sync", "pydantic"} | (WEB - {"jinja2"}) | HOME_ASSISTANT,
    "sync": {"hassette_executor", "hassette_core"} | HOME_ASSISTANT | ASSISTANTS,
    "full": set[str](),
}
INSTALLERS = {"pip", "setuptools"}  # a new virtual environment may contain them


def problems(part: str) -> list[str]:
    """Return a line for each module that is missing, is not from an installed wheel, or must not be importable."""
    found: list[str] = []
    for name in sorted(PRESENT[part]):
        try:
            module = importlib.import_module(name)
        except ImportError as error:
            found.append(f"{name} cannot be imported: {error}")
            continue
        if name.startswith("hassette_") and "site-packages" not in str(module.__file__):
            found.append(f"{name} comes from {module.__file__}, not from an installed wheel")
    found += [
        f"{name} is importable, but must not be" for name in sorted(ABSENT[part]) if importlib.util.find_spec(name)
    ]
    if part == "executor":
        others = {dist.name for dist in importlib.metadata.distributions()} - INSTALLERS - {"hassette-executor"}
        found += [f"{name} is installed, but the executor needs no other package" for name in sorted(others)]
    return found


if __name__ == "__main__":
    if found := problems(sys.argv[1]):
        sys.exit(f"{sys.argv[1]}: " + "; ".join(found))
    print(f"{sys.argv[1]}: all its modules are installed, and no module that it must not have")
