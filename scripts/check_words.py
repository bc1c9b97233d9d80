"""Report words and phrases that we do not use: ``python scripts/check_words.py [PATH ...]``.

The section "How we write" of CONTRIBUTING.md gives the rules behind this list. The check covers source, tests, names,
SQL, templates, scripts and docs. The exit code is 1 if the check finds a phrase. `PHRASES` lists the phrases with words
to use instead. `ALLOWED` lists the places where a phrase is right, with the reasons.
"""

import argparse
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
SUFFIXES = {".py", ".md", ".sql", ".html", ".js", ".css", ".toml", ".template", ".c", ".run", ".yaml"}
# The licence is a standard text, and check_words.py contains all phrases.
SKIPPED = {"LICENSE", "check_words.py"}

# Each phrase with words to use instead. An underscore counts as the end of a word, so the check also covers names.
PHRASES = {
    r"say|says|said|saying|unsaid": "report, log, state, show",
    r"tell|tells|told|telling|untold": "report, log, inform, distinguish",
    r"somebody|nobody|whoever|whom": "name the person or the component",
    r"beside|besides": "next to, in addition to, with",
    r"befall|befalls|befell": "happen to",
    r"mend|mends|mended|mending": "fix, repair",
    r"mistake|mistakes|mistaken": "error",
    r"goodbye": "shutdown",
    r"(?:give|gives|gave|given|giving)[ _]up": "drop, evict, stop retrying",
    r"of[ _](?:its|their|his|her|my|our|your|one's)[ _]own": "its own, separate, private",
    r"(?:one|ones)[ _](?:that|who|which)": "name the noun",
    r"all[ _]is[ _]well": "healthy",
    r"(?:put|puts|putting)[ _]to[ _]rest": "stop",
    r"(?:keep|keeps|kept|keeping)[ _]aside": "hold for retry",
    r"honest|honestly": "accurate, complete",
    r"nonsense": "invalid input",
    r"anew": "again",
    r"bite|bites": "step",
    r"trouble|troubles": "failure, problem",
    r"lest|whence|hence|thus|wherein|thereof|whereupon": "so, because, where",
    r"thing|things": "name the noun",
    r"house|houses": "home, or the process",
    r"a[ _]word": "a message",
    r"no[ _]more[ _]than[ _]what": "at most",
    r"look(?:s|ed)?[ _]no[ _]more": "stop watching",
}
# A sentence that starts with a relative clause: "What waits is written", "Who stops second", "Of those that failed".
OPENING = re.compile(
    r"(?:^\s*|[.;:!?][ )]\s*|\"\"\"|#:? |-- |\| |\*\*|^\s*[-*] )"
    r"(?P<found>(?:What|Who|Whoever|Whatever|Whose|Of|Such|Which) (?:[a-z`*_]+))(?P<rest>[^.?!|\"]*[.?!|]?)"
)
QUESTION = re.compile(r"\?$")

# (path, found phrase in lower case) -> the reason why the phrase is right there.
_GLOSSARY_TEST = "tests/architecture/test_glossary.py"
_QUESTION_WORDS = "packages/hassette-sync/src/hassette_sync/questions/asking/parsing.py"
_WORDS_TEST = "tests/architecture/test_words.py"
ALLOWED: dict[tuple[str, str], str] = {
    **dict.fromkeys([(_GLOSSARY_TEST, word) for word in ("bite", "mend", "mistake", "thing")], "the words to replace"),
    ("packages/hassette-executor/CHANGELOG.md", "say"): "the old name of a method",
    ("packages/hassette-executor/CHANGELOG.md", "unsaid"): "the old name of a log fact",
    ("packages/hassette-store/CHANGELOG.md", "mend"): "the old name of an argument",
    **dict.fromkeys(
        [(_QUESTION_WORDS, "tell"), ("tests/sync/test_ask.py", "tell")], "words in which people ask questions"
    ),
    **dict.fromkeys(
        [(_WORDS_TEST, phrase) for phrase in ("nobody", "what_is", "said", "what waits", "gave up", "of those")],
        "samples of banned text",
    ),
}

_WORDS = [
    (re.compile(rf"(?<![A-Za-z])(?:{phrase})(?![A-Za-z])", re.IGNORECASE), hint) for phrase, hint in PHRASES.items()
]
_ANY_WORD = re.compile(rf"(?<![A-Za-z])(?:{'|'.join(PHRASES)})(?![A-Za-z])", re.IGNORECASE)


class Finding(NamedTuple):
    """A banned phrase in a file, and the words to use instead."""

    path: str
    line: int
    phrase: str
    hint: str


def findings(path: str, text: str) -> Iterator[Finding]:
    """Yield each banned phrase in the text of a file."""
    words = _WORDS if _ANY_WORD.search(text) else []  # most files contain none; 25 searches in each line take long
    for number, line in enumerate(text.splitlines(), 1):
        for pattern, hint in words:
            for match in pattern.finditer(line):
                if (path, match[0].lower()) not in ALLOWED:
                    yield Finding(path, number, match[0], hint)
        for match in OPENING.finditer(line):
            heading = line.lstrip().startswith("#") and path.endswith(".md")
            if not heading and not QUESTION.search(match["rest"]) and (path, match["found"].lower()) not in ALLOWED:
                yield Finding(path, number, match["found"], "subject, verb, object")
    for word in re.split(r"[/.]", path):  # the names of the file and its folders
        for pattern, hint in _WORDS:
            if pattern.search(word) and (path, word) not in ALLOWED:
                yield Finding(path, 0, word, f"file name: {hint}")


def files(paths: list[str]) -> list[Path]:
    """Return the files to check: given files, and files in given folders that git tracks."""
    if all(Path(path).is_file() for path in paths):
        return [Path(path).resolve() for path in paths]
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--", *paths], cwd=ROOT, capture_output=True, text=True, check=True
    )
    tracked = [ROOT / name for name in listed.stdout.split("\0") if name and Path(name).name not in SKIPPED]
    return [file for file in tracked if file.is_file() and (file.suffix in SUFFIXES or not file.suffix)]


def name_of(file: Path) -> str:
    """Return the path of a file relative to the repository, or only its name if it is outside."""
    return file.relative_to(ROOT).as_posix() if file.is_relative_to(ROOT) else file.name


def main() -> int:
    """Print the findings, one per line, and return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("paths", nargs="*", default=["."], help="files or folders; by default the whole repository")
    parser.add_argument("--count", action="store_true", help="print only the number of findings")
    arguments = parser.parse_args()
    found = [
        finding
        for file in files(arguments.paths)
        for finding in findings(name_of(file), file.read_text(encoding="utf-8", errors="replace"))
    ]
    if arguments.count:
        print(len(found))
    else:
        for path, line, phrase, hint in found:
            print(f"{path}:{line}: {phrase!r}; use instead: {hint}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
