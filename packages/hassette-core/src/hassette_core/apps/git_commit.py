"""`commit_of`: read the current commit of a folder's Git repository, without running Git."""

import re
from pathlib import Path
from typing import Final

_HASH: Final = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_REF: Final = re.compile(r"refs/[^\s\\:?*\[~^]+")
_MAX_LINKS: Final = 5
"""Number of references that may lead to a commit, so that a circle ends."""
_MAX_PACKED: Final = 16 * 1024 * 1024
"""Number of characters of ``packed-refs`` that are read."""


def commit_of(folder: Path) -> str | None:
    """Return the commit that is checked out in the repository of a folder.

    None if the folder is in no repository, has no commit yet, or if the repository has an unknown form.

    Args:
        folder: The folder. The repository may begin in a folder above it.
    """
    try:
        for parent in (folder, *folder.absolute().parents):
            if (git := _git_folder(parent / ".git")) is not None:
                return _read_commit(git)
    except (OSError, ValueError):  # an unreadable repository, or text that is not UTF-8
        pass
    return None


def _git_folder(path: Path) -> Path | None:
    """Return the folder of a repository. In a worktree and in a submodule, ``.git`` is a file that names the folder."""
    try:
        text = _read(path)
    except IsADirectoryError:
        return path
    return path.parent / text.removeprefix("gitdir:").strip() if text.startswith("gitdir:") else None


def _read_commit(git: Path) -> str | None:
    common = git / _read(git / "commondir")
    text = _read(git / "HEAD")
    for _ in range(_MAX_LINKS):
        if _HASH.fullmatch(text):
            return text
        ref = text.removeprefix("ref:").strip()
        if not text.startswith("ref:") or not _REF.fullmatch(ref) or ".." in ref:
            return None
        text = _read(git / ref) or _read(common / ref) or _packed(common, ref)
    return None


def _packed(common: Path, ref: str) -> str:
    """Return the commit of a reference in the file ``packed-refs``; empty if it is not there."""
    for line in _read(common / "packed-refs", _MAX_PACKED).splitlines():
        commit, _, name = line.partition(" ")
        if name == ref:
            return commit
    return ""


def _read(file: Path, limit: int = 4_096) -> str:
    """Return the beginning of a file; empty if it does not exist."""
    try:
        with file.open(encoding="utf-8") as opened:
            return opened.read(limit).strip()
    except (FileNotFoundError, NotADirectoryError):
        return ""
