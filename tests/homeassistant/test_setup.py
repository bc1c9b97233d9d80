"""Test the fixtures of this folder. Simple scripts replace those that set up and start Home Assistant."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from support.waiting import patience

TESTS = Path(__file__).parents[1]
LIMIT_S = patience(5)  # the time limit of the inner test
SETUP = f"""#!{sys.executable}
import threading
threading.Event().wait({LIMIT_S + 1})
open(__file__ + ".done", "w").close()
"""
START = f"""#!{sys.executable}
import json, sys
print(json.dumps({{"url": "http://127.0.0.1:1", "token": "token", "pid": 1, "version": "2025.4.4"}}), flush=True)
sys.stdin.read()
"""
INNER_TEST = """
import pytest

@pytest.mark.homeassistant
def test_home_assistant_is_up(real):
    assert real.up

def test_without_home_assistant():
    pass
"""


def inner_tests(tmp_path: Path, setup: str, start: str, *options: str) -> str:
    """Run the inner tests with scripts, and return the output."""
    scripts, inner = tmp_path / "scripts", tmp_path / "inner"
    for folder in (scripts, inner):
        folder.mkdir()
    for name, text in (("setup", setup), ("start", start)):
        (scripts / name).write_text(text)
        (scripts / name).chmod(0o755)
    shutil.copy(Path(__file__).with_name("conftest.py"), inner)
    (inner / "test_inner.py").write_text(INNER_TEST)
    (inner / "pytest.ini").write_text("[pytest]\nmarkers =\n    homeassistant: needs the stand-in\n")
    answer = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *options, str(inner)],
        env={**os.environ, "HASS_TEST_DIR": str(scripts), "PYTHONPATH": str(TESTS)},
        capture_output=True,
        text=True,
    )
    return answer.stdout + answer.stderr


def test_setup_of_home_assistant_may_take_longer_than_a_test(tmp_path: Path) -> None:
    output = inner_tests(tmp_path, SETUP, START, f"--timeout={LIMIT_S}")
    assert "2 passed" in output, output
    assert (tmp_path / "scripts" / "setup.done").exists()


def test_failed_setup_of_home_assistant_fails_only_the_tests_that_need_it(tmp_path: Path) -> None:
    failing = "#!/bin/sh\nexit 1\n"
    output = inner_tests(tmp_path, failing, failing, "-n", "1")
    assert "1 passed, 1 error" in output, output
    assert "could not start Home Assistant" in output
    assert "INTERNALERROR" not in output
