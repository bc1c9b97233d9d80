"""The time limit of each test grows with HASSETTE_TEST_PATIENCE."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.waiting import VARIABLE

ROOT = Path(__file__).parents[2]
PRINT_LIMIT = "def test_limit(pytestconfig): raise AssertionError(f'limit {pytestconfig.option.timeout:g} s')"


@pytest.mark.parametrize("workers", ["0", "1"])
def test_time_limit_is_scaled_in_one_process_and_in_the_workers_of_several(tmp_path: Path, workers: str) -> None:
    (tmp_path / "conftest.py").write_text((ROOT / "tests" / "conftest.py").read_text())
    (tmp_path / "test_limit.py").write_text(PRINT_LIMIT)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-n", workers, "--timeout", "40"]
    environment = {**os.environ, VARIABLE: "7", "PYTHONPATH": str(ROOT / "tests")}
    ran = subprocess.run([*command, str(tmp_path)], env=environment, capture_output=True, text=True, check=False)
    assert "limit 280 s" in ran.stdout, ran.stdout
