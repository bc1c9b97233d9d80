"""Core without the other packages, as a process."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.waiting import patience

HIDE_PLUGINS = """
import importlib.metadata as metadata

entry_points = metadata.entry_points
ours = lambda group="", **_: group.startswith("hassette.")
metadata.entry_points = lambda **wanted: () if ours(**wanted) else entry_points(**wanted)
"""


def run_demo(folder: Path) -> subprocess.CompletedProcess[str]:
    # If the other packages are installed, hide their plugins from the process.
    (folder / "sitecustomize.py").write_text(HIDE_PLUGINS, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    command = [Path(sys.executable).parent / "hassette", "demo", "--data-dir", folder / "data"]
    return subprocess.run(
        [*command, "--seconds", "4", "--speed", "200"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=patience(120),
    )


@pytest.mark.timeout(patience(150))
def test_demo_runs_without_a_store_and_explains_once_how_to_install_it(tmp_path: Path) -> None:
    ended = run_demo(tmp_path)
    assert ended.returncode == 0, ended.stderr
    (line,) = [line for line in ended.stderr.splitlines() if "Runs are not recorded" in line]
    assert 'pip install "hassette-core[telemetry]"' in line
    assert 'none; to record it:  pip install "hassette-core[telemetry]"' in ended.stdout
    assert "failures      " in ended.stdout
    assert "climate_guard.climate_guard.watch_humidity" in ended.stdout, "the apps ran"
    assert not (tmp_path / "data").exists(), "nothing is written"
