"""The options of all jobs, each with its check and its documentation."""

from typing import Annotated

from hassette_core.errors import RegistrationError
from hassette_core.handlers import Duration, Option, RunOptions, check_options, describe_duration, seconds
from hassette_core.roster import Mode, check_mode
from hassette_core.scheduler.schedules import Schedule

DEFAULT_MODE: Mode = "single"


def _check_jitter(option: str, jitter: Duration) -> str | None:
    jitter_s = seconds(option, jitter, zero=True)
    return describe_duration(jitter_s) if jitter_s else None


class JobOptions(RunOptions, total=False):
    """The keyword options of the `AppScheduler` methods that register a job."""

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
        Duration,
        Option(
            "Delay each run by a random time of up to this many seconds, so that not all devices switch at once."
            " The delay must be less than the time between two runs.",
            _check_jitter,
            0,
        ),
    ]


def settings_of(options: JobOptions, schedule: Schedule) -> tuple[tuple[str, str], ...]:
    """Check the options. Return the options that differ from their defaults, for the registration's settings.

    Raises:
        RegistrationError: An option cannot work. The message names the option.
    """
    settings = check_options(JobOptions, options)
    gap_s = schedule.shortest_gap_s()
    # If a run is delayed past the due time of the next run, the next run counts as missed.
    if gap_s is not None and jitter_s_of(options) >= gap_s:
        raise RegistrationError(
            f"jitter must be less than the time between two runs ({describe_duration(gap_s)}),"
            f" got {options.get('jitter')!r}"
        )
    return settings


def jitter_s_of(options: JobOptions) -> float:
    """Return the maximum random delay of each run, in seconds; 0 for none."""
    return seconds("jitter", options.get("jitter", 0), zero=True)
