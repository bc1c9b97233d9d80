"""Runs the simulated home, the framework and the example apps together."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from hassette_core.config import HassetteConfig, load_config
from hassette_core.errors import FatalError
from hassette_core.framework import Hassette
from hassette_core.installed import plugin_tables
from hassette_core.lifecycle import ServiceStatus, StatusChange
from hassette_core.simulation.demo.tally import Tally
from hassette_core.simulation.demo.weak_battery import weaken
from hassette_core.simulation.home import SimulatedHome
from hassette_executor import Accounting

TROUBLED = {ServiceStatus.DEGRADED, ServiceStatus.RESTARTING, ServiceStatus.EXHAUSTED}
EXAMPLES = Path(__file__).parent / "examples"


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOptions:
    """What can be chosen about a demonstration.

    Attributes:
        data_dir: Where history is kept.
        seconds: How long it lasts; None until it is stopped.
        port: Of the page; None takes sync's own default, 0 any free one.
        seed: The same seed brings the same life in the house.
        speed: The house's seconds per second of ours.
        events_per_second: Load on top of the house's own life.
        config: A configuration to run in place of the examples; its apps, executor and plugin tables count.
    """

    data_dir: Path
    seconds: float | None = None
    port: int | None = None
    seed: int = 1
    speed: float = 60.0
    events_per_second: float = 0.0
    config: Path | None = None


class Demo:
    """One demonstration.

    Args:
        options: What was chosen.

    Attributes:
        page_url: Where the page was; None without one.
        tally: What ran.
        secrets: What must not appear in any log.

    Raises:
        ConfigError: The chosen configuration is wrong.
    """

    def __init__(self, options: DemoOptions) -> None:
        self.options = options
        self.page_url: str | None = None
        self.tally = Tally()
        self._file = load_config(options.config or EXAMPLES / "hassette.toml", plugin_tables=plugin_tables())
        self.secrets = self._file.secrets
        self._hassette: Hassette | None = None
        self._stop_requested = ""
        self._degraded: tuple[StatusChange, ...] = ()

    @property
    def accounting(self) -> Accounting | None:
        """Where the runs went; None if it never came to that."""
        return self._hassette.executor.accounting() if self._hassette is not None else None

    @property
    def degraded(self) -> tuple[StatusChange, ...]:
        """The parts that were not as they should be when the end began."""
        return self._degraded

    @property
    def keeps(self) -> bool:
        """Whether anything kept the records."""
        return self._hassette is not None and self._hassette.has_sinks

    def request_stop(self, reason: str) -> None:
        """Let `run` end."""
        self._stop_requested = self._stop_requested or reason
        if self._hassette is not None:
            self._degraded = tuple(part for part in self._hassette.statuses if part.status in TROUBLED)
            self._hassette.request_stop(reason)

    async def run(self, on_started: Callable[[str | None], None]) -> None:
        """Run until the time is over or `request_stop`.

        Args:
            on_started: Called with the page's address once everything has started.

        Raises:
            FatalError: It could not start, or could not go on.
            OSError: The simulated home cannot listen.
        """
        options = self.options
        async with AsyncExitStack() as stack:
            home = await stack.enter_async_context(
                SimulatedHome(seed=options.seed, speed=options.speed, events_per_second=options.events_per_second)
            )
            self._hassette = hassette = Hassette(self._config(home))
            if self._stop_requested:
                hassette.request_stop(self._stop_requested)
            try:
                await self._run_beside(hassette, home, on_started)
            finally:
                await self.tally.catch_up(hassette.executor.feed)

    async def _run_beside(
        self, hassette: Hassette, home: SimulatedHome, on_started: Callable[[str | None], None]
    ) -> None:
        fatal: FatalError | None = None
        async with asyncio.TaskGroup() as beside:
            tasks = [
                beside.create_task(self.tally.follow(hassette.executor.feed)),
                beside.create_task(self._lead(hassette, on_started)),
            ]
            if self.options.speed > 0:
                tasks.append(beside.create_task(weaken(home, self.options.seed, self.options.speed)))
            try:
                await hassette.run()
            except FatalError as error:
                fatal = error  # the group would wrap it, and nobody would know it for a foreseen end
            finally:
                for task in tasks:
                    task.cancel()
        if fatal is not None:
            raise fatal

    async def _lead(self, hassette: Hassette, on_started: Callable[[str | None], None]) -> None:
        await hassette.wait_started()
        self.page_url = hassette.page_url
        on_started(self.page_url)
        if self.options.seconds is not None:
            await asyncio.sleep(self.options.seconds)
            self.request_stop(f"the demonstration's {self.options.seconds:g} s are over")

    def _config(self, home: SimulatedHome) -> HassetteConfig:
        config = self._file
        plugins = {**config.plugins}
        if self.options.port is not None:
            plugins["sync"] = {**plugins.get("sync", {}), "port": self.options.port}
        return config.model_copy(
            update={
                "hassette": config.hassette.model_copy(update={"data_dir": self.options.data_dir.absolute()}),
                "home_assistant": config.home_assistant.model_copy(
                    update={"url": home.url, "token": SecretStr(home.token)}
                ),
                "plugins": plugins,
            }
        )
