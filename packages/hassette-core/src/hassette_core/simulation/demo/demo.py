"""`Demo`: run the simulated home, the framework and the example apps together."""

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import tzinfo
from pathlib import Path
from random import Random
from zoneinfo import ZoneInfo

from pydantic import SecretStr

from hassette_core.config import HassetteConfig, load_config
from hassette_core.errors import FatalError
from hassette_core.framework import Hassette
from hassette_core.installed import plugin_tables
from hassette_core.lifecycle import ServiceStatus, StatusReport
from hassette_core.simulation.demo.failure_counter import FailureCounter
from hassette_core.simulation.demo.past import find_store, has_history, write_past
from hassette_core.simulation.home import SimulatedHome
from hassette_core.simulation.home.model.model import TIME_ZONE
from hassette_executor import Accounting

UNHEALTHY = {ServiceStatus.DEGRADED, ServiceStatus.RESTARTING, ServiceStatus.EXHAUSTED}
EXAMPLES = Path(__file__).parent / "examples"


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOptions:
    """Options of a demo.

    Attributes:
        data_dir: The directory of the history.
        seconds: Duration of the demo, in seconds. None runs it until `Demo.request_stop`.
        port: The port of the page. None uses the default of hassette-sync; 0 chooses a free port.
        seed: The same seed leads to the same activity in the home.
        speed: Simulated seconds per second.
        events_per_second: Additional state changes per second, as load.
        config: A configuration file that replaces the examples. Its apps, executor settings and plugin tables are used.
        past: Whether `Demo.write_past` writes the history of the days before the demo.
    """

    data_dir: Path
    seconds: float | None = None
    port: int | None = None
    seed: int = 1
    speed: float = 60.0
    events_per_second: float = 0.0
    config: Path | None = None
    past: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoResult:
    """The result of a demo.

    Attributes:
        data_dir: The directory of the history.
        accounting: Numbers of executed, stored, lost and waiting runs. None if the framework was never created.
        failures: Number of failures by ``app.instance.name`` of the listener or job.
        has_history: Whether a sink recorded the runs.
        page_url: The address of the page. None if there was no page.
        degraded: The services that did not work when the stop was requested.
    """

    data_dir: Path
    accounting: Accounting | None
    failures: Counter[str]
    has_history: bool
    page_url: str | None
    degraded: tuple[StatusReport, ...]


