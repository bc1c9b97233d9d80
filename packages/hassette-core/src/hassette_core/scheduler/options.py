"""The options of all jobs, each with its check and its documentation."""

import random
from typing import Annotated, Any, Literal, NamedTuple, cast, get_args

from hassette_core.conditions import Where, as_condition
from hassette_core.errors import RegistrationError
from hassette_core.handlers import (
    Duration,
    Option,
    RunOptions,
    check_flag,
    check_options,
    check_plain_text,
    describe_duration,
    seconds,
)
from hassette_core.roster import Mode, check_mode
from hassette_core.scheduler.schedules import Schedule

DEFAULT_MODE: Mode = "single"
LATE_S = 60.0
"""A run that starts more than this many seconds after its due time is logged. With ``misfire="skip"``, it is skipped.
A busy event loop delays runs by less."""
DEFAULT_MISFIRE_LIMIT_S = 3_600.0

Misfire = Literal["once", "run_late", "skip"]
"""The rule for a run whose time has passed while the machine was suspended or the process was busy."""


class Jitter(NamedTuple):
    """The range of the random time that is added to each run, in seconds."""

    low_s: float = 0.0
    high_s: float = 0.0

    @property
    def lead_s(self) -> float:
        """Longest time between the start of a run and its later scheduled time, in seconds."""
        return max(0.0, -self.low_s)

    def draw(self, earliest_s: float) -> float:
        """Return a random time of at least ``earliest_s``, if the range allows it."""
        if not self.low_s and not self.high_s:
            return 0.0
        low_s = max(self.low_s, min(earliest_s, self.high_s)) if self.low_s < 0 else self.low_s
        return random.uniform(low_s, self.high_s)  # noqa: S311  spreads load, not a secret


NO_JITTER = Jitter()


class Misfires(NamedTuple):
    """The limit for late runs.

    Attributes:
        limit_s: Seconds; None for any delay.
    """

    limit_s: float | None = None

    def rejects(self, late_s: float) -> bool:
        """Return whether a run is too late."""
        return self.limit_s is not None and late_s > self.limit_s


RUN_LATE = Misfires()
"""No limit: a late run always starts."""


def parse_jitter(option: str, jitter: object) -> Jitter:
    """Return the range of a ``jitter`` option.

    Raises:
        RegistrationError: The value is neither a duration nor a pair of durations.
    """
    if not isinstance(jitter, tuple | list):
        return Jitter(0.0, seconds(option, jitter, zero=True))
    limits = list(cast("tuple[object, ...]", jitter))
    if len(limits) != 2:
        raise RegistrationError(
            f"{option} must be a duration, or the least and the most of them, such as (-1800, 1800), got {jitter!r}"
        )
    low_s, high_s = (seconds(option, limit, negative=True) for limit in limits)
    if low_s > high_s:
        raise RegistrationError(f"{option} must have the smaller value first, got {jitter!r}")
    return Jitter(low_s, high_s)


def _check_jitter(option: str, value: object) -> str | None:
    jitter = parse_jitter(option, value)
    if jitter == NO_JITTER:
        return None
    high = describe_duration(jitter.high_s)
    return f"{describe_duration(jitter.low_s)} to {high}" if jitter.low_s else high


def _check_misfire(option: str, misfire: object) -> str:
    if misfire not in get_args(Misfire):
        raise RegistrationError(f"{option} must be one of {', '.join(get_args(Misfire))}, got {misfire!r}")
    return str(misfire)


def _check_limit(option: str, limit: Duration) -> str:
    return describe_duration(seconds(option, limit, zero=True))


def _check_where(option: str, where: object) -> str:
    return as_condition(option, where, has_event=False).describe()


def check_group(option: str, group: object) -> str:
    """Return the name of a group. Raise `RegistrationError` if it is not a non-blank string."""
    if not isinstance(group, str) or not group.strip():
        raise RegistrationError(f"{option} must be a non-blank string, got {group!r}")
    check_plain_text(option, group)
    return group


