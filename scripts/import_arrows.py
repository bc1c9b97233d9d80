"""Count the imports between the rooms of each package.

    python scripts/import_arrows.py [package ...]

A room is a module or a folder directly under a package. The top sheet of a package has one arrow for each pair of rooms
of which the first imports the second. Each folder is then a sheet with its modules as rooms. Imports under
``TYPE_CHECKING`` count.
"""

import ast
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = sorted((ROOT / "packages").glob("hassette-*/src/hassette_*"))

Arrows = dict[str, set[tuple[str, str]]]


def module_name(file: Path, package: Path) -> str:
    """Return the dotted name of a module file."""
    parts = file.relative_to(package.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported_modules(file: Path, modules: set[str]) -> set[str]:
    """Return the modules among ``modules`` that a file imports; imports are absolute."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.update(
                name if (name := f"{node.module}.{alias.name}") in modules else node.module for alias in node.names
            )
    return found & modules


def arrows_of(package: Path) -> tuple[dict[str, int], Arrows]:
    """Return the number of rooms and the arrows of each sheet of a package, by the dotted name of its folder."""
    files = {module_name(file, package): file for file in sorted(package.rglob("*.py"))}
    rooms: dict[str, set[str]] = {}
    arrows: Arrows = {}
    for module, file in files.items():
        parts = module.split(".")
        for depth in range(1, len(parts)):
            rooms.setdefault(".".join(parts[:depth]), set()).add(parts[depth])
        for imported in imported_modules(file, set(files)):
            other = imported.split(".")
            shared = next(
                (depth for depth, pair in enumerate(zip(parts, other, strict=False)) if pair[0] != pair[1]), None
            )
            if shared is not None:  # None: one of the two is the folder of the other
                arrows.setdefault(".".join(parts[:shared]), set()).add((parts[shared], other[shared]))
    return {sheet: len(names) for sheet, names in rooms.items()}, arrows


def main() -> None:
    """Print one line per sheet."""
    wanted = set(sys.argv[1:])
    for package in PACKAGES:
        if wanted and package.name not in wanted:
            continue
        rooms, arrows = arrows_of(package)
        for sheet, count in sorted(rooms.items()):
            indent = "  " * sheet.count(".")
            print(f"{indent + sheet:45} {count:3} rooms {len(arrows.get(sheet, ())):4} arrows")


if __name__ == "__main__":
    main()
