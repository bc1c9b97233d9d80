"""Keep up to 10,000 half-open connections to an HTTP server: each sends half a request line and then nothing.

    python benchmarks/contenders/half_open.py PORT CONNECTIONS RATE

A connection that the server closes is opened again. RATE limits the attempts per second; 0 means no limit. The program
ends when its standard input is closed, and prints its figures as JSON. It needs only the standard library.
"""

import contextlib
import errno
import json
import selectors
import socket
import sys
import time
from collections import Counter

HALF_LINE = b"GET /runs?te"
AT_ONCE = 200
"""Attempts before the program looks at the answers of the server."""
STEP_S = 0.005


class HalfOpenConnections:
    """The connections of the attacker, and their counts.

    Attributes:
        counts: Number of attempts, sent half lines, connections closed by the server, and failed attempts.
        most: Highest number of connections that were open or being opened at the same time.
    """

    def __init__(self, port: int, connections: int, rate: float) -> None:
        self.counts = Counter[str]()
        self.most = 0
        self._port = port
        self._connections = connections
        self._rate = rate
        self._selector = selectors.DefaultSelector()
        self._open = 0

    def attack_until_closed(self, control: int) -> None:
        """Open connections until the descriptor ``control`` is closed at its other end."""
        self._selector.register(control, selectors.EVENT_READ)
        began = time.monotonic()
        while True:
            due = min(self._connections - self._open, AT_ONCE)
            if self._rate:
                due = min(due, int((time.monotonic() - began) * self._rate) - self.counts["attempts"])
            for _ in range(due):
                if not self._connect():
                    break
            self.most = max(self.most, self._open)
            for key, events in self._selector.select(STEP_S):
                if key.fd == control:
                    return
                self._proceed(key, events)

    def _connect(self) -> bool:
        try:
            one = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        except OSError:
            self.counts["failed"] += 1
            return False
        self.counts["attempts"] += 1
        one.setblocking(False)
        error = one.connect_ex(("127.0.0.1", self._port))
        if error not in (0, errno.EINPROGRESS):
            self.counts["failed"] += 1
            one.close()
            return False
        self._open += 1
        self._selector.register(one, selectors.EVENT_WRITE)
        return True

    def _proceed(self, key: selectors.SelectorKey, events: int) -> None:
        one = key.fileobj
        assert isinstance(one, socket.socket)
        if events & selectors.EVENT_WRITE:
            with contextlib.suppress(OSError):
                one.send(HALF_LINE)
                self.counts["half lines"] += 1
                self._selector.modify(one, selectors.EVENT_READ)
                return
        # The server has answered or closed the connection.
        self.counts["closed"] += 1
        self._selector.unregister(one)
        one.close()
        self._open -= 1


def main() -> None:
    port, connections, rate = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    attack = HalfOpenConnections(port, connections, rate)
    attack.attack_until_closed(sys.stdin.fileno())
    print(json.dumps({**attack.counts, "most": attack.most}))


if __name__ == "__main__":
    main()
