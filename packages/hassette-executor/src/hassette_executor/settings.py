"""Settings of an executor, with the reasons for the defaults, and its fixed limits."""

import logging
from dataclasses import dataclass
from math import inf

from hassette_executor.errors import SettingError

_NOT_NEGATIVE = ("timeout_s", "stop_timeout_s", "log_interval_s", "log_keep_level", "log_lines", "service_calls")
_POSITIVE_SECONDS = ("flush_interval_s", "retry_min_s", "retry_max_s", "hook_timeout_s")
_AT_LEAST_ONE = ("threads", "batch_records", "max_records", "max_bytes", "log_bytes", "hooks_at_once", "feed_records")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutorSettings:
    """Settings of a `CommandExecutor` and of its write queues.

    Attributes:
        timeout_s: Deadline of a run whose registration sets none, in seconds; 0 for none. Ten minutes: long enough for
            a handler that waits on purpose, short enough to see a hung handler the same day.
        threads: How many sync handlers run at the same time; more wait for a thread.
        flush_interval_s: How long a record waits at most before it is passed to the sink, in seconds (ADR-0001).
        batch_records: A batch is written early when this many records wait.
        max_records: How many records may wait; beyond it the cheapest are evicted and counted.
        max_bytes: How many bytes they may take, by estimate.
        retry_min_s: Pause after the first failed write, in seconds; it doubles with each further failure.
        retry_max_s: The longest pause, in seconds.
        stop_timeout_s: How long `stop` may take to flush, in seconds; the rest is counted and logged.
        log_lines: How many log lines a record keeps. The newest stay, and lines from `log_keep_level` on stay longest.
        log_bytes: How many bytes they may take.
        log_keep_level: A run that did not fail keeps lines from this level on; a failed run keeps all.
        service_calls: How many service calls a record keeps; the first stay.
        hook_timeout_s: Time limit of an error hook, in seconds.
        hooks_at_once: How many error hooks run at the same time; more are refused and counted.
        log_interval_s: A repeated log line is written once in this many seconds, with a count.
        feed_records: How many records the live feed retains for subscribers that return, as long as they take no more
            than a quarter of `max_bytes`. A subscriber for which half of `max_bytes` waits is disconnected.

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
        # Written as `not (x >= 0)` so that NaN is rejected.
        for key in _NOT_NEGATIVE:
            if not 0 <= getattr(self, key) < inf:
                raise SettingError(key, getattr(self, key), "0 or more")
        for key in _POSITIVE_SECONDS:
            if not 0 < getattr(self, key) < inf:
                raise SettingError(key, getattr(self, key), "more than 0 seconds")
        for key in _AT_LEAST_ONE:
            if not getattr(self, key) >= 1:
                raise SettingError(key, getattr(self, key), "at least 1")
        if self.retry_max_s < self.retry_min_s:
            raise SettingError("retry_max_s", self.retry_max_s, f"at least retry_min_s ({self.retry_min_s:g})")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutorLimits:
    """Fixed limits of an executor. Users have no reason to change them; tests make them small.

    Attributes:
        last_id_s: How long a sink may take to return its last id at startup, in seconds: automations wait for it.
        skip_counts: How many counts of skipped runs a batch in preparation holds, by registration, hour and reason.
            Beyond it the oldest hours are merged.
        summaries: How many summaries of evicted records it holds: the hours of two days of two hundred handlers,
            about 1 kB each. Beyond it the oldest hours are merged.
        lifecycle_events: How many lifecycle events it holds; beyond it the oldest are dropped and counted as a loss.
        outcome_lines: How many records wait for their log line while the log is slow; the rest is counted in one line.
    """

    last_id_s: float = 5.0
    skip_counts: int = 10_000
    summaries: int = 10_000
    lifecycle_events: int = 1_000
    outcome_lines: int = 2_000
