"""The process around the framework."""

import subprocess
import sys
from pathlib import Path

from hassette_core.cli.process import SWITCH_INTERVAL_S
from support.waiting import patience

PRINT_SWITCH_INTERVAL = """
import sys
from hassette_core.cli.process import run_to_the_end

async def main():
    print(sys.getswitchinterval())
    return 7

sys.exit(run_to_the_end(main))
"""


def test_switch_interval_is_shorter_and_the_exit_code_is_that_of_main() -> None:
    ended = subprocess.run([sys.executable, "-c", PRINT_SWITCH_INTERVAL], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (7, "")
    assert float(ended.stdout) == SWITCH_INTERVAL_S < sys.getswitchinterval()


def test_process_without_standard_error_runs(tmp_path: Path) -> None:
    """Some service managers close standard error. A write to it must not end the process."""
    options = ["demo", "--no-past", "--seconds", "0.1", "--speed", "0", "--port", "0", "--data-dir", str(tmp_path)]
    demo = f"from hassette_core.cli import main; main({options})"
    ended = subprocess.run(
        ["sh", "-c", 'exec "$0" -c "$1" 2>&-', sys.executable, demo], check=False, timeout=patience(60)
    )
    assert ended.returncode == 0


HANG = """
import sys, threading, time
from hassette_core.cli.process import run_to_the_end

async def main():
    threading.Thread(target=time.sleep, args=(600,)).start()
    return 7

sys.exit(run_to_the_end(main))
"""


def test_hung_thread_does_not_delay_the_exit_of_a_process_without_standard_error() -> None:
    ended = subprocess.run(
        ["sh", "-c", 'exec "$0" -c "$1" 2>&- >&-', sys.executable, HANG], check=False, timeout=patience(60)
    )
    assert ended.returncode == 7


SLOW_EXIT = """
import atexit, ctypes, sys
from hassette_core.cli.stop_guard import end_within

# PyDLL keeps the interpreter lock during the call, so no thread can run. Python calls this function during its exit.
atexit.register(ctypes.PyDLL(None).sleep, 3)
end_within(0.5, 7)
sys.exit(7)
"""


def test_slow_exit_of_python_does_not_change_the_exit_code() -> None:
    """On a busy machine, Python's own exit takes seconds. A clean process must keep its exit code."""
    ended = subprocess.run([sys.executable, "-c", SLOW_EXIT], capture_output=True, text=True, check=False)
    assert ended.returncode == 7, ended.stderr
