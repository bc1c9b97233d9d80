"""Settings of the store: the table ``[store]`` in hassette.toml."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Literal, Self, cast

Synchronous = Literal["normal", "full"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSettings:
    """Settings of the history.

    Attributes:
        synchronous: With ``"full"``, each batch is on the disk before it counts as written, so a power cut loses at
            most the last flush interval. With ``"normal"``, a power cut may lose all batches since the last checkpoint.
            With both values, a power cut does not damage the file.
        keep_successes_days: Days for which successful runs are kept. A lower ``keep_failures_days`` limits successful
            runs as well.
        keep_failures_days: Days for which all other runs are kept.
        keep_newest: Number of runs of each listener or job that are kept at any age, at most 10,000. A listener or job
            that its app has removed keeps no runs beyond ``keep_failures_days``.
        keep_hourly_days: Days for which hourly statistics are kept.
        keep_daily_days: Days for which daily statistics, sessions and error groups are kept.
        max_size_mb: Limit for the pages in use, in megabytes. Above this limit, the store deletes the oldest rows
            early, first from the tables that caused the growth. The status shows early deletions.
        search_index: Whether the file has an index for searches by entity, text and duration. It needs about 3 bytes a
            run. Without it, searches read the runs themselves.
        heartbeat_s: Seconds between heartbeats while no batch is written, at most 5. The time of a crash is known to
            within this interval.
        check_limit_s: Time limit for a check of the file, in seconds. The file is checked after a crash, before an
            upgrade, and after SQLite found damage while the file was in use.
        salvage_limit_s: Time limit for copying the readable rows of a damaged file, in seconds.
        upgrade_limit_s: Time limit for a schema upgrade, in seconds. An upgrade that takes longer is undone.
    """

    synchronous: Synchronous = "normal"
    keep_successes_days: float = 7
    keep_failures_days: float = 30
    keep_newest: int = 20
    keep_hourly_days: float = 60
    keep_daily_days: float = 400
    max_size_mb: float = 500
    search_index: bool = True
    heartbeat_s: float = 4.0
    check_limit_s: float = 10.0
    salvage_limit_s: float = 60.0
    upgrade_limit_s: float = 600.0

    def __post_init__(self) -> None:
        if self.synchronous not in ("normal", "full"):
            raise ValueError(f'synchronous must be "normal" or "full", got {self.synchronous!r}')
        if not isinstance(self.search_index, bool):  # pyright: ignore[reportUnnecessaryIsInstance]  it comes from a file
            raise ValueError(f"search_index must be true or false, got {self.search_index!r}")  # noqa: TRY004  a wrong type in a setting is a ValueError, too
        for key, least, most in _RANGES:
            value = getattr(self, key)
            if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
                raise ValueError(f"{key} must be a number from {least:g} to {most:g}, got {value!r}")
        if not isinstance(self.keep_newest, int):  # pyright: ignore[reportUnnecessaryIsInstance]  it comes from a file
            raise ValueError(f"keep_newest must be a whole number, got {self.keep_newest!r}")  # noqa: TRY004  a wrong type in a setting is a ValueError, too
        if self.keep_hourly_days > self.keep_daily_days:
            raise ValueError(
                f"keep_hourly_days must be at most keep_daily_days ({self.keep_daily_days:g}), "
                f"got {self.keep_hourly_days!r}"
            )

    @classmethod
    def from_mapping(cls, table: Mapping[str, object]) -> Self:
        """Return the settings in a table of hassette.toml.

        Raises:
            ValueError: A key is unknown or a value is wrong. The message names the key.
        """
        known = [field.name for field in fields(cls)]
        for key in table:
            if key not in known:
                raise ValueError(f"{key} is not a setting of the store; the settings are: {', '.join(sorted(known))}")
        return cls(**cast("dict[str, float]", dict(table)))  # pyright: ignore[reportArgumentType]  __post_init__ checks


_MAX_DAYS = 36_500.0
_RANGES: tuple[tuple[str, float, float], ...] = (
    ("keep_successes_days", 0, _MAX_DAYS),
    ("keep_failures_days", 0, _MAX_DAYS),
    # Each pass of the retention walks over this many runs of each registration.
    ("keep_newest", 0, 10_000),
    ("keep_hourly_days", 1, _MAX_DAYS),
    ("keep_daily_days", 1, _MAX_DAYS),
    ("max_size_mb", 1, 1_000_000),
    ("heartbeat_s", 0.05, 5),
    ("check_limit_s", 0, 3_600),
    ("salvage_limit_s", 0, 86_400),
    ("upgrade_limit_s", 1, 86_400),
)
