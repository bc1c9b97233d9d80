"""A busy app for `scripts/soak.py`: every kind of listener and job, failures, log lines and service calls."""

import asyncio

from hassette_core import App, AppConfig, ErrorContext, Job, NewState, Subscription

SENSORS = [f"sensor.load_{number}" for number in range(1, 11)]
FEATURES = frozenset({"listeners", "kinds", "jobs", "failures", "calls", "churn"})


class BusyConfig(AppConfig):
    """Settings of the busy app: its active features, and the interval of `churn` in seconds."""

    features: frozenset[str] = FEATURES
    churn_s: float = 1.0


class BusyApp(App[BusyConfig]):
    """An app with as many listeners and jobs as a large home, and with many failures."""

    async def on_initialize(self) -> None:
        self.subscription: Subscription | None = None
        self.job: Job | None = None
        for feature in sorted(FEATURES & self.config.features):
            getattr(self, f"add_{feature}")()

    def add_listeners(self) -> None:
        for number in range(30):
            sensor = SENSORS[number % len(SENSORS)]
            if number % 2:
                self.bus.on_state_change(self.read, sensor, throttle=0.5, name=f"throttled_{number}")
            else:
                self.bus.on_state_change(self.read, sensor, name=f"plain_{number}")

    def add_kinds(self) -> None:
        self.bus.on_state_change(self.read, "sensor.load_*", name="glob")
        self.bus.on_state_change(self.read, SENSORS[0], debounce=0.1, name="debounced")
        self.bus.on_state_change(self.read_slowly, SENSORS[1], mode="restart", name="restarted")
        self.bus.on_state_change(self.read_slowly, SENSORS[2], mode="single", name="single")
        self.bus.on_state_change(self.read_slowly, SENSORS[3], mode="single", timeout=0.2, name="timed_out")

    def add_jobs(self) -> None:
        for number in range(20):
            self.scheduler.run_every(self.work, 0.5, name=f"job_{number}")

    def add_failures(self) -> None:
        for number in range(10):
            on_error = self.hook if number % 2 else None
            self.scheduler.run_every(self.fail, 1, name=f"failing_{number}", on_error=on_error)

    def add_calls(self) -> None:
        self.scheduler.run_every(self.toggle, 0.2, name="calls")

    def add_churn(self) -> None:
        self.scheduler.run_every(self.churn, self.config.churn_s, name="churn")

    async def read(self, new: NewState) -> None:
        float(new.state)

    async def read_slowly(self, new: NewState) -> None:
        await asyncio.sleep(0.3)
        float(new.state)

    async def work(self) -> None:
        sum(float(self.states[sensor].state) for sensor in SENSORS if sensor in self.states)

    async def fail(self) -> None:
        self.logger.warning("Sensor is not available", extra={"sensor": SENSORS[0]})
        raise ValueError(f"the sensor did not respond: {self.states[SENSORS[0]].state}")

    async def toggle(self) -> None:
        await self.api.call_service("light", "toggle", target="light.hall")

    async def churn(self) -> None:
        if self.subscription is not None:
            self.subscription.cancel()
        if self.job is not None:
            self.job.cancel()
        self.subscription = self.bus.on_state_change(self.read, SENSORS[4], name="made_and_cancelled")
        self.job = self.scheduler.run_every(self.work, 0.4, name="made_and_cancelled")

    async def hook(self, context: ErrorContext) -> None:
        await asyncio.sleep(0)

    async def on_error(self, context: ErrorContext) -> None:
        await asyncio.sleep(0)
