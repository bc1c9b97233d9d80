"""The configuration of Home Assistant: its version, time zone and location."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from hassette_core.errors import UnexpectedAnswerError

RUNNING_STATE = "RUNNING"


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

    version: str
    location_name: str
    time_zone: str
    latitude: float
    longitude: float
    elevation: float
    state: str

    def updated(self, changes: Mapping[str, Any]) -> "HomeConfiguration":
        """Return the configuration with the changes of a ``core_config_updated`` event.

        If a change has an unexpected type, none is applied. The next connection reads the whole configuration.
        """
        try:
            return parse_configuration({**self._asdict(), **changes})
        except UnexpectedAnswerError:
            return self  # one odd event must not end the connection


def parse_configuration(raw: object) -> HomeConfiguration:
    """Parse the answer to ``get_config``.

    Raises:
        UnexpectedAnswerError: A field is missing or has an unexpected type.
    """
    if not isinstance(raw, Mapping):
        raise UnexpectedAnswerError("read Home Assistant's configuration", repr(type(raw)))
    fields: Mapping[str, Any] = raw  # pyright: ignore[reportUnknownVariableType]  JSON
    try:
        return HomeConfiguration(
            fields["version"],
            fields.get("location_name", ""),
            fields["time_zone"],
            float(fields["latitude"]),
            float(fields["longitude"]),
            float(fields.get("elevation", 0)),
            fields.get("state", RUNNING_STATE),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise UnexpectedAnswerError("read Home Assistant's configuration", repr(error)) from None
