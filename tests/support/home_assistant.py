"""A real Home Assistant in a process, and the names of comparable entities in a real and in a simulated home."""

import json
import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.waiting import patience

VERSIONS = {"2025.4.4": "2025.4.4", "2026.11": "2026.11.0"}
"""The tested versions of Home Assistant: the value of HASS_VERSION, and the version that Home Assistant reports."""
CHECKOUT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Names:
    """The entity ids of comparable entities in one home."""

    boolean: str
    source: str
    mirror: str
    light: str
    climate: str
    weather: str
    automation: str


@dataclass(frozen=True)
class Endpoint:
    """The address and token of a home, the names of its entities, and its version of Home Assistant."""

    url: str
    token: str
    names: Names
    version: str


SIMULATED_NAMES = Names(
    boolean="input_boolean.vacation",
    source="input_boolean.guests",
    mirror="switch.guest_wifi",
    light="light.bedroom",
    climate="climate.living_room",
    weather="weather.home",
    automation="automation.guest_wifi",
)
REAL_NAMES = Names(
    boolean="input_boolean.test_1",
    source="input_boolean.source",
    mirror="input_boolean.mirror",
    light="light.ceiling_lights",
    climate="climate.heatpump",
    weather="weather.demo_weather_south",
    automation="automation.mirror_source",
)


class RealHomeAssistant:
    """A temporary Home Assistant on loopback, controlled by its ``start`` script.

    Args:
        folder: The directory of the script.
        options: Further options of the script.
    """

    def __init__(self, folder: Path, *options: str | Path) -> None:
        self._process = subprocess.Popen(
            [folder / "start", "--exit-with-stdin", "--stop-timeout", "0", *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.wait_ready()

    def wait_ready(self) -> None:
        """Wait until Home Assistant is ready after a start."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            pytest.fail(f"{self._process.args[0]} could not start Home Assistant; its output above has the cause")  # type: ignore[index]
        info = json.loads(line)
        self.home = Endpoint(info["url"], info["token"], REAL_NAMES, info["version"])
        self.pid = info["pid"]
        self.up = True

    def kill(self) -> None:
        """Kill the process with SIGKILL. It is not restarted."""
        self.up = False
        self._process.send_signal(signal.SIGUSR2)

    def request_restart(self) -> None:
        """Begin to restart Home Assistant in an orderly way. `wait_ready` waits for its end."""
        self._process.send_signal(signal.SIGUSR1)

    def restart(self) -> None:
        """Restart Home Assistant in an orderly way, and wait until it is ready."""
        self.request_restart()
        self.wait_ready()

    def bring_back(self) -> None:
        """Start Home Assistant again with the same port and token, and wait until it is ready."""
        self._process.send_signal(signal.SIGUSR1)
        self.wait_ready()

    def hang(self) -> None:
        """Stop the process with SIGSTOP. Its connections stay open."""
        os.kill(self.pid, signal.SIGSTOP)

    def wake(self) -> None:
        """Let the process continue."""
        os.kill(self.pid, signal.SIGCONT)

    def close(self) -> None:
        self._process.terminate()
        self._process.communicate(timeout=patience(30))


def home_assistant_folder() -> Path:
    """Return the directory of the scripts that set up and start a real Home Assistant."""
    named = os.environ.get("HASS_TEST_DIR")
    folder = Path(named) if named else CHECKOUT.parent / "shared" / "homeassistant"
    if not (folder / "start").exists():
        pytest.fail(
            f"{folder}/start does not exist: set HASS_TEST_DIR to the directory with the scripts for a Home Assistant"
            " for tests, or exclude these tests with -m 'not homeassistant'",
            pytrace=False,
        )
    return folder
