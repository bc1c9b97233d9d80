"""The options of all listeners, each with its check and its documentation."""

from typing import Annotated, Literal, get_args

from hassette_core.conditions import Where, as_condition
from hassette_core.errors import RegistrationError
from hassette_core.handlers import Duration, Option, RunOptions, check_flag, check_options, check_wait
from hassette_core.roster import AT_ONCE, MAX_WAITING, Mode, check_mode

DEFAULT_MODE: Mode = "parallel"
HIGHEST_PRIORITY = 1_000_000
"""No home has so many listeners that each needs its own priority."""

Missed = Literal["run", "ignore"]
"""Whether a change that was missed while there was no connection leads to a run."""
DEFAULT_MISSED: Missed = "run"


def check_missed(option: str, missed: object) -> str:
    """Check the rule for missed changes and return it.

    Raises:
        RegistrationError: There is no such rule.
    """
    if missed not in get_args(Missed):
        raise RegistrationError(f"{option} must be one of {', '.join(get_args(Missed))}, got {missed!r}")
    return str(missed)


def check_priority(option: str, priority: object) -> str:
    """Check a priority and return it as a text.

    Raises:
        RegistrationError: The value is not a whole number, or is out of range.
    """
    if type(priority) is not int or abs(priority) > HIGHEST_PRIORITY:
        raise RegistrationError(
            f"{option} must be a whole number from {-HIGHEST_PRIORITY:_} to {HIGHEST_PRIORITY:_}, got {priority!r}"
        )
    return str(priority)


def check_where(option: str, where: object) -> str:
    """Check a condition and return its description.

    Raises:
        RegistrationError: The condition cannot work.
    """
    return as_condition(option, where).describe()


class TriggerOptions(RunOptions, total=False):
    """The keyword options of `AppBus.on_trigger`. All other listeners also have the option ``missed``."""

    where: Annotated[
        Where | None,
        Option(
            "A condition such as ``state_is(...)``, a function that receives the event, or a list of these, which must"
            " all hold. It is checked last, after a ``duration``. If it does not hold, the handler does not run, and"
            " the event is counted as ``condition``. If it raises an exception, the event is skipped for this listener"
            " and counted as ``predicate_failed``; the listener stays registered.",
            check_where,
        ),
    ]
    debounce: Annotated[
        Duration | None,
        Option(
            "Wait until no event has matched for this many seconds, and then run the handler with the last event. The"
            " earlier events are counted as ``rate_limited``. All entities of the listener share one timer.",
            check_wait,
        ),
    ]
    throttle: Annotated[
        Duration | None,
        Option(
            "Run the handler at once, and then ignore further events for this many seconds. The ignored events are"
            " counted as ``rate_limited``.",
            check_wait,
        ),
    ]
    once: Annotated[
        bool, Option("True runs the handler only once. The listener ends before the run starts.", check_flag, False)
    ]
    priority: Annotated[
        int,
        Option(
            "The place among the listeners of all apps that match the same event: those with a higher priority start"
            " first, and those with the same priority in the order of their registration. A run does not wait for the"
            " runs that have started before it.",
            check_priority,
            0,
        ),
    ]
    mode: Annotated[
        Mode,
        Option(
            "The rule for an event that matches while a run is in progress. With ``parallel``, the bus starts"
            f" a second run at once; at most {AT_ONCE} runs are in progress, and at most {MAX_WAITING:,} wait. With"
            " ``single``, the bus skips the event and counts it as ``overlap``; this is the default of Home Assistant's"
            " automations. With ``restart``, the bus cancels the current run, which is recorded as cancelled, and then"
            " starts the new run. With ``queued``, the new run starts after all earlier runs have ended; at most"
            f" {MAX_WAITING:,} runs wait. Events beyond these limits are skipped and counted as ``back_pressure``. In a"
            " burst, more runs wait as long as the handler is quick.",
            check_mode,
            DEFAULT_MODE,
        ),
    ]


class ListenerOptions(TriggerOptions, total=False):
    """The keyword options of the other `AppBus` methods that register a listener."""

    missed: Annotated[
        Missed,
        Option(
            "The rule for a change that happened while there was no connection to Home Assistant. After the reconnect,"
            " the handler runs with a `StateChanged` whose ``missed`` is True, if the state or an attribute now differs"
            " from the last known one. With ``ignore``, it does not run. Events other than state changes are lost.",
            check_missed,
            DEFAULT_MISSED,
        ),
    ]


def settings_of(options: ListenerOptions) -> tuple[tuple[str, str], ...]:
    """Check the options. Return the options that differ from their defaults, for the registration's settings.

    Raises:
        RegistrationError: An option cannot work. The message names the option.
    """
    settings = check_options(ListenerOptions, options)
    if options.get("debounce") is not None and options.get("throttle") is not None:
        raise RegistrationError(
            "debounce and throttle exclude each other: with debounce, the handler runs after the last event of a burst,"
            " and with throttle, after the first event. Use only one of them"
        )
    return settings
