"""The configuration of Home Assistant: its version, time zone and location."""

import logging
from collections.abc import Mapping
from typing import Any, NamedTuple, cast

from hassette_core.errors import UnexpectedAnswerError
from hassette_core.link.messages import describe

logger = logging.getLogger(__name__)

RUNNING_STATE = "RUNNING"
LIMITS = {"latitude": 90, "longitude": 180, "elevation": 100_000}
"""The largest absolute value of each number. With a much larger number, the search for the next sunset would not
end, and it would block the event loop."""


class HomeConfiguration(NamedTuple):
    """The parts of Home Assistant's configuration that Hassette uses.

    Attributes:
        version: For example ``2025.4.4``.
        location_name: The name of the home.
        time_zone: For example ``Europe/Amsterdam``.
        latitude: In degrees, north positive.
        longitude: In degrees, east positive.
        elevation: In metres.
        state: State of Home Assistant when it answered, such as ``STARTING`` or ``RUNNING``.
    """

    version: str = "unknown"
    location_name: str = ""
    time_zone: str = ""
    latitude: float = 0.0
    longitude: float = 0.0
    elevation: float = 0.0
    state: str = RUNNING_STATE

    def updated(self, changes: Mapping[str, Any]) -> "HomeConfiguration":
        """Return the configuration with the changes of an answer or of a ``core_config_updated`` event.

        A value of the wrong type, and a number outside `LIMITS`, is logged and left out.
        """
        known: dict[str, str | float] = {}
        for name, current in self._asdict().items():
            if name not in changes:
                continue
            value = changes[name]
            if isinstance(current, str) and isinstance(value, str):
                known[name] = value
            elif not isinstance(current, str) and _is_number(value, LIMITS[name]):
                known[name] = float(value)
            else:
                expected = (
                    "a string" if isinstance(current, str) else f"a number from -{LIMITS[name]} to {LIMITS[name]}"
                )
                logger.warning(
                    "Home Assistant's configuration has a value that cannot be right; the value is ignored",
                    extra={"problem": f"{name} must be {expected}, got {describe(value)}", "kept": current},
                )
        return self._replace(**cast("dict[str, Any]", known))


def _is_number(value: object, limit: float) -> bool:
    return type(value) in (int, float) and -limit <= cast("float", value) <= limit  # false for NaN


def parse_configuration(raw: object, previous: HomeConfiguration | None = None) -> HomeConfiguration:
    """Parse the answer to ``get_config``.

    Args:
        raw: The answer.
        previous: The last known configuration. It provides the values that are missing or wrong in the answer, except
            the state.

    Raises:
        UnexpectedAnswerError: The answer is not an object.
    """
    if not isinstance(raw, Mapping):
        raise UnexpectedAnswerError("read Home Assistant's configuration", f"expected an object, got {describe(raw)}")
    known = (previous or HomeConfiguration())._replace(state=RUNNING_STATE)
    return known.updated(cast("Mapping[str, Any]", raw))
