"""Count the imports between the members of each folder: ``python scripts/count_imports.py [PACKAGE ...]``.

The members of a folder are its modules and its subfolders. All imports from one member to another count as one import,
even if several modules of a subfolder contain them. Imports under ``TYPE_CHECKING`` also count. Fewer imports make a
folder easier to understand.
"""

import ast
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = sorted((ROOT / "packages").glob("hassette-*/src/hassette_*"))

Imports = set[tuple[str, str]]
"""Pairs of members of a folder; the first imports the second."""


def module_name(file: Path, package: Path) -> str:
    """Return the dotted name of a module file."""
    parts = file.relative_to(package.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported_modules(file: Path, modules: set[str]) -> set[str]:
    """Return the names in ``modules`` that a file imports. All imports are absolute."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.update(
                name if (name := f"{node.module}.{alias.name}") in modules else node.module for alias in node.names
            )
    return found & modules


def count_folders(package: Path) -> dict[str, tuple[set[str], Imports]]:
    """Return the members of each folder of a package and the imports between them, by the folder's dotted name."""
    files = {module_name(file, package): file for file in sorted(package.rglob("*.py"))}
    folders: dict[str, tuple[set[str], Imports]] = {}
    for module in files:
        parts = module.split(".")
        for depth in range(1, len(parts)):
            members, _ = folders.setdefault(".".join(parts[:depth]), (set(), set()))
            members.add(parts[depth])
    for module, file in files.items():
        parts = module.split(".")
        for imported in imported_modules(file, set(files)):
            other = imported.split(".")
            pairs = enumerate(zip(parts, other, strict=False))
            depth = next((depth for depth, (importing, used) in pairs if importing != used), None)
            if depth is not None:  # None: one of the two is a folder that contains the other
                _, imports = folders[".".join(parts[:depth])]
                imports.add((parts[depth], other[depth]))
    return folders


def main() -> None:
    """Print a line for each folder of the named packages, or of all packages."""
    names = set(sys.argv[1:])
    for package in PACKAGES:
        if names and package.name not in names:
            continue
        for folder, (members, imports) in sorted(count_folders(package).items()):
            indent = "  " * folder.count(".")
            print(f"{indent + folder:45} {len(members):3} members {len(imports):4} imports")


if __name__ == "__main__":
    main()
