"""The commit of the app folder is read without Git, in each form of a repository."""

import os
import subprocess
from pathlib import Path

import pytest

from hassette_core.apps.git_commit import commit_of


def git(folder: Path, *arguments: str) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    options = (
        "-c",
        "user.name=a",
        "-c",
        "user.email=a@b",
        "-c",
        "commit.gpgsign=false",
        "-c",
        "init.defaultBranch=main",
    )
    command = ["git", *options, *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    (folder / "config" / "apps").mkdir(parents=True)
    (folder / "config" / "apps" / "hall.py").write_text("x = 1\n")
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "first")
    return folder


def test_commit_of_a_branch_of_a_detached_head_and_of_packed_references(repository: Path) -> None:
    apps, first = repository / "config" / "apps", git(repository, "rev-parse", "HEAD")
    assert commit_of(apps) == first
    git(repository, "pack-refs", "--all")
    assert commit_of(apps) == first
    git(repository, "commit", "-q", "--allow-empty", "-m", "second")
    second = git(repository, "rev-parse", "HEAD")
    assert commit_of(apps) == second != first, "a loose reference is newer than a packed one"
    git(repository, "checkout", "-q", "--detach", first)
    assert commit_of(apps) == first
    git(repository, "checkout", "-q", "-b", "feature/long-name")
    assert commit_of(apps) == first


def test_commit_of_a_worktree_is_that_of_the_branch_in_it(repository: Path, tmp_path: Path) -> None:
    git(repository, "worktree", "add", "-q", "-b", "other", str(tmp_path / "tree"))
    git(tmp_path / "tree", "commit", "-q", "--allow-empty", "-m", "other")
    other = git(tmp_path / "tree", "rev-parse", "HEAD")
    assert commit_of(tmp_path / "tree" / "config" / "apps") == other
    git(repository, "pack-refs", "--all")
    assert commit_of(tmp_path / "tree" / "config" / "apps") == other
    assert commit_of(repository) == git(repository, "rev-parse", "HEAD") != other


def test_repository_without_a_commit_has_none(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    assert commit_of(tmp_path) is None


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"\xff\xfe",
        b"ref: refs/heads/missing",
        b"ref: ../../etc/passwd",
        b"ref: refs/heads/../../../secret",
        b"ref: /etc/passwd",
        b"ref: refs/heads/loop",
        b"abc",
        b"x" * 100_000,
    ],
)
def test_broken_repository_has_no_commit(tmp_path: Path, head: bytes) -> None:
    heads = tmp_path / ".git" / "refs" / "heads"
    heads.mkdir(parents=True)
    (heads / "loop").write_text("ref: refs/heads/loop")
    (tmp_path / ".git" / "HEAD").write_bytes(head)
    (tmp_path / "secret").write_text("a" * 40)
    assert commit_of(tmp_path) is None


@pytest.mark.parametrize("content", ["gitdir: nowhere", "gitdir:", "something else", ""])
def test_file_in_place_of_a_repository_has_no_commit(tmp_path: Path, content: str) -> None:
    (tmp_path / ".git").write_text(content)
    assert commit_of(tmp_path) is None
