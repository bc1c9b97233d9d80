"""`scripts/check_commits.py` accepts good commit messages and explains the problems of others."""

import subprocess
from pathlib import Path

import pytest

import check_commits
from check_commits import Commit, MissingHistoryError, commits, problems


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "--quiet")
    for number in range(4):
        commit(folder, f"Add file {number}")
    return folder


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=test", "-c", "user.email=test@localhost"]
    command = ["git", "-C", str(folder), *identity, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def commit(folder: Path, message: str) -> str:
    """Commit a new file and return the commit's hash."""
    (folder / f"{message}.txt").write_text(message)
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", message)
    return git(folder, "rev-parse", "HEAD")


def subjects(folder: Path, since: str) -> list[str]:
    return [commit.message for commit in commits(folder, since)]


@pytest.mark.parametrize(
    "message",
    [
        "Add a benchmark target for a full queue",
        "Re-export ErrorContext from hassette_core",
        "Fix a lost record at shutdown\n\nThe last batch was dropped when its write failed once.",
    ],
)
def test_good_message_has_no_problems(message: str) -> None:
    assert problems(Commit("abc", message, files=3)) == []


@pytest.mark.parametrize(
    ("message", "problem"),
    [
        ("Add " + 70 * "x", "at most 72 characters, got 74"),
        ("add a target", "imperative verb such as 'Add', got 'add'"),
        ("Adds a target", "imperative verb such as 'Add', got 'Adds'"),
        ("Added a target", "imperative verb such as 'Add', got 'Added'"),
        ("Adding a target", "imperative verb such as 'Add', got 'Adding'"),
        ("A full queue has an aim", "imperative verb such as 'Add', got 'A'"),
        ("Docs: the bounds of keep_newest", "imperative verb such as 'Add', got 'Docs:'"),
        ("fixup! Add a target", "imperative verb such as 'Add', got 'fixup!'"),
        ("Add a target.", "no full stop"),
        ("Add a target\nfor a full queue", "second line must be empty"),
        ("", "imperative verb"),
    ],
)
def test_problem_of_a_message_is_named(message: str, problem: str) -> None:
    (found,) = problems(Commit("abc", message, files=1))
    assert problem in found


def test_change_of_many_files_needs_a_reason() -> None:
    assert problems(Commit("abc", "Rename a setting", files=4)) == ["a change of 4 files needs a body with its reason"]
    assert problems(Commit("abc", "Rename a setting\n\nIts name had two meanings.", files=4)) == []


def test_check_starts_after_the_configured_commit(repository: Path) -> None:
    start = git(repository, "rev-parse", "HEAD~2")
    assert subjects(repository, start) == ["Add file 2", "Add file 3"]


def test_check_starts_after_the_last_release(repository: Path) -> None:
    start = git(repository, "rev-parse", "HEAD~3")
    git(repository, "tag", "hassette-store-v0.2.0", "HEAD~2")
    git(repository, "tag", "hassette-core-v0.2.0", "HEAD~1")
    git(repository, "tag", "something-else", "HEAD")
    assert subjects(repository, start) == ["Add file 3"]


def test_merge_commits_are_not_checked(repository: Path) -> None:
    start = git(repository, "rev-parse", "HEAD")
    git(repository, "checkout", "--quiet", "-b", "side", "HEAD~1")
    commit(repository, "Add a side")
    git(repository, "merge", "--quiet", "--no-ff", "--message", "merged", start)
    assert subjects(repository, start) == ["Add a side"]


def test_files_of_a_commit_are_counted(repository: Path) -> None:
    start = git(repository, "rev-parse", "HEAD")
    for number in range(5):
        (repository / f"new {number}").write_text("")
    commit(repository, "Add files")
    assert [commit.files for commit in commits(repository, start)] == [6]


def test_shallow_clone_checks_the_commits_whose_parents_it_has(repository: Path, tmp_path: Path) -> None:
    start = git(repository, "rev-parse", "HEAD~3")
    shallow = tmp_path / "shallow"
    git(tmp_path, "clone", "--quiet", "--depth", "2", repository.as_uri(), str(shallow))
    assert subjects(shallow, start) == ["Add file 3"]


def test_history_without_the_configured_commit_is_not_checked(repository: Path) -> None:
    with pytest.raises(MissingHistoryError, match="76e4e5b, after which the check starts, is not in the history"):
        commits(repository, "76e4e5b")


def test_folder_without_a_repository_is_not_checked(tmp_path: Path) -> None:
    with pytest.raises(MissingHistoryError, match="is not a git repository"):
        commits(tmp_path, "76e4e5b")


def test_problems_are_printed_with_the_name_of_the_commit(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    start = git(repository, "rev-parse", "HEAD")
    name = commit(repository, "A full queue has an aim")
    (repository / "pyproject.toml").write_text(f'[tool.check-commits]\nsince = "{start}"\n')
    monkeypatch.setattr(check_commits, "ROOT", repository)
    assert check_commits.main() == 1
    line, summary = capsys.readouterr().out.splitlines()
    assert line.startswith(name[:8])
    assert "got 'A'" in line
    assert summary == "1 commit messages checked, 1 problems"


def test_commits_in_the_list_of_exceptions_are_not_checked(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    start = git(repository, "rev-parse", "HEAD")
    name = commit(repository, "A full queue has an aim")
    settings = f'[tool.check-commits]\nsince = "{start}"\nexceptions = ["{name[:8]}"]\n'
    (repository / "pyproject.toml").write_text(settings)
    monkeypatch.setattr(check_commits, "ROOT", repository)
    assert check_commits.main() == 0
    assert capsys.readouterr().out == "0 commit messages checked, 0 problems\n"