class JobOptions(RunOptions, total=False):
    """The keyword options of the `AppScheduler` methods that register a job."""

    where: Annotated[
        Where | None,
        Option(
            "A condition such as ``state_is(...)`` or ``between(...)``, a function without arguments, or a list of"
            " these, which must all hold when the run is due. If it does not hold, the handler does not run, and the"
            " run is counted as ``condition``. If it raises an exception, the run is counted as ``predicate_failed``."
            " `Job.run_now` ignores it.",
            _check_where,
        ),
    ]
    mode: Annotated[
        Mode,
        Option(
            "The rule for a run that is due while the previous run is still in progress. With ``single``, the scheduler"
            " skips the new run and counts it as ``overlap``. With ``restart``, the scheduler cancels the previous run,"
            " which is recorded as cancelled, and then starts the new run. With ``queued``, the new run starts after"
            " all earlier runs have ended. With ``parallel``, the new run starts at once.",
            check_mode,
            DEFAULT_MODE,
        ),
    ]
    jitter: Annotated[
        Duration | tuple[Duration, Duration],
        Option(
            "Delay each run by a random time of up to this many seconds, so that not all devices switch at once. With"
            " two values such as ``(-1800, 1800)``, the random time is between them, and may be before the scheduled"
            " time. The range must be shorter than the time between two runs.",
            _check_jitter,
            0,
        ),
    ]
    misfire: Annotated[
        Misfire,
        Option(
            "The rule for runs whose time passes while the machine is suspended, the event loop is blocked, or, for a"
            " timer with ``persist``, Hassette is stopped. With ``once``, one run starts late, however late it is. With"
            " ``run_late``, it starts only within ``misfire_limit``. With ``skip``, it does not start if it is more"
            " than 60 s late. All other runs are counted as ``misfire``.",
            _check_misfire,
            "once",
        ),
    ]
    misfire_limit: Annotated[
        Duration | None,
        Option(
            'How late a run may start with ``misfire="run_late"``, in seconds or as a timedelta. None means one hour.',
            _check_limit,
        ),
    ]
    group: Annotated[
        str | None,
        Option(
            'The name of a group of jobs of this app instance. ``self.scheduler.group("holiday").pause()`` pauses all'
            " jobs of a group.",
            check_group,
        ),
    ]
    persist: Annotated[
        bool,
        Option(
            "For `run_in` and `run_once`: keep the job over a restart of Hassette and over a reload of the app. The"
            " handler must be a method of the app, and ``kwargs`` must be JSON values. A run that was due while"
            " Hassette was stopped starts late, depending on ``misfire``.",
            check_flag,
            False,
        ),
    ]
    replace: Annotated[
        bool,
        Option(
            "End the waiting jobs of the same name first, so that a timer starts again. With ``kwargs``, only jobs with"
            " equal arguments end. Without this option, one more job of `run_in` or `run_once` waits. For other jobs, a"
            " taken name is an error.",
            check_flag,
            False,
        ),
    ]


def settings_of(options: JobOptions, schedule: Schedule) -> tuple[tuple[str, str], ...]:
    """Check the options. Return the options that differ from their defaults, for the registration's settings.

    Raises:
        RegistrationError: An option cannot work. The message names the option.
    """
    settings = check_options(JobOptions, options)
    gap_s, jitter = schedule.shortest_gap_s() if options.get("jitter") else None, jitter_of(options)
    # If a run is delayed past the due time of the next run, the next run counts as missed.
    if gap_s is not None and jitter.high_s - min(0.0, jitter.low_s) >= gap_s:
        raise RegistrationError(
            f"jitter must be less than the time between two runs ({describe_duration(gap_s)}),"
            f" got {options.get('jitter')!r}"
        )
    if options.get("misfire_limit") is not None and options.get("misfire") != "run_late":
        raise RegistrationError(
            f'misfire_limit must come with misfire="run_late", got misfire={options.get("misfire", "once")!r}'
        )
    return settings


def jitter_of(options: JobOptions) -> Jitter:
    """Return the random time of each run."""
    return parse_jitter("jitter", options.get("jitter", 0))


def misfires_of(options: JobOptions) -> Misfires:
    """Return the limit for late runs."""
    limit: Any = options.get("misfire_limit")
    limit_s = DEFAULT_MISFIRE_LIMIT_S if limit is None else seconds("misfire_limit", limit, zero=True)
    return Misfires({"once": None, "run_late": limit_s, "skip": LATE_S}[options.get("misfire", "once")])
