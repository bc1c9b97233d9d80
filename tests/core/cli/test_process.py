"""The process around the framework."""

import subprocess
import sys
from pathlib import Path

from hassette_core.cli.process import SWITCH_INTERVAL_S

SAYS_ITS_INTERVAL = """
import sys
from hassette_core.cli.process import run_to_the_end

async def main():
    print(sys.getswitchinterval())
    return 7

sys.exit(run_to_the_end(main))
"""


def test_threads_get_their_turn_sooner_than_by_default_and_the_code_is_the_mains() -> None:
    ended = subprocess.run([sys.executable, "-c", SAYS_ITS_INTERVAL], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (7, "")
    assert float(ended.stdout) == SWITCH_INTERVAL_S < sys.getswitchinterval()


def test_a_process_without_a_standard_error_runs_all_the_same(tmp_path: Path) -> None:
    """As some starters of daemons make it; it would end at once and, of all things, could not say why."""
    options = ["demo", "--seconds", "0.1", "--speed", "0", "--port", "0", "--data-dir", str(tmp_path)]
    demo = f"from hassette_core.cli import main; main({options})"
    ended = subprocess.run(["sh", "-c", 'exec "$0" -c "$1" 2>&-', sys.executable, demo], check=False, timeout=60)
    assert ended.returncode == 0
