"""Rules for the files of all four packages."""

import importlib
import re
import tomllib
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = sorted(ROOT.glob("packages/*"))
MODULES = sorted(ROOT.glob("packages/*/src/**/*.py"))
LONGEST_MODULE = 400
VAGUE_NAMES = {"utils", "util", "helper", "helpers", "manager", "base", "impl", "common", "misc"}

each_package = pytest.mark.parametrize("package", PACKAGES, ids=lambda path: path.name)


def imported(package: Path) -> ModuleType:
    return importlib.import_module(package.name.replace("-", "_"))


def project(package: Path) -> dict[str, object]:
    return tomllib.loads((package / "pyproject.toml").read_text())["project"]


def path_of(module: Path) -> str:
    return module.relative_to(ROOT).as_posix()


@each_package
def test_dunder_all_is_sorted_and_every_name_in_it_exists(package: Path) -> None:
    module = imported(package)

    constants_then_classes = sorted(module.__all__, key=lambda name: (not name.isupper(), not name[0].isupper(), name))
    assert module.__all__ == constants_then_classes  # as ruff sorts them
    assert [name for name in module.__all__ if not hasattr(module, name)] == []


@each_package
def test_dunder_all_contains_every_public_name_of_the_package(package: Path) -> None:
    module = imported(package)
    exported = {name for name in dir(module) if name[0] != "_" and not isinstance(getattr(module, name), ModuleType)}

    assert exported <= set(module.__all__)


@each_package
def test_version_is_static_and_has_a_changelog_section(package: Path) -> None:
    (about,) = package.glob("src/*/__about__.py")
    match = re.search(r'^__version__ = "(\d+\.\d+\.\d+)"$', about.read_text(), re.MULTILINE)

    assert match is not None
    assert imported(package).__version__ == match[1]
    assert f"## [{match[1]}]" in (package / "CHANGELOG.md").read_text()


@each_package
def test_readme_is_longer_than_the_description_and_has_an_example(package: Path) -> None:
    readme = (package / "README.md").read_text()

    assert readme.startswith(f"# {package.name}\n")
    assert len(readme.split()) > 80
    assert "```" in readme


@each_package
def test_package_has_a_type_marker_and_the_license(package: Path) -> None:
    assert list(package.glob("src/*/py.typed"))
    assert (package / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()


@each_package
def test_our_other_packages_are_required_as_ranges(package: Path) -> None:
    described = project(package)
    lines = [*described["dependencies"], *sum(described.get("optional-dependencies", {}).values(), [])]  # noqa: RUF017  the lists are short

    for line in lines:
        if line.startswith("hassette-"):
            assert re.fullmatch(r"hassette-\w+(\[\w+\])?>=0\.1,<0\.2", line)


@pytest.mark.parametrize("group", ["hassette.sinks", "hassette.services", "hassette.commands"])
def test_every_entry_point_is_callable(group: str) -> None:
    points = list(entry_points(group=group))

    assert points
    assert [point.name for point in points if not callable(point.load())] == []


@pytest.mark.parametrize("module", MODULES, ids=path_of)
def test_module_is_short_and_has_a_specific_name(module: Path) -> None:
    assert len(module.read_text().splitlines()) <= LONGEST_MODULE
    assert module.stem not in VAGUE_NAMES


def test_median_module_has_at_most_130_lines() -> None:
    lengths = sorted(len(module.read_text().splitlines()) for module in MODULES if module.name != "__init__.py")

    assert lengths[len(lengths) // 2] <= 130


@pytest.mark.parametrize("module", [m for m in MODULES if m.name == "__init__.py"], ids=path_of)
def test_init_module_only_reexports_names(module: Path) -> None:
    body = re.sub(r'""".*?"""', "", module.read_text(), flags=re.DOTALL)

    assert re.findall(r"^(?:async )?(?:def|class) \w+", body, re.MULTILINE) == []


@pytest.mark.parametrize("module", MODULES, ids=path_of)
def test_lint_rule_is_ignored_only_with_a_reason(module: Path) -> None:
    asides = re.findall(r"# (?:ruff: )?noqa: ([A-Z]+\d+)(.*)", module.read_text())
    explained = {rule for rule, reason in asides if re.search(r"\w \w|\w{4}", reason)}

    assert {rule for rule, _ in asides} - explained == set()  # one reason per rule and module is enough


def test_sql_is_in_the_store_and_in_the_queries_of_sync_alone() -> None:
    sql = re.compile(r"\b(SELECT\b.*\bFROM|INSERT INTO|UPDATE \w+ SET|DELETE FROM|PRAGMA \w)", re.DOTALL)
    may = ("packages/hassette-store/", "packages/hassette-sync/src/hassette_sync/queries/")
    elsewhere = [path_of(module) for module in MODULES if not path_of(module).startswith(may)]

    assert [path for path in elsewhere if sql.search((ROOT / path).read_text())] == []
