"""A time zone for tests whose texts depend on the time of day."""

from datetime import UTC, datetime


def zone_at_noon() -> str:
    """Return the name of a time zone in which it is now between 12:00 and 13:00."""
    return f"Etc/GMT{datetime.now(UTC).hour - 12:+d}"
