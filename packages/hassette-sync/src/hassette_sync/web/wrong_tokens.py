"""Delay and log of wrong tokens."""

import asyncio
import ipaddress
import logging
import math
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

_logger = logging.getLogger(__name__)

_FREE_PER_ADDRESS: Final = 10
_FREE_IN_TOTAL: Final = 100
_FORGET_PER_ADDRESS_S: Final = 10.0
_FORGET_IN_TOTAL_S: Final = 1.0
_MAX_ADDRESSES: Final = 1_000
_LOG_INTERVAL_S: Final = 300.0


class _Bucket:
    """Number of recent wrong tokens. One is forgotten each ``forget_s`` seconds."""

    __slots__ = ("_at", "_forget_s", "_level")

    def __init__(self, forget_s: float) -> None:
        self._forget_s = forget_s
        self._level = 0.0
        self._at = 0.0

    def level(self, now: float) -> float:
        self._level = max(0.0, self._level - (now - self._at) / self._forget_s)
        self._at = now
        return self._level

    def add(self, now: float) -> None:
        self._level = self.level(now) + 1


class WrongTokens:
    """Slows down guesses of the token, per address and in total, and logs them once per interval.

    A token is checked after the delay, so a guess costs a connection for the time of the delay, and nothing is learned
    by leaving early. No address is locked out: the right token is accepted after at most `max_delay_s`. Sessions of
    browsers are not delayed. Addresses of one IPv6 network (/64) count as one.

    Args:
        max_delay_s: Longest delay of one check.
        clock: Monotonic clock in seconds.
        log_interval_s: Time between two log messages.
    """

    def __init__(
        self,
        max_delay_s: float = 4.0,
        clock: Callable[[], float] = time.monotonic,
        log_interval_s: float = _LOG_INTERVAL_S,
    ) -> None:
        self._max_delay_s = max_delay_s
        self._clock = clock
        self._log_interval_s = log_interval_s
        self._addresses: OrderedDict[str, _Bucket] = OrderedDict()
        self._total = _Bucket(_FORGET_IN_TOTAL_S)
        self._unlogged = 0
        self._unlogged_addresses: set[str] = set()
        self._timer: asyncio.TimerHandle | None = None

    def delay_s(self, address: str) -> float:
        """Return the delay before the next check of a token from this address."""
        now = self._clock()
        bucket = self._addresses.get(network_of(address))
        over_address = math.ceil(bucket.level(now)) - _FREE_PER_ADDRESS if bucket is not None else 0
        over_total = math.ceil(self._total.level(now)) - _FREE_IN_TOTAL
        over = max(over_address, over_total)
        return min(self._max_delay_s, 0.25 * 2 ** min(over, 10)) if over > 0 else 0.0

    async def wait(self, address: str) -> None:
        """Wait before a token from this address is checked."""
        if (delay := self.delay_s(address)) > 0:
            await asyncio.sleep(delay)

    def add(self, address: str) -> None:
        """Count a wrong token and log it, at once or at the end of the interval."""
        now = self._clock()
        network = network_of(address)
        bucket = self._addresses.pop(network, None) or _Bucket(_FORGET_PER_ADDRESS_S)
        self._addresses[network] = bucket
        if len(self._addresses) > _MAX_ADDRESSES:
            self._addresses.popitem(last=False)
        bucket.add(now)
        self._total.add(now)
        self._unlogged += 1
        if len(self._unlogged_addresses) < _MAX_ADDRESSES:
            self._unlogged_addresses.add(network)
        if self._timer is None:
            self._log()

    def close(self) -> None:
        """Log the attempts that have not been logged."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._unlogged:
            self._write_log()

    def _log(self) -> None:
        self._timer = None
        if self._unlogged:
            self._write_log()
            self._timer = asyncio.get_running_loop().call_later(self._log_interval_s, self._log)

    def _write_log(self) -> None:
        _logger.warning(
            "Requests with a wrong token were refused",
            extra={
                "attempts": self._unlogged,
                "addresses": len(self._unlogged_addresses),
                "address": min(self._unlogged_addresses),
            },
        )
        self._unlogged = 0
        self._unlogged_addresses.clear()


def network_of(address: str) -> str:
    """Return the address, or the network of an IPv6 address: one household has a whole /64."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return "unknown"
    if parsed.version == 4:
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((int(parsed) >> 64 << 64, 64)))
