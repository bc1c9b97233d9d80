"""Check and build a release of one package. With ``--publish``, also tag and upload it.

Usage: nox -s release -- PACKAGE VERSION [--publish]

    nox -s release -- hassette-store 0.2.0             check and build only
    nox -s release -- hassette-store 0.2.0 --publish   check, build, tag and upload

First set ``__about__.__version__``, date the version's section in the package's CHANGELOG.md, and commit. The tag is
``PACKAGE-vVERSION``. Twine uploads the files with configured credentials, or asks for credentials.
"""

import argparse
import re
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import InvalidVersion, Version

ROOT = Path(__file__).parents[1]


def version_of(package: Path) -> str:
    """Return the version in a package's ``__about__.py``; an empty text if there is none."""
    (about,) = package.glob("src/*/__about__.py")
    match = re.search(r'^__version__ = "(.+)"$', about.read_text(), re.MULTILINE)
    return match[1] if match else ""


def notes_of(package: Path, version: str) -> str:
    """Return the changelog's text for a version; an empty text if it has no dated section for that version."""
    section = rf"^## \[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d$\n(.*?)(?=^## |^\[|\Z)"
    match = re.search(section, (package / "CHANGELOG.md").read_text(), re.MULTILINE | re.DOTALL)
    return match[1].strip() if match else ""


def problems(root: Path, name: str, version: str) -> list[str]:
    """Return the reasons why a package cannot be released, one sentence each."""
    package = root / "packages" / name
    if not package.is_dir():
        known = ", ".join(sorted(path.name for path in root.glob("packages/*")))
        return [f"PACKAGE must be one of {known}, got {name!r}."]
    try:
        Version(version)
    except InvalidVersion:
        return [f"{version} is not a valid version."]
    found: list[str] = []
    if (written := version_of(package)) != version:
        found.append(f"__about__.py must have the version {version}, got {written!r}.")
    if not notes_of(package, version):
        found.append(f"CHANGELOG.md has no section '## [{version}] - YYYY-MM-DD' with text.")
    if git(root, "tag", "--list", tag(name, version)):
        found.append(f"The tag {tag(name, version)} exists already.")
    if git(root, "status", "--porcelain"):
        found.append("The working tree has changes that are not committed.")
    return found + siblings_that_exclude(root, name, version)


def siblings_that_exclude(root: Path, name: str, version: str) -> list[str]:
    """Return a sentence for each package of this repository whose range excludes the new version."""
    projects = [tomllib.loads(file.read_text())["project"] for file in sorted(root.glob("packages/*/pyproject.toml"))]
    return [
        f"{project['name']} requires {line}, which excludes {version}: widen the range first."
        for project in projects
        for line in chain(project.get("dependencies", []), *project.get("optional-dependencies", {}).values())
        if Requirement(line).name == name and not Requirement(line).specifier.contains(version, prereleases=True)
    ]


def tag(name: str, version: str) -> str:
    """Return the tag of a release."""
    return f"{name}-v{version}"


def git(root: Path, *arguments: str) -> str:
    """Return the output of a git command."""
    command = ["git", "-C", str(root), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def main(argv: Sequence[str]) -> int:
    """Check and build the package. With ``--publish``, also tag and upload it. Return the exit code."""
    parser = argparse.ArgumentParser(prog="nox -s release --", description="Release one package.")
    parser.add_argument("package", help="name of the package, such as hassette-store")
    parser.add_argument("version", help="version to release, such as 0.2.0")
    parser.add_argument("--publish", action="store_true", help="tag the commit and upload the files")
    options = parser.parse_args(argv)
    if found := problems(ROOT, options.package, options.version):
        print("\n".join(["Not released:", *found]), file=sys.stderr)
        return 1
    name = tag(options.package, options.version)
    output = ROOT / "dist" / name
    source = str(ROOT / "packages" / options.package)
    subprocess.run([sys.executable, "-m", "build", "--no-isolation", "--outdir", str(output), source], check=True)
    files = sorted(map(str, output.iterdir()))
    subprocess.run([sys.executable, "-m", "twine", "check", "--strict", *files], check=True)
    notes = notes_of(ROOT / "packages" / options.package, options.version)
    if not options.publish:
        print(f"\n{name} is ready in {output}. With --publish it would be tagged and uploaded. Its notes:\n\n{notes}")
        return 0
    git(ROOT, "tag", "--annotate", name, "--message", f"{options.package} {options.version}\n\n{notes}")
    subprocess.run([sys.executable, "-m", "twine", "upload", *files], check=True)
    print(f"\nUploaded. Now push the tag: git push origin {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
