"""What can be set about an executor, with the reasons for the defaults."""

import logging
from dataclasses import dataclass
from math import inf

from hassette_executor.errors import SettingError

_AMOUNTS = ("timeout_s", "stop_timeout_s", "log_interval_s", "log_keep_level", "log_lines", "service_calls")
_INTERVALS = ("flush_interval_s", "retry_min_s", "retry_max_s", "hook_timeout_s")
_COUNTS = ("threads", "batch_records", "max_records", "max_bytes", "log_bytes", "hooks_at_once", "feed_records")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutorSettings:
    """Settings of a `CommandExecutor` and of its write queues.

    Attributes:
        timeout_s: Deadline of a run whose registration names none, in seconds; 0 for none. Ten minutes: long
            enough for a handler that waits on purpose, short enough for one that hangs to be seen the same day.
        threads: How many sync handlers run at once; more wait their turn.
        flush_interval_s: How long a record waits at most before it is handed to the sink, in seconds (ADR-0001).
        batch_records: A batch goes out early when this many records wait.
        max_records: How many records may wait; beyond it detail is shed and counted.
        max_bytes: How many bytes they may take, by estimate.
        retry_min_s: Pause after the first failed write, in seconds; it doubles from there.
        retry_max_s: The longest pause.
        stop_timeout_s: How long `stop` may take to flush; what is left then is counted and said.
        log_lines: How many log lines a run may keep; the newest stay, and those from `log_keep_level` on before others.
        log_bytes: How many bytes they may take.
        log_keep_level: Lines of a run that did not fail are kept from this level on; of one that failed, all.
        service_calls: How many service calls a run may keep; the first stay.
        hook_timeout_s: Time limit of an error hook, in seconds.
        hooks_at_once: How many error hooks run at once; more are refused and counted.
        log_interval_s: A repeated log line is written once in this many seconds, with a count.
        feed_records: How many records the live feed retains for subscribers that come back, as long as they take no
            more than a quarter of `max_bytes`; a subscriber for which half of `max_bytes` waits is cut off.

    Raises:
        SettingError: A value is out of range; the message names the key.
    """

    timeout_s: float = 600.0
    threads: int = 16
    flush_interval_s: float = 0.5
    batch_records: int = 500
    max_records: int = 50_000
    max_bytes: int = 64 * 1024 * 1024
    retry_min_s: float = 0.5
    retry_max_s: float = 30.0
    stop_timeout_s: float = 10.0
    log_lines: int = 200
    log_bytes: int = 64 * 1024
    log_keep_level: int = logging.WARNING
    service_calls: int = 100
    hook_timeout_s: float = 5.0
    hooks_at_once: int = 10
    log_interval_s: float = 60.0
    feed_records: int = 2_000

    def __post_init__(self) -> None:
        # Asked this way round, because "not a number" is on neither side of any bound.
        for key in _AMOUNTS:
            if not 0 <= getattr(self, key) < inf:
                raise SettingError(key, getattr(self, key), "0 or more")
        for key in _INTERVALS:
            if not 0 < getattr(self, key) < inf:
                raise SettingError(key, getattr(self, key), "more than 0 seconds")
        for key in _COUNTS:
            if not getattr(self, key) >= 1:
                raise SettingError(key, getattr(self, key), "at least 1")
        if self.retry_max_s < self.retry_min_s:
            raise SettingError("retry_max_s", self.retry_max_s, f"at least retry_min_s ({self.retry_min_s:g})")
