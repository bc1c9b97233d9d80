"""The process around the framework."""

import subprocess
import sys

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
