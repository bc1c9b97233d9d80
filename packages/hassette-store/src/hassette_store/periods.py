"""Periods of the statistics: whole UTC hours and days, counted from the Unix epoch."""

from typing import Final

SECOND_US: Final = 1_000_000
MINUTE_US: Final = 60 * SECOND_US
HOUR_US: Final = 60 * MINUTE_US
DAY_US: Final = 24 * HOUR_US
HOURS_A_DAY: Final = 24

PERIODS_US: Final = {"hour": HOUR_US, "day": DAY_US}
"""Length of each period in microseconds, by name.

The name is also the column for the period in the statistics tables.
"""

PERIOD_TABLES: Final = (
    ("skips_hourly", "hour"),
    ("counted_hourly", "hour"),
    ("skips_daily", "day"),
    ("counted_daily", "day"),
)
"""Tables with one row for each registration and period, and the unit of their periods."""
