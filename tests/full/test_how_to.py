"""The commands in ``docs/how-to``, with the history of the demo."""

import re
import sys
from pathlib import Path

import pytest

from support.how_to import DemoHistory, pages, time_of_the_demo, with_outputs

pytestmark = [pytest.mark.timeout(300), pytest.mark.heavy]

REFERENCE_PYTHON = (3, 11)
"""With another Python, the framework may read the clock in another order, so ids and short durations can differ."""
VARIABLE = re.compile(r"\b\d{19}\b|\b01[0-9A-Z]{24}\b|\b[\d.]+ (?:µs|ms|s|kB)\b|─+| +")


def masked(text: str) -> str:
    return text if sys.version_info[:2] == REFERENCE_PYTHON else VARIABLE.sub(" ", text)


def test_each_page_shows_the_real_output_of_its_commands(tmp_path: Path) -> None:
    # One test for all pages, because the history takes seconds. After a change: python scripts/write_how_to.py
    assert len(pages()) == 12
    with time_of_the_demo():
        history = DemoHistory(tmp_path / "history")
        with history.served() as url:
            differing = {
                path.name: text
                for path in pages()
                if masked(text := with_outputs(path.read_text("utf-8"), history.folder, url))
                != masked(path.read_text("utf-8"))
            }
    for name, text in differing.items():
        print(f"{name} should be:\n{text}")
    assert list(differing) == []
