"""Settings of an executor, with the reasons for the defaults, and fixed limits."""

import logging
from dataclasses import dataclass
from math import inf

from hassette_executor.errors import SettingError

_NOT_NEGATIVE = (
    "timeout_s",
    "stop_timeout_s",
    "log_interval_s",
    "log_keep_level",
    "log_lines",
    "service_calls",
    "state_reads",
)
_POSITIVE_SECONDS = ("flush_interval_s", "retry_min_s", "retry_max_s", "hook_timeout_s")
_AT_LEAST_ONE = ("threads", "batch_records", "max_records", "max_bytes", "log_bytes", "hooks_at_once", "feed_records")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutorSettings:
    """Settings of a `CommandExecutor` and of its write queues.

    Attributes:
        timeout_s: Deadline, in seconds, of a run whose registration sets no deadline; 0 means no deadline. The default
            of ten minutes is long enough for a handler that waits on purpose, and short enough to find a hung handler
            the same day.
        threads: How many sync handlers run at the same time; further handlers wait for a thread.
        flush_interval_s: Longest time from the end of a run to the first attempt to write its record, in seconds
            (ADR-0001).
        batch_records: Largest batch, in records. When this many records wait, they are written without waiting for
            the interval.
        max_records: How many records may wait for a sink. Above this number, records are evicted and counted.
        max_bytes: How many bytes the waiting records may use, by estimate. Above this number, records are evicted and
            counted.
        retry_min_s: The first pause after a failed write is random, between half of this value and this value, in
            seconds. Both bounds double with each further failure, up to `retry_max_s`.
        retry_max_s: The longest pause between two attempts to write, in seconds. A write that takes longer is logged.
        stop_timeout_s: How long `stop` waits, in seconds, first for runs (at most half of this time), then for error
            hooks and the flush. Records that are not written by then are counted and logged.
        log_lines: How many log lines a record keeps. Above this number, lines below `log_keep_level` are dropped
            first, and older lines before newer lines.
        log_bytes: How many bytes the log lines of a record may use.
        log_keep_level: A successful run keeps only lines at or above this `logging` level; any other run keeps all
            lines.
        service_calls: How many service calls a record keeps; the first calls are kept.
        state_reads: How many reads of states a record keeps; the first reads are kept. 0 records no reads.
        hook_timeout_s: Time limit of an error hook, in seconds.
        hooks_at_once: How many error hooks run at the same time; further hooks are refused and counted.
        log_interval_s: A repeated log line is written once in this many seconds, with a count.
        feed_records: How many records the live feed retains for subscribers that reconnect. The retained records use
            at most a quarter of `max_bytes`. A subscriber is disconnected when its waiting records would use more than
            half of `max_bytes`.

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
    state_reads: int = 50
    hook_timeout_s: float = 5.0
    hooks_at_once: int = 10
    log_interval_s: float = 60.0
    feed_records: int = 2_000

    def __post_init__(self) -> None:
        # The comparisons are negated, so that NaN is rejected: every comparison with NaN is false.
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
        last_id_s: How long a sink may take to return its last id at startup, in seconds. Automations
            start only after the ids are returned, or after this time.
        skip_counts: How many counts of skipped triggers the next batch may hold, by registration, hour and reason.
            Above this number, the oldest hours are merged.
        not_runs: How many triggers that led to no run the next batch may hold for each registration, with their
            details. Above this number, only the newest are kept.
        all_not_runs: How many of them the next batch may hold for all registrations.
        summaries: How many summaries of evicted records the next batch may hold, about 1 kB each. The default is
            enough for 200 handlers over 48 hours. Above this number, the oldest hours are merged.
        lifecycle_events: How many lifecycle events the next batch may hold. Above this number, the oldest events are
            dropped and counted as a loss.
        circumstances: How many circumstances of each kind the next batch may hold, such as changes of the home. Above
            this number, the oldest are dropped and counted as a loss. One burst of Home Assistant has at most 4,096
            events.
        outcome_lines: How many records may wait for their log line while the log is slow. Further records are counted
            in one line.
    """

    last_id_s: float = 5.0
    skip_counts: int = 10_000
    not_runs: int = 20
    all_not_runs: int = 5_000
    summaries: int = 10_000
    lifecycle_events: int = 1_000
    circumstances: int = 5_000
    outcome_lines: int = 2_000
