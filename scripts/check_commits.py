"""Check the commit messages since the last release: ``python scripts/check_commits.py``.

CONTRIBUTING.md shows a good message. A subject has at most 72 characters, starts with a verb in the imperative and
has no full stop. A commit that changes more than three files has a body with the reason. Merge commits are not checked.

The check starts after the last release tag. Before the first release it starts after the commit ``since`` in the table
``[tool.check-commits]`` of pyproject.toml. The list ``exceptions`` there contains commits whose messages break these
rules and cannot be changed any more, because they are published.
"""

import subprocess
import sys
import tomllib
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
TAGS = "hassette-*-v*"
MAX_SUBJECT = 72
MAX_FILES_WITHOUT_BODY = 3
# A list, because no rule distinguishes "Handle" from "Docs" or "Overview". Add missing verbs.
IMPERATIVE_VERBS = """
accept adapt add adjust adopt align allow apply ask avoid begin bind block bound bring build bump cache call cancel
catch change check clarify classify clean clear close collect combine compare complete compute configure connect contain
copy correct count cover create cut date decide declare decode deduplicate default defer define delay delete deliver
depend deprecate derive describe detect disable disconnect display distinguish document drop emit enable encode end
enforce ensure escape estimate evict exclude execute exercise exit expand expect explain export expose extend extract
fail find finish fix flush fold follow forbid forget format freeze generate get give group guard handle hide highlight
hold ignore implement import improve include increase index inline insert install introduce isolate join keep label land
leave let lift limit link list load localize lock log look make map mark mask match measure mention merge migrate mirror
mock move name narrow normalize note notice number offer open optimize order pack page parse pass pause pin place plan
plant point polish prefer prepare preserve prevent print promote protect prove provide publish pull push put queue quote
raise re-export reach read rebuild recognize record recover redact redirect reduce refactor refresh refuse register
reject relax release reload remember remove rename render reopen reorder reorganize repair repeat replace report request
require reset resolve respect restart restore restrict restructure retain retake retire retry return reuse revert review
revise reword rework rewrite round run salvage sample save scale scan schedule search select send separate serialize
serve set share shorten show shrink simplify skip sort speed split stamp start state stop store stream strengthen strip
style subscribe suggest support suppress swap switch sync take teach test throttle tidy time tolerate torture trace
track translate treat trigger trim truncate try turn type unify unpin update upgrade use validate verify wait warn watch
widen wire wrap write yield
"""
VERBS = frozenset(IMPERATIVE_VERBS.split())


class Commit(NamedTuple):
    """One commit.

    Attributes:
        name: Hash.
        message: Subject and body.
        files: Number of changed files.
    """

    name: str
    message: str
    files: int


class MissingHistoryError(Exception):
    """The clone does not contain the commits to check. The message explains why."""


def problems(commit: Commit) -> list[str]:
    """Return the problems of a commit's message."""
    subject, _, rest = commit.message.partition("\n")
    found: list[str] = []
    if len(subject) > MAX_SUBJECT:
        found.append(f"the subject must have at most {MAX_SUBJECT} characters, got {len(subject)}")
    word = subject.split(" ")[0]
    if word != word.capitalize() or word.lower() not in VERBS:
        found.append(
            f"the subject must start with an imperative verb such as 'Add', got {word!r} (IMPERATIVE_VERBS lists them)"
        )
    if subject.endswith("."):
        found.append("the subject must have no full stop at its end")
    if rest and not rest.startswith("\n"):
        found.append("the second line must be empty")
    if commit.files > MAX_FILES_WITHOUT_BODY and not rest.strip():
        found.append(f"a change of {commit.files} files needs a body with its reason")
    return found


def commits(root: Path, since: str) -> list[Commit]:
    """Return the commits to check, oldest first.

    Args:
        root: Folder of the repository.
        since: Commit after which the check starts if there is no release tag.

    Raises:
        MissingHistoryError: There is no repository, or its history does not contain the commit after which the check
            starts.
    """
    if git(root, "rev-parse", "--git-dir") is None:
        raise MissingHistoryError(f"{root} is not a git repository")
    start = git(root, "describe", "--tags", "--abbrev=0", "--match", TAGS) or since
    excluded = [start]
    if git(root, "merge-base", "--is-ancestor", start, "HEAD") is None:
        if git(root, "rev-parse", "--is-shallow-repository") != "true":
            raise MissingHistoryError(f"commit {start}, after which the check starts, is not in the history of HEAD")
        # A shallow clone contains only commits after `start`. Check all of them except the oldest commits. The changes
        # of the oldest commits are unknown, because their parents are missing.
        boundary = git(root, "rev-parse", "--path-format=absolute", "--git-path", "shallow")
        assert boundary is not None
        excluded = Path(boundary).read_text().split()
    names = git(root, "rev-list", "--reverse", "--no-merges", "HEAD", "--not", *excluded)
    assert names is not None
    return [read_commit(root, name) for name in names.split()]


def read_commit(root: Path, name: str) -> Commit:
    """Return one commit of a repository."""
    message = git(root, "show", "--no-patch", "--format=%B", name) or ""
    files = git(root, "diff-tree", "--root", "--no-commit-id", "--name-only", "-r", "-M", name) or ""
    return Commit(name, message.strip(), len(files.splitlines()))


def git(root: Path, *arguments: str) -> str | None:
    """Return the output of a git command; None if the command fails or git is not installed."""
    try:
        done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def main() -> int:
    """Check the commits of this repository and return the exit code."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["check-commits"]
    exceptions = tuple(settings.get("exceptions", ()))
    try:
        checked = [commit for commit in commits(ROOT, settings["since"]) if not commit.name.startswith(exceptions)]
    except MissingHistoryError as error:
        print(f"Commit messages are not checked: {error}.")
        return 0
    found = [f"{commit.name[:8]} {problem}" for commit in checked for problem in problems(commit)]
    print("\n".join([*found, f"{len(checked)} commit messages checked, {len(found)} problems"]))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
