"""`SystemUnderTest`: the simulated home and the framework on the loop of the home under test."""

import logging
import threading
from datetime import datetime, tzinfo
from pathlib import Path

from pydantic import SecretStr

from hassette_core.apps import LoadedInstance
from hassette_core.config import HassetteConfig
from hassette_core.config.model import FrameworkSettings, HomeAssistantSettings
from hassette_core.framework import Hassette
from hassette_core.simulation.home import SimulatedHome
from hassette_core.simulation.memory_transport import MemoryTransport
from hassette_core.testing.errors import HomeTestError
from hassette_core.testing.recorder import APP_LOGGER, Recorder
from hassette_core.testing.turns import TurnThreads
from hassette_core.testing.virtual_loop import VirtualClock, VirtualLoop
from hassette_executor import ExecutorSettings, RepeatedLog, ThreadPool

ADDRESS = "http://home.test:8123"


class SystemUnderTest:
    """The simulated home and the framework. All methods run on the loop of the home.

    Args:
        loop: The loop.
        clock: The clock of the loop.
        zone: The home's time zone.
        data_dir: Directory of the files of apps.
        seed: Seed of all random numbers of the simulated home.

    Attributes:
        simulated: The simulated home. It has no entities at first.
        recorder: Collects what happens.
        hassette: The framework; None before its start.
        zone: The home's time zone.
    """

    def __init__(self, loop: VirtualLoop, clock: VirtualClock, zone: tzinfo, data_dir: Path, seed: int) -> None:
        self.simulated = SimulatedHome(port=None, speed=0, seed=seed, clock=clock, empty=True)
        self.recorder = Recorder(self.simulated, clock, threading.current_thread())
        self.hassette: Hassette | None = None
        self.zone = zone
        self._loop = loop
        self._clock = clock
        self._data_dir = data_dir
        self._app_level = logging.NOTSET
        self._apps: list[LoadedInstance] = []

    async def open(self) -> None:
        """Start the simulated home."""
        await self.simulated.start()
        logging.getLogger().addHandler(self.recorder)
        self._app_level = logging.getLogger(APP_LOGGER).level
        logging.getLogger(APP_LOGGER).setLevel(logging.INFO)

    async def close(self) -> None:
        """Stop everything."""
        try:
            await self._stop_framework()
        finally:
            logging.getLogger().removeHandler(self.recorder)
            logging.getLogger(APP_LOGGER).setLevel(self._app_level)
            await self.simulated.stop()

    def set_time(self, now: datetime) -> None:
        """Set the time and the time zone of the home, before the framework has started."""
        if self.hassette is not None:
            raise HomeTestError(
                "home.at() must be called before the first app is added and before the time moves; now use"
                " home.advance_to()"
            )
        assert now.tzinfo is not None  # the caller has made it aware
        self.zone = now.tzinfo
        self._clock.set(now)
        self.simulated.core.restore()

    async def start(self) -> Hassette:
        """Start the framework, unless it runs."""
        if self.hassette is None:
            self.hassette = Hassette(
                self._config(),
                sinks=(self.recorder,),
                plugins=False,
                clock=self._clock,
                make_threads=self._make_threads,
                transport=MemoryTransport(self.simulated),
            )
            await self.hassette.__aenter__()
            await self.hassette.wait_ready()
        return self.hassette

    async def restart(self) -> None:
        """Stop the framework and start it again with all apps."""
        await self._stop_framework()
        await self.start()
        for app in self._apps:
            await self._start_app(app)

    async def add_app(self, app: LoadedInstance) -> None:
        """Start an app.

        Raises:
            HomeTestError: The app failed to start.
        """
        await self.start()
        if any((app.app_key, app.instance) == (each.app_key, each.instance) for each in self._apps):
            raise HomeTestError(
                f"instance must be unique, got {app.instance!r} again; pass instance=… to home.add_app()"
            )
        self._apps.append(app)
        await self._start_app(app)

    async def flush(self) -> None:
        """Pass all finished runs to the recorder."""
        if self.hassette is not None:
            await self.hassette.executor.force_flush()

    async def _start_app(self, app: LoadedInstance) -> None:
        assert self.hassette is not None  # the caller has started it
        status = await self.hassette.apps.add(app)
        self.recorder.note(f"app {status.subject} {status.status}")
        if status.status != "running":
            cause = self.recorder.causes.get(status.subject)
            raise HomeTestError(f"app {status.subject}: {status.detail}") from cause

    async def _stop_framework(self) -> None:
        hassette, self.hassette = self.hassette, None
        if hassette is not None:
            await hassette.__aexit__(None, None, None)

    def _config(self) -> HassetteConfig:
        # model_construct does not read the environment, which may contain the settings of the real home.
        return HassetteConfig.model_construct(
            hassette=FrameworkSettings(
                data_dir=self._data_dir, app_dir=self._data_dir / "apps", time_zone=str(self.zone)
            ),
            home_assistant=HomeAssistantSettings(url=ADDRESS, token=SecretStr(self.simulated.token)),
            executor=ExecutorSettings(log_keep_level=logging.INFO),
        )

    def _make_threads(self, limit: int, kind: str, log: RepeatedLog | None) -> ThreadPool:
        del limit  # each call begins at once, see TurnThreads
        return TurnThreads(self._loop.turns, kind, log)
