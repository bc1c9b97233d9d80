"""The code of the pages about moving from other programs works as it is printed."""

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hassette_core import App
from hassette_core.bus.options import ListenerOptions
from hassette_core.config import AppEntry
from hassette_core.replacements import replacement_of
from hassette_core.scheduler.options import JobOptions
from hassette_core.testing import HomeUnderTest
from support import other_programs
from support.app_examples import examples, parse_example, unknown_members

PAGES = Path(__file__).parents[3] / "docs" / "moving"
NAMES = sorted(path.stem for path in PAGES.glob("*.md") if path.stem != "appdaemon-home")
"""The pages with tables. The code of the other page is in ``examples/moved_home``, which has its own tests."""


def path_of(page: str) -> Path:
    return PAGES / f"{page}.md"


def text_of(page: str) -> str:
    return path_of(page).read_text(encoding="utf-8")


def page_tests(page: str) -> dict[str, Callable[[HomeUnderTest], None]]:
    (code,) = [each for each in examples(path_of(page), "python") if "def test_" in each]
    names: dict[str, Any] = {"__name__": f"test_{page}"}
    exec(compile(code, f"{page}.md", "exec"), names)
    return {name: value for name, value in names.items() if name.startswith("test_")}


def ported_apps() -> Iterator[tuple[str, str, str]]:
    for page in NAMES:
        for file in re.findall(r"`apps/(\w+\.py)`:\n\n```python", text_of(page)):
            for test in page_tests(page):
                yield page, file, test


@pytest.mark.parametrize(("page", "file", "test"), list(ported_apps()))
def test_ported_app_passes_the_test_of_its_page(
    page: str, file: str, test: str, home: HomeUnderTest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = text_of(page)
    code = re.search(rf"`apps/{re.escape(file)}`:\n\n```python\n(.*?)^```$", text, re.M | re.S)
    assert code is not None
    (settings,) = [each for each in examples(path_of(page), "toml") if ".config]" in each]
    module = re.search(r'^module = "(\w+)"$', settings, re.M)
    assert module is not None
    (tmp_path / "apps").mkdir()
    (tmp_path / "apps" / f"{module[1]}.py").write_text(code[1], encoding="utf-8")
    (tmp_path / "hassette.toml").write_text(settings, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    page_tests(page)[test](home)


@pytest.mark.parametrize(
    ("page", "names"),
    [
        ("appdaemon", other_programs.APPDAEMON),
        ("appdaemon", other_programs.APPDAEMON_ENTITY),
        ("appdaemon", other_programs.APPDAEMON_FILES),
        ("hassette", other_programs.HASSETTE_060),
        ("pyscript", other_programs.PYSCRIPT),
    ],
)
def test_page_has_each_public_name_of_the_other_program(page: str, names: frozenset[str]) -> None:
    code = " ".join(re.findall(r"`([^`\n]+)`", text_of(page)))
    assert names - set(re.findall(r"[A-Za-z_]\w*", code)) == set()


def test_missing_member_of_appdaemon_has_a_replacement_unless_the_page_has_none_either() -> None:
    without = text_of("appdaemon").partition("## Without an equivalent")[2]
    unknown = {name for name in other_programs.APPDAEMON if not hasattr(App, name) and replacement_of(name) is None}
    assert unknown - {"time"} == {name for name in unknown if f"`{name}`" in without}


def snippets(page: str) -> list[str]:
    """Return the pieces of Hassette's code in the tables, which is the right column of each."""
    rows = [row.strip("|").split(" | ") for row in text_of(page).splitlines() if row.startswith("| ")]
    found = [piece for row in rows if len(row) == 2 for piece in re.findall(r"`([^`]+)`", row[1])]
    return [piece for piece in found if re.search(r"self\.\w+\.|^\w+=", piece)]


def options() -> set[str]:
    names = set(ListenerOptions.__annotations__) | set(JobOptions.__annotations__) | set(AppEntry.model_fields)
    names |= {"changed_from", "changed_to", "duration", "immediate", "include_attributes", "start", "days"}
    names |= {"return_response", "expect", "within", "retries"}
    return names


@pytest.mark.parametrize("page", NAMES)
def test_names_in_the_tables_exist(page: str) -> None:
    problems: list[str] = []
    for snippet in snippets(page):
        tree = parse_example(snippet.replace("=...", "=None"))
        problems += [f"{snippet}: {member} does not exist" for member in unknown_members(tree)]
        for node in ast.walk(tree):
            match node:
                case ast.Assign(targets=[ast.Name(id=name)]):
                    if name not in options():
                        problems.append(f"{snippet}: there is no option {name}")
                case _:
                    pass
    assert snippets(page)
    assert problems == []
