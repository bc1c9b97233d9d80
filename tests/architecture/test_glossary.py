"""The glossary agrees with the names of the packages: public classes, modules and folders."""

import importlib
import re
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ["hassette_core", "hassette_executor", "hassette_store", "hassette_sync"]
# The glossary has other words for these. No public name may contain one, because each meaning has only one word.
REPLACED = {
    *("bite", "circle", "handover", "keeper", "lane", "member", "mend", "mistake", "part", "pending", "piece"),
    *("predicate", "question", "story", "thing", "word"),
}
# Words that a module's name may contain without an entry in the glossary: ordinary words of programming, and names of
# formats and tools.
ORDINARY = {
    *("arguments", "assistant", "assistants", "http", "prompts", "shaping", "stdio"),
    *("access", "activity", "address", "application", "asking", "async", "attempts", "backoff", "backups", "cache"),
    *(
        "callables",
        "cancellable",
        "charts",
        "check",
        "cli",
        "climate",
        "colours",
        "config",
        "configuration",
        "copy",
        "counter",
    ),
    *(
        "creation",
        "encoding",
        "env",
        "environment",
        "examples",
        "explaining",
        "follow",
        "formats",
        "formatting",
        "header",
        "init",
    ),
    *("initial", "inspection", "json", "lazy", "load", "loading", "login", "main", "measures", "menu", "model"),
    *("otel", "otlp", "output", "overview", "owned", "pace", "paging", "parsing", "planned", "preparation", "present"),
    *("problems", "reader", "references", "render", "rendering", "rest", "scripts", "simulation", "spans", "startup"),
    *("statements", "static", "stream", "suggestions", "tasks", "templates", "terminal", "texts", "threads"),
    *("totals", "transactions", "upgrade", "versions", "waiters", "web", "websocket", "writer"),
}
ALLOWED = {"BadQuestionError": "sync answers questions; it is the word of its users"}
ENTRY = re.compile(
    r"^- \*\*(?P<terms>[^*]+)\*\*(?: \((?P<names>`[^)]+`)\))?:(?P<text>(?:.+\n)(?:  .+\n)*)", re.MULTILINE
)


def entries() -> list[re.Match[str]]:
    """Return the entries of the glossary."""
    return list(ENTRY.finditer(re.sub(r"\n  (?=`)", " ", (ROOT / "docs/glossary.md").read_text())))


def public_classes() -> set[str]:
    """Return the public classes and type aliases of all packages, except errors."""
    modules = [importlib.import_module(package) for package in PACKAGES]
    names = {name for module in modules for name in module.__all__ if name[0].isupper() and not name.isupper()}
    return {name for name in names if not name.endswith("Error") and "_" not in name}


def words(name: str) -> list[str]:
    """Return the words of a name such as ``AppConfig`` or ``app_config``, in lower case."""
    return [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)]


def forms(noun: str) -> set[str]:
    """Return the singular and the plural of a noun that is given in one of them. Some returned words do not exist."""
    return {noun, f"{noun}s", noun.removesuffix("s"), noun.removesuffix("es"), re.sub(r"ies$", "y", noun)}


def test_each_term_has_one_entry() -> None:
    terms = [term.strip().lower() for entry in entries() for term in entry["terms"].split(",")]

    assert len(terms) > 30
    assert [term for term, count in Counter(terms).items() if count > 1] == []


def test_each_public_class_carries_exactly_one_term() -> None:
    named = Counter(name for entry in entries() for name in re.findall(r"`(\w+)`", entry["names"] or ""))
    in_text = {name for entry in entries() for name in re.findall(r"`([A-Z]\w+)`", entry["text"])}
    missing = public_classes() - set(named) - in_text

    assert missing == set()
    assert [name for name, count in named.items() if count > 1] == []


def test_each_class_in_parentheses_is_public() -> None:
    named = {name for entry in entries() for name in re.findall(r"`(\w+)`", entry["names"] or "")}

    assert named - public_classes() == set()


@pytest.mark.parametrize("package", PACKAGES)
def test_each_module_name_is_an_ordinary_word_or_in_the_glossary(package: str) -> None:
    (source,) = ROOT.glob(f"packages/*/src/{package}")
    named = {path.stem for path in source.rglob("*") if path.suffix == ".py" or path.is_dir()}
    parts = {part for name in named if name[0] != "_" for part in re.findall(r"[a-z]{2,}", name)}
    glossary = set(re.findall(r"[a-z]+", (ROOT / "docs/glossary.md").read_text().lower()))

    assert {part for part in parts - ORDINARY if not forms(part) & glossary} == set()


@pytest.mark.parametrize("package", PACKAGES)
def test_no_public_name_uses_a_replaced_word(package: str) -> None:
    names = importlib.import_module(package).__all__

    assert [name for name in names if REPLACED & set(words(name)) and name not in ALLOWED] == []
