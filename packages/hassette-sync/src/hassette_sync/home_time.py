"""The home's time zone: convert texts to times, and times to texts.

A reader may run in another time zone than the home, for example in a container without ``TZ``. The history contains
the home's time zone, so that a job at 07:00 is shown at 07:00 everywhere. If the history does not contain a time zone
yet, or this machine does not know it, the time zone of this machine is used instead. Each page, and each list with
times in the terminal, names the time zone.
"""

from dataclasses import dataclass, field
from datetime import date, datetime, tzinfo
from typing import Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from hassette_store.periods import DAY_US, SECOND_US


@dataclass(frozen=True, slots=True)
class HomeTime:
    """The time zone in which times are shown and read.

    Attributes:
        zone: The home's time zone; None for the time zone of this machine.
        unknown: Name of the home's time zone, if this machine does not know it; otherwise empty.
    """

    zone: tzinfo | None = None
    unknown: str = ""

    @classmethod
    def named(cls, name: str | None) -> Self:
        """Return the time zone with a name such as ``Europe/Berlin``. Without a name, return that of this machine."""
        if not name:
            return cls()
        try:
            return cls(ZoneInfo(name))
        except (ZoneInfoNotFoundError, ValueError, OSError):
            # The name is newer than this machine's table of time zones, or comes from a damaged file.
            return cls(unknown=name)

    @property
    def name(self) -> str:
        """Name such as ``Europe/Berlin``. The time zone of this machine has a short name such as ``CET``."""
        if self.zone is not None:
            return str(self.zone)
        return _short_name(datetime.now().astimezone())

    @property
    def label(self) -> str:
        """The name. If it is the time zone of this machine, a note follows."""
        return self.name if self.zone is not None else f"{self.name}, the time zone of this machine"

    def local(self, us: int) -> datetime:
        """Return a moment as local time with its offset from UTC.

        Raises:
            ValueError: The year is not from 1 to 9999. Only a damaged file has such times.
        """
        try:
            if self.zone is not None:
                return datetime.fromtimestamp(us / SECOND_US, self.zone)
            return datetime.fromtimestamp(us / SECOND_US).astimezone()
        except (OverflowError, OSError) as error:
            raise ValueError(f"{us} microseconds is not a time from the year 1 to 9999") from error

    def moment_us(self, local: datetime) -> int:
        """Convert a time to microseconds since the Unix epoch. A time without an offset is local time.

        When the clocks are set forward, an hour does not exist; a time in this hour is converted with the offset from
        before the change. When the clocks are set back, an hour occurs twice; a time in this hour means the first
        occurrence.

        Raises:
            OverflowError, ValueError, OSError: The time is outside the range of this machine.
        """
        if local.tzinfo is None and self.zone is not None:
            local = local.replace(tzinfo=self.zone)
        return round(local.timestamp() * SECOND_US)

    def utc_offset_us(self, us: int) -> int:
        """Return the offset of local time from UTC at a moment. It changes with summer time."""
        offset = self.local(us).utcoffset()
        return round(offset.total_seconds() * SECOND_US) if offset else 0


@dataclass(frozen=True, slots=True)
class ShownTimes:
    """Texts for times, in the home's time zone and relative to the present time.

    Attributes:
        home: The time zone.
        now_us: The present time.
    """

    home: HomeTime
    now_us: int
    _today: date = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_today", self.home.local(self.now_us).date())

    def __call__(self, us: int | None, *, seconds: bool = True) -> str:
        """Format a moment: the time, with the date unless it is today.

        If the time occurs twice, because the clocks were set back, the short name of the zone follows.
        """
        local = self._local(us)
        if local is None:
            return _no_text(us)
        day = self._day(local)
        clock = _clock(local)
        if seconds:
            clock = f"{clock}:{local.second:02}"
        if local.utcoffset() != local.replace(fold=not local.fold).utcoffset():
            clock = f"{clock} {_short_name(local)}"
        return f"{day} {clock}" if day else clock

    def span(self, since_us: int, until_us: int) -> str:
        """Format a time range to the minute: ``23 Nov 01:09 to today 01:09``, or ``01:09 to 02:09`` for one day."""
        start, end = self(since_us, seconds=False), self(until_us, seconds=False)
        # After another date, a time without a date would look like a time of that date.
        is_later_day = self.day(until_us) == "today" != self.day(since_us)
        return f"{start} to {'today ' if is_later_day else ''}{end}"

    def day(self, us: int) -> str:
        """Format the date of a moment: ``today`` or ``20 Jan``, with the year unless it is this year."""
        local = self._local(us)
        return _no_text(us) if local is None else self._day(local) or "today"

    def clock(self, us: int) -> str:
        """Format the time of day of a moment: ``07:00``."""
        local = self._local(us)
        return _no_text(us) if local is None else _clock(local)

    def period(self, since_us: int, until_us: int) -> str:
        """Format a period of a chart: ``07:00–07:05``, ``20 Jan``, or both ends of a day that is not a local one.

        A daily period is a UTC day.
        """
        if until_us - since_us < DAY_US:
            return f"{self(since_us, seconds=False)}–{self.clock(until_us)}"
        if until_us - since_us == DAY_US and self.clock(since_us) == "00:00":
            return self.day(since_us)
        ends = (f"{self.day(us)} {self.clock(us)}" for us in (since_us, until_us))
        return " to ".join(ends)

    def iso(self, us: int) -> str:
        """Format a moment in ISO form: local time with its UTC offset, to the millisecond."""
        local = self._local(us)
        return _no_text(us) if local is None else local.isoformat(timespec="milliseconds")

    def _local(self, us: int | None) -> datetime | None:
        if us is None:
            return None
        try:
            return self.home.local(us)
        except ValueError:
            return None

    def _day(self, local: datetime) -> str:
        """Return the date, or an empty text if it is today."""
        if local.date() == self._today:
            return ""
        return f"{local.day} {local:%b}" if local.year == self._today.year else f"{local.day} {local:%b} {local.year}"


def _clock(local: datetime) -> str:
    # A page has hundreds of times, and strftime takes four times as long.
    return f"{local.hour:02}:{local.minute:02}"


def _no_text(us: int | None) -> str:
    return "–" if us is None else f"{us} µs"


def _short_name(local: datetime) -> str:
    """Return the short name of a zone at a moment: ``CET``, or ``UTC-03:00`` for a zone without letters."""
    name = local.tzname() or ""
    if name[:1].isalpha():
        return name
    sign_and_offset = local.isoformat(timespec="seconds")[len("2026-01-31T18:00:00") :]
    return f"UTC{sign_and_offset}"