class Demo:
    """A demo. It runs once.

    Args:
        options: The options.
        make_framework: Creates the framework from a configuration.

    Attributes:
        options: The options.
        secrets: Texts that must not appear in a log.

    Raises:
        ConfigError: The configuration is wrong.
    """

    def __init__(
        self, options: DemoOptions, *, make_framework: Callable[[HassetteConfig], Hassette] = Hassette
    ) -> None:
        self.options = options
        self._make_framework = make_framework
        self._counter = FailureCounter()
        self._file = load_config(options.config or EXAMPLES / "hassette.toml", plugin_tables=plugin_tables())
        self.secrets = self._file.secrets
        self._hassette: Hassette | None = None
        self._page_url: str | None = None
        self._stop_requested = ""
        self._degraded: tuple[StatusReport, ...] = ()

    @property
    def time_zone(self) -> tzinfo:
        """The time zone of the home. It is known before the framework is connected, because the home is simulated."""
        known = self._hassette.time_zone if self._hassette is not None else None
        return known or ZoneInfo(self._file.hassette.time_zone or TIME_ZONE)

    def result(self) -> DemoResult:
        """Return the result so far."""
        hassette = self._hassette
        return DemoResult(
            data_dir=self.options.data_dir,
            accounting=hassette.executor.accounting() if hassette is not None else None,
            failures=self._counter.failures,
            has_history=hassette is not None and hassette.has_sinks,
            page_url=self._page_url,
            degraded=self._degraded,
        )

    @property
    def needs_past(self) -> bool:
        """Whether `write_past` has something to write. Only a new history of the example apps lacks its past."""
        options = self.options
        return (
            options.past and options.config is None and find_store() is not None and not has_history(options.data_dir)
        )

    def write_past(self) -> None:
        """Write the history of the days before the demo. This blocks for some seconds.

        Raises:
            OSError: The directory cannot be written.
        """
        if self.needs_past and (create := find_store()) is not None:
            write_past(self._file, self.options.data_dir.absolute(), create, seed=self.options.seed)

    def request_stop(self, reason: str) -> None:
        """Make `run` end."""
        self._stop_requested = self._stop_requested or reason
        if self._hassette is not None:
            self._degraded = tuple(change for change in self._hassette.statuses if change.status in UNHEALTHY)
            self._hassette.request_stop(reason)

    async def run(self, on_started: Callable[[str | None], None]) -> None:
        """Run until the time is over or `request_stop` is called.

        Args:
            on_started: Called with the address of the page once the services have started.

        Raises:
            FatalError: A failure ended the framework.
            OSError: The simulated home cannot open its port.
        """
        options = self.options
        async with AsyncExitStack() as stack:
            home = await stack.enter_async_context(
                SimulatedHome(seed=options.seed, speed=options.speed, events_per_second=options.events_per_second)
            )
            if options.config is None:
                home.failures.slow(SLOW_SERVICE, SLOW_S)
            self._hassette = hassette = self._make_framework(self._config(home))
            if self._stop_requested:
                hassette.request_stop(self._stop_requested)
            try:
                await self._run_framework(hassette, home, on_started)
            finally:
                await self._counter.catch_up(hassette.executor.feed)

    async def _run_framework(
        self, hassette: Hassette, home: SimulatedHome, on_started: Callable[[str | None], None]
    ) -> None:
        fatal: FatalError | None = None
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(self._counter.follow(hassette.executor.feed)),
                group.create_task(self._announce_and_stop(hassette, on_started)),
            ]
            if self.options.speed > 0:
                tasks.append(group.create_task(simulate_weak_battery(home, self.options.seed, self.options.speed)))
            try:
                await hassette.run()
            except FatalError as error:
                fatal = error  # raised below, because the task group would wrap it in an exception group
            finally:
                for task in tasks:
                    task.cancel()
        if fatal is not None:
            raise fatal

    async def _announce_and_stop(self, hassette: Hassette, on_started: Callable[[str | None], None]) -> None:
        await hassette.wait_started()
        self._page_url = hassette.page_url
        on_started(self._page_url)
        if self.options.seconds is not None:
            await asyncio.sleep(self.options.seconds)
            self.request_stop(f"the demo's {self.options.seconds:g} s are over")

    def _config(self, home: SimulatedHome) -> HassetteConfig:
        config = self._file
        # In a simulated home, a visitor of the page can try all buttons.
        sync = {"control_without_token": True, **config.plugins.get("sync", {})}
        if self.options.port is not None:
            sync["port"] = self.options.port
        plugins = {**config.plugins, "sync": sync}
        return config.model_copy(
            update={
                "hassette": config.hassette.model_copy(update={"data_dir": self.options.data_dir.absolute()}),
                "home_assistant": config.home_assistant.model_copy(
                    update={"url": home.url, "token": SecretStr(home.token)}
                ),
                "plugins": plugins,
            }
        )


SLOW_SERVICE, SLOW_S = "climate.set_hvac_mode", 2.4
"""The valve of the radiator is slow, as in the past days."""
WEAK_SENSOR = "sensor.bathroom_humidity"
OUTAGE_INTERVAL_S = (150.0, 420.0)
"""Shortest and longest time between two outages of the sensor, in simulated seconds."""


async def simulate_weak_battery(home: SimulatedHome, seed: int, speed: float) -> None:
    """Set the bathroom's humidity to ``unknown`` from time to time, until cancelled. The next value is a number again.

    The example app fails when it reads ``unknown``, so that the demo shows failed runs.

    Args:
        home: The simulated home.
        seed: The same seed leads to the same outages.
        speed: Simulated seconds per second.
    """
    random = Random(f"battery {seed}")  # noqa: S311  not used for secrets
    while True:
        await asyncio.sleep(random.uniform(*OUTAGE_INTERVAL_S) / speed)
        home.core.change(WEAK_SENSOR, "unknown")
