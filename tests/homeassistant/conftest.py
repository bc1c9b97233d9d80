"""A real Home Assistant in a process of its own, and the simulated home, side by side."""

import json
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from hassette_core.simulation.home import SimulatedHome

HERE = Path(__file__).resolve()
CHECKOUT = HERE.parents[2]


@dataclass(frozen=True)
class Names:
    """What the same kind of thing is called in each home."""

    boolean: str
    source: str
    mirror: str
    light: str
    climate: str
    weather: str
    automation: str


@dataclass(frozen=True)
class Home:
    """Something that answers like Home Assistant."""

    url: str
    token: str
    names: Names


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
    """A throw-away Home Assistant on loopback, kept by its ``start`` script."""

    def __init__(self, folder: Path) -> None:
        self._process = subprocess.Popen(
            [folder / "start", "--exit-with-stdin", "--stop-timeout", "0"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._await_ready()

    def _await_ready(self) -> None:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            pytest.fail(f"{self._process.args[0]} did not get Home Assistant ready; it says why above")  # type: ignore[index]
        info = json.loads(line)
        self.home = Home(info["url"], info["token"], REAL_NAMES)
        self.pid = info["pid"]
        self.up = True

    def kill(self) -> None:
        """Kill it with -9; it stays down."""
        self.up = False
        self._process.send_signal(signal.SIGUSR2)

    def bring_back(self) -> None:
        """Start it again on the same port, with the same token, and wait until it is ready."""
        self._process.send_signal(signal.SIGUSR1)
        self._await_ready()

    def hang(self) -> None:
        """Stop it in its tracks, its connections open."""
        os.kill(self.pid, signal.SIGSTOP)

    def wake(self) -> None:
        """Let it go on."""
        os.kill(self.pid, signal.SIGCONT)

    def close(self) -> None:
        self._process.terminate()
        self._process.communicate(timeout=30)


def home_assistant_folder() -> Path:
    """Find the scripts that set up and start a real Home Assistant."""
    named = os.environ.get("HASS_TEST_DIR")
    folder = Path(named) if named else CHECKOUT.parent / "shared" / "homeassistant"
    if not (folder / "start").exists():
        pytest.fail(
            f"there is no {folder}/start: set HASS_TEST_DIR to the folder that sets up and starts a Home Assistant"
            " for tests, or leave these tests out with -m 'not homeassistant'",
            pytrace=False,
        )
    return folder


@pytest.fixture(scope="session")
def home_assistant_process() -> Iterator[RealHomeAssistant]:
    folder = home_assistant_folder()
    subprocess.run([folder / "setup"], check=True, stdout=subprocess.DEVNULL, timeout=900)
    real = RealHomeAssistant(folder)
    yield real
    real.close()


@pytest.fixture
def real(home_assistant_process: RealHomeAssistant) -> RealHomeAssistant:
    """The real one, running, also when the test before has killed it."""
    if not home_assistant_process.up:
        home_assistant_process.bring_back()
    return home_assistant_process


@pytest.fixture
async def simulated() -> AsyncIterator[Home]:
    """The simulated one; nothing happens in it by itself."""
    async with SimulatedHome(speed=0) as home:
        yield Home(home.url, home.token, SIMULATED_NAMES)


@pytest.fixture(params=["simulated", pytest.param("real", marks=pytest.mark.homeassistant)])
def home(request: pytest.FixtureRequest) -> Home:
    if request.param == "real":
        return request.getfixturevalue("real").home
    return request.getfixturevalue("simulated")
