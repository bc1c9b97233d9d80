"""The pinned versions of tools and dependencies: constraints.txt and constraints-minimums.txt."""

import re
import tomllib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
WORKSPACE = tomllib.loads((ROOT / "pyproject.toml").read_text())
PACKAGES = [tomllib.loads(file.read_text()) for file in sorted(ROOT.glob("packages/*/pyproject.toml"))]


def pinned(file: str) -> dict[str, str]:
    """Return the version for each name in a constraints file."""
    lines = [line.partition(";")[0].strip() for line in (ROOT / file).read_text().splitlines() if line[0] != "#"]
    return {canonicalize_name(name): version for name, version in (line.split("==") for line in lines)}


def dependencies() -> Iterator[Requirement]:
    """Yield the direct dependencies of our packages, without our own packages."""
    for package in PACKAGES:
        project = package["project"]
        for line in chain(project["dependencies"], *project.get("optional-dependencies", {}).values()):
            if not line.startswith("hassette-"):
                yield Requirement(line)


def tools() -> Iterator[Requirement]:
    """Yield the tools: all dependency groups, and the build requirements of the packages."""
    for line in chain(*WORKSPACE["dependency-groups"].values(), *(p["build-system"]["requires"] for p in PACKAGES)):
        yield Requirement(line)


@pytest.mark.parametrize("requirement", sorted({*dependencies(), *tools()}, key=str), ids=str)
def test_constraints_pin_a_version_within_the_range(requirement: Requirement) -> None:
    assert requirement.specifier.contains(pinned("constraints.txt")[canonicalize_name(requirement.name)])


@pytest.mark.parametrize("requirement", sorted({*dependencies()}, key=str), ids=str)
def test_minimum_constraints_pin_the_lowest_version_of_the_range(requirement: Requirement) -> None:
    version = pinned("constraints-minimums.txt")[canonicalize_name(requirement.name)]
    (lowest,) = [clause.version for clause in requirement.specifier if clause.operator == ">="]

    assert requirement.specifier.contains(version)
    assert version.startswith(lowest)


@pytest.mark.parametrize("file", ["constraints.txt", "constraints-minimums.txt"])
def test_constraints_name_no_registry_and_no_package_of_ours(file: str) -> None:
    text = (ROOT / file).read_text()

    assert re.findall(r"https?:|file:|--|hassette", text) == []
