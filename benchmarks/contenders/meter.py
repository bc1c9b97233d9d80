"""The work of the handlers of all contenders: count events, and report to the benchmark when an event asks for it.

The module needs only the standard library, because it also runs in the environments of other frameworks.
"""

import json
import os
import resource
import socket
import time
from pathlib import Path


class Meter:
    """Counts handled events. The environment has the address of the benchmark and the name of this contender."""

    def __init__(self) -> None:
        self._name = os.environ["CONTENDER"]
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.connect(("127.0.0.1", int(os.environ["CONTENDER_REPORT_PORT"])))
        self._handled = 0
        self._delays_ns: list[int] = []

    def handle(self, state: str) -> None:
        """Handle one event. Its state is the time at which it was sent; ``!`` at the end asks for a report."""
        now_ns = time.monotonic_ns()
        self._handled += 1
        if state[-1] != "!":
            self._delays_ns.append(now_ns - int(state))
            return
        self._delays_ns.append(now_ns - int(state[:-1]))
        self.report()

    def report(self) -> None:
        """Send the figures since the last report."""
        delays = sorted(self._delays_ns)
        self._delays_ns.clear()
        figures = {
            "contender": self._name,
            "pid": os.getpid(),
            "handled": self._handled,
            "cpu_ns": time.process_time_ns(),
            "rss_kb": _resident_kb(),
            "switches": resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw,
            "delays_ns": [delays[len(delays) * part // 1000] for part in (500, 990, 999)] if delays else [],
            "longest_ns": delays[-1] if delays else 0,
        }
        self._socket.send(json.dumps(figures).encode())


def _resident_kb() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * (os.sysconf("SC_PAGE_SIZE") // 1024)
