"""A supervisor with fake services and a clock that never waits."""

import asyncio
from collections.abc import Awaitable, Callable
from random import Random

from hassette_core.errors import FatalError
from hassette_core.lifecycle import RestartPolicy, ServiceSpec, ServiceStatus, StatusReport, Supervisor
from support.waiting import eventually, patience

DEADLINE_S = patience(10.0)


class FakeService:
    """Notes its calls in a list, the diary, and fails or hangs as the test requires."""

    def __init__(self, name: str, diary: list[str]) -> None:
        self.name = name
        self.diary = diary
        self.starts: list[Exception] = []
        """Errors of the next starts; later starts succeed."""
        self.on_serve: Callable[[], Awaitable[None]] | None = None
        self.on_stop: Callable[[], Awaitable[None]] | None = None
        self.served = asyncio.Event()
        self._stopped = asyncio.Event()

    async def start(self) -> None:
        self.diary.append(f"start {self.name}")
        self._stopped.clear()
        if self.starts:
            raise self.starts.pop(0)

    async def serve(self) -> None:
        self.served.set()
        if self.on_serve is not None:
            await self.on_serve()
        await self._stopped.wait()
        self.diary.append(f"served {self.name}")

    async def stop(self) -> None:
        if self.on_stop is not None:
            await self.on_stop()
        self.diary.append(f"stop {self.name}")
        self._stopped.set()


class HandClock:
    """A clock that moves forward only in `sleep`, which does not wait."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.pauses: list[float] = []

    def monotonic(self) -> float:
        return self.now_s

    async def sleep(self, pause_s: float) -> None:
        self.pauses.append(pause_s)
        self.now_s += pause_s
        await asyncio.sleep(0)


class Watch:
    """Runs a supervisor and collects its status changes."""

    def __init__(self, *specs: ServiceSpec, stop_budget_s: float = 2.0, policy: RestartPolicy | None = None) -> None:
        self.changes: list[StatusReport] = []
        self.clock = HandClock()
        self.supervisor = Supervisor(
            specs,
            policy=policy,
            stop_budget_s=stop_budget_s,
            observer=self,
            monotonic=self.clock.monotonic,
            sleep=self.clock.sleep,
            random=Random(7),
        )

    @property
    def statuses(self) -> list[ServiceStatus]:
        return [change.status for change in self.supervisor.board.statuses]

    def status_changed(self, report: StatusReport) -> None:
        self.changes.append(report)

    def failed(self, cause: FatalError) -> None:
        pass

    def cancelled(self) -> None:
        pass

    def kinds(self, name: str) -> list[str]:
        return [change.kind for change in self.changes if change.name == name]

    async def until(self, name: str, kind: str, times: int = 1) -> StatusReport:
        await eventually(lambda: self.kinds(name).count(kind) >= times, what=f"{times} x {kind} of {name}")
        return next(change for change in reversed(self.changes) if (change.name, change.kind) == (name, kind))

    async def __aenter__(self) -> "Watch":
        self.task = asyncio.create_task(self.supervisor.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self.supervisor.request_stop()
        async with asyncio.timeout(DEADLINE_S):
            await asyncio.wait({self.task})


async def run_to_end(watch: Watch) -> None:
    async with asyncio.timeout(DEADLINE_S):
        await watch.supervisor.run()
