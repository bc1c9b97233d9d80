"""What can be set, under ``[store]`` in hassette.toml."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Literal, Self, cast

Synchronous = Literal["normal", "full"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSettings:
    """Settings of the history.

    Attributes:
        synchronous: ``"normal"``: a power cut may take what came after the last checkpoint. ``"full"``: each batch is
            on the disk before it counts as written; at most the last flush interval is lost. The file survives both.
        keep_successes_days: Days for which a successful run is kept.
        keep_failures_days: Days for which any other run is kept.
        keep_newest: Runs of each registration that are kept whatever their age, at most 10,000.
        keep_hourly_days: Days for which hourly statistics are kept.
        keep_daily_days: Days for which daily statistics, sessions and error groups are kept.
        max_size_mb: Megabytes of live pages above which the oldest successes go early, then the oldest failures,
            then error groups without any.
        heartbeat_s: Seconds between signs of life when nothing else is written; at most 5, which is what a crash's
            time is known to.
        check_limit_s: Seconds that the check after an unclean end may take.
        salvage_limit_s: Seconds that carrying over the rows of a damaged file may take; the file itself is kept.
        upgrade_limit_s: Seconds that a schema upgrade may take before it is given up and undone.
    """

    synchronous: Synchronous = "normal"
    keep_successes_days: float = 7
    keep_failures_days: float = 30
    keep_newest: int = 20
    keep_hourly_days: float = 60
    keep_daily_days: float = 400
    max_size_mb: float = 500
    heartbeat_s: float = 4.0
    check_limit_s: float = 10.0
    salvage_limit_s: float = 60.0
    upgrade_limit_s: float = 600.0

    def __post_init__(self) -> None:
        if self.synchronous not in ("normal", "full"):
            raise ValueError(f'synchronous must be "normal" or "full", got {self.synchronous!r}')
        for name, least, most in _BOUNDS:
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
                raise ValueError(f"{name} must be a number from {least:g} to {most:g}, got {value!r}")
        if not isinstance(self.keep_newest, int):  # pyright: ignore[reportUnnecessaryIsInstance]  it comes from a file
            raise ValueError(f"keep_newest must be a whole number, got {self.keep_newest!r}")  # noqa: TRY004  a setting is a value
        if self.keep_hourly_days > self.keep_daily_days:
            raise ValueError(
                f"keep_hourly_days ({self.keep_hourly_days:g}) must not exceed "
                f"keep_daily_days ({self.keep_daily_days:g})"
            )

    @classmethod
    def from_mapping(cls, table: Mapping[str, object]) -> Self:
        """Make settings from a table of hassette.toml.

        Raises:
            ValueError: If a key is unknown or a value is wrong; one sentence that names the key.
        """
        known = [field.name for field in fields(cls)]
        for key in table:
            if key not in known:
                raise ValueError(f"{key} is not a setting of the store; there are: {', '.join(sorted(known))}")
        return cls(**cast("dict[str, float]", dict(table)))  # pyright: ignore[reportArgumentType]  __post_init__ checks


_DAYS = 36_500.0
_BOUNDS: tuple[tuple[str, float, float], ...] = (
    ("keep_successes_days", 0, _DAYS),
    ("keep_failures_days", 0, _DAYS),
    # To find them takes a step for each, of each registration, in every pass of the retention.
    ("keep_newest", 0, 10_000),
    ("keep_hourly_days", 1, _DAYS),
    ("keep_daily_days", 1, _DAYS),
    ("max_size_mb", 1, 1_000_000),
    ("heartbeat_s", 0.05, 5),
    ("check_limit_s", 0, 3_600),
    ("salvage_limit_s", 0, 86_400),
    ("upgrade_limit_s", 1, 86_400),
)
