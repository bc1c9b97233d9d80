"""`SystemUnderTest`: the simulated home and the framework on the loop of the home under test."""

import logging
import random
import threading
from collections.abc import Collection, Mapping
from datetime import datetime, tzinfo
from functools import partial
from pathlib import Path

from pydantic import SecretStr

from hassette_core.apps import LoadedInstance, RunningApps, load_apps
from hassette_core.config import HassetteConfig, load_config
from hassette_core.config.model import FrameworkSettings, HomeAssistantSettings
from hassette_core.framework import Hassette
from hassette_core.moments import Place, StateMap
from hassette_core.redaction import Redaction
from hassette_core.simulation.home import SimulatedHome
from hassette_core.simulation.memory_transport import MemoryTransport
from hassette_core.simulation.turns import TurnThreads
from hassette_core.simulation.virtual_loop import VirtualClock, VirtualLoop
from hassette_core.testing.errors import HomeTestError
from hassette_core.testing.names import unknown
from hassette_core.testing.noting_executor import NotingExecutor
from hassette_core.testing.recorder import APP_LOGGER, Recorder
from hassette_core.testing.sun import MovingSun
from hassette_executor import ExecutorSettings, RepeatedLog, ThreadPool

ADDRESS = "http://home.test:8123"


class SystemUnderTest:
    """The simulated home and the framework. All methods run on the loop of the home.

    Args:
        loop: The loop.
        clock: The clock of the loop.
        zone: The home's time zone.
        data_dir: Directory of the files of apps.
        seed: Seed of all random numbers of the home, and of Python's module `random`.
        kept: Maximum number of kept runs, events and log lines each.

    Attributes:
        simulated: The simulated home. It has no entities at first.
        recorder: Collects the runs, events and log lines.
        hassette: The framework; None before its start.
        zone: The home's time zone.
        redact: Masks the secrets of the apps in texts for a person.
    """

    def __init__(
        self, loop: VirtualLoop, clock: VirtualClock, zone: tzinfo, data_dir: Path, seed: int, kept: int
    ) -> None:
        self.simulated = SimulatedHome(port=None, speed=0, seed=seed, clock=clock, empty=True)
        self._sun = MovingSun(self.simulated)
        self._sun.update()
        self.recorder = Recorder(self.simulated, clock, threading.current_thread(), kept)
        self.hassette: Hassette | None = None
        self.zone = zone
        self.redact = Redaction(())
        self._secrets: set[str] = set()
        self._loop = loop
        self._seed = seed
        self._random_state = random.getstate()
        self._clock = clock
        self._data_dir = data_dir
        self._transport = MemoryTransport(self.simulated)
        self._app_level = logging.NOTSET
        self._apps: list[LoadedInstance] = []

    async def open(self) -> None:
        """Start the simulated home."""
        # The framework and the apps use the global random numbers, such as for pauses between attempts to connect.
        self._random_state = random.getstate()
        random.seed(self._seed)
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
            random.setstate(self._random_state)
            await self.simulated.stop()

    def set_time(self, now: datetime, place: Mapping[str, float]) -> None:
        """Set the time, the time zone and the place of the home, before the framework has started.

        Args:
            now: The time, in the home's time zone.
            place: ``latitude``, ``longitude`` and ``elevation``. Missing ones stay the same.
        """
        if self.hassette is not None:
            raise HomeTestError(
                "home.at() must be called before the first app is added and before the time moves; now use"
                " home.advance_to()"
            )
        assert now.tzinfo is not None  # the caller has made it aware
        self.zone = now.tzinfo
        self._clock.set(now)
        model = self.simulated.model
        model.time_zone = str(self.zone)
        model.latitude = place.get("latitude", model.latitude)
        model.longitude = place.get("longitude", model.longitude)
        model.elevation = place.get("elevation", model.elevation)
        self.simulated.core.restore()
        self._sun.update()

    async def start(self) -> Hassette:
        """Start the framework, unless it runs."""
        if self.hassette is None:
            self.hassette = Hassette(
                self._config(),
                sinks=(self.recorder,),
                plugins=False,
                clock=self._clock,
                make_threads=self._make_threads,
                make_executor=partial(NotingExecutor, recorder=self.recorder),
                transport=self._transport,
            )
            self.hassette.mask(self._secrets)
            await self.hassette.__aenter__()
            await self.hassette.wait_ready()
        return self.hassette

    async def restart(self) -> None:
        """Stop the framework and start it again with all apps."""
        await self._stop_framework()
        await self.start()
        for app in self._apps:
            await self._start_app(app)

    async def restart_home_assistant(self, down_s: float) -> None:
        """Restart the simulated home, and wait until the framework is connected again."""
        await self.simulated.restart(down_s=down_s)
        if self.hassette is not None:
            await self.hassette.link.ready.wait()

    async def interrupt(self, seconds: float) -> None:
        """Break the connection, and let the framework reconnect after some time."""
        self._transport.reachable = False
        self.simulated.drop_connections()
        await self.simulated.core.sleep(seconds)
        self._transport.reachable = True
        if self.hassette is not None:
            await self.hassette.link.ready.wait()

    async def add_apps(self, file: Path, app_keys: Collection[str]) -> None:
        """Start apps of a ``hassette.toml``, with its settings. Without app keys, start all apps.

        Raises:
            HomeTestError: There is no such app, or an app cannot be loaded or failed to start.
        """
        config = load_config(file)
        self._mask(config.secrets)
        for key in app_keys:
            if key not in config.apps:
                raise unknown("app_key", key, config.apps)
        entries = {key: entry for key, entry in config.apps.items() if not app_keys or key in app_keys}
        loaded, failed = load_apps(entries, config.app_dir)
        if failed:
            raise HomeTestError(self.redact("; ".join(str(failure.error) for failure in failed))) from failed[0].error
        for app in loaded:
            await self.add_app(app)

    async def add_app(self, app: LoadedInstance, secrets: Collection[str] = ()) -> None:
        """Start an app.

        Args:
            app: The app.
            secrets: The secrets in its settings.

        Raises:
            HomeTestError: The app failed to start.
        """
        self._mask(secrets)
        await self.start()
        if any((app.app_key, app.instance) == (each.app_key, each.instance) for each in self._apps):
            raise HomeTestError(
                f"instance must be unique, got {app.instance!r} again; pass instance=… to home.add_app()"
            )
        self._apps.append(app)
        await self._start_app(app)

    def running(self) -> RunningApps:
        """Return the running apps."""
        assert self.hassette is not None  # the caller has started it
        return self.hassette.apps.running

    @property
    def place(self) -> Place:
        """The time zone and the location of the home, as the framework knows them."""
        assert self.hassette is not None  # the caller has started it
        return self.hassette.scheduler.place

    @property
    def states(self) -> StateMap:
        """The states, as the framework knows them."""
        assert self.hassette is not None  # the caller has started it
        return self.hassette.states

    async def flush(self) -> None:
        """Pass all finished runs to the recorder."""
        if self.hassette is not None:
            await self.hassette.executor.force_flush()

    def _mask(self, secrets: Collection[str]) -> None:
        self._secrets.update(secrets)
        self.redact.add(secrets)
        if self.hassette is not None:
            self.hassette.mask(secrets)

    async def _start_app(self, app: LoadedInstance) -> None:
        assert self.hassette is not None  # the caller has started it
        status = await self.hassette.apps.add(app)
        self.recorder.note(f"app {status.subject} {status.status}")
        if status.status != "running":
            cause = self.recorder.causes.get(status.subject)
            self.recorder.forget_errors(status.subject)  # the test receives the error
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
