"""`HomeModel`: everything that the APIs of the simulated home show."""

from hassette_core.simulation.home.core import HomeCore, Json
from hassette_core.simulation.home.services import ServiceRegistry

DEFAULT_VERSION = "2025.4.4"


class HomeModel:
    """The parts of the simulated home behind its APIs.

    Args:
        core: The states and events of the home.
        services: The services of the home.

    Attributes:
        core: The states and events of the home.
        services: The services of the home.
        version: The version of Home Assistant that the home behaves like.
        state: ``RUNNING``; during the startup ``NOT_RUNNING`` or ``STARTING``.
    """

    def __init__(self, core: HomeCore, services: ServiceRegistry) -> None:
        self.core = core
        self.services = services
        self.version = DEFAULT_VERSION
        self.state = "RUNNING"

    def configuration(self) -> Json:
        """Return the answer to ``get_config``."""
        return {
            "allowlist_external_dirs": [],
            "allowlist_external_urls": [],
            "components": sorted(
                {"api", "websocket_api", *self.services.domains, "binary_sensor", "person", "sensor", "sun", "zone"}
            ),
            "config_dir": "/config",
            "config_source": "storage",
            "country": "NL",
            "currency": "EUR",
            "debug": False,
            "elevation": 2,
            "external_url": None,
            "internal_url": None,
            "language": "en",
            "latitude": 52.37,
            "location_name": "Simulated home",
            "longitude": 4.89,
            "radius": 100,
            "recovery_mode": False,
            "safe_mode": False,
            "state": self.state,
            "time_zone": "Europe/Amsterdam",
            "unit_system": {
                "length": "km",
                "accumulated_precipitation": "mm",
                "area": "m²",
                "mass": "g",
                "pressure": "Pa",
                "temperature": "°C",
                "volume": "L",
                "wind_speed": "m/s",
            },
            "version": self.version,
            "whitelist_external_dirs": [],
        }
