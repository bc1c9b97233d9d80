"""`scripts/release.py` refuses a bad release with the reason."""

import shutil
import subprocess
from pathlib import Path

import pytest

import release

ROOT = Path(__file__).parents[2]


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A repository with our four packages at version 0.1.7. All files are committed."""
    for package in ROOT.glob("packages/*"):
        name = package.name
        source = tmp_path / "packages" / name / "src" / name.replace("-", "_")
        source.mkdir(parents=True)
        shutil.copy(package / "pyproject.toml", tmp_path / "packages" / name)
        source.joinpath("__about__.py").write_text('__version__ = "0.1.7"\n')
        notes = "# Changelog\n\n## [0.1.7] - 2027-01-15\n\n### Fixed\n\n- A lost record.\n"
        tmp_path.joinpath("packages", name, "CHANGELOG.md").write_text(notes)
    git(tmp_path, "init")
    commit(tmp_path)
    return tmp_path


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=test", "-c", "user.email=test@localhost"]
    subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True)


def commit(folder: Path) -> None:
    git(folder, "add", "--all")
    git(folder, "commit", "--message", "as it is")


def test_prepared_release_has_no_problems(workspace: Path) -> None:
    assert release.problems(workspace, "hassette-store", "0.1.7") == []


def test_version_that_differs_from_about_is_refused(workspace: Path) -> None:
    problems = " ".join(release.problems(workspace, "hassette-store", "0.1.8"))

    assert "__about__.py must have the version 0.1.8, got '0.1.7'" in problems
    assert "CHANGELOG.md has no section" in problems


def test_changelog_section_needs_a_date_and_text(workspace: Path) -> None:
    changelog = workspace / "packages/hassette-sync/CHANGELOG.md"

    for section in (
        "## [0.1.7]\n\n- A lost record.\n",
        "## [0.1.7] - 2027-01-15\n\n## [0.1.6] - 2027-01-01\n\n- A lost record.\n",
    ):
        changelog.write_text(section)
        assert release.notes_of(changelog.parent, "0.1.7") == ""


def test_existing_tag_is_refused(workspace: Path) -> None:
    git(workspace, "tag", "hassette-core-v0.1.7")

    assert release.problems(workspace, "hassette-core", "0.1.7") == ["The tag hassette-core-v0.1.7 exists already."]
    assert release.problems(workspace, "hassette-store", "0.1.7") == []


def test_uncommitted_changes_are_refused(workspace: Path) -> None:
    workspace.joinpath("packages/hassette-core/README.md").write_text("new")

    assert release.problems(workspace, "hassette-core", "0.1.7") == [
        "The working tree has changes that are not committed."
    ]


def test_version_outside_the_range_of_another_package_is_refused(workspace: Path) -> None:
    problems = release.siblings_that_exclude(workspace, "hassette-store", "0.2.0")

    assert [problem.split(" requires")[0] for problem in problems] == ["hassette-core", "hassette-sync"]


def test_error_for_an_unknown_package_lists_the_known_ones(workspace: Path) -> None:
    (problem,) = release.problems(workspace, "hassette-stone", "0.1.7")

    assert "hassette-store" in problem
