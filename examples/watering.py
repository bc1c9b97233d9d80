"""Water the garden in the morning, unless it has rained enough since yesterday."""

from datetime import timedelta
from itertools import pairwise

from hassette_core import App, AppConfig


class WateringConfig(AppConfig):
    """The valve, and a rain gauge whose state grows with the rain, and may begin again at 0."""

    valve: str
    rain: str
    at: str = "sunrise - 01:00"
    enough_rain: float = 4
    look_back_h: float = 24
    minutes: float = 20


class Watering(App[WateringConfig]):
    """Waters one bed."""

    async def on_initialize(self) -> None:
        self.scheduler.run_daily(self.water, self.config.at)

    async def water(self) -> None:
        rain = await self.rain()
        if rain is None:
            self.logger.warning("Rain is unknown; watering", extra={"sensor": self.config.rain})
        elif rain >= self.config.enough_rain:
            self.logger.info("It has rained enough; not watering", extra={"rain": rain})
            return
        # The timer comes first: a valve that opens without one would stay open.
        self.scheduler.run_in(self.close, self.config.minutes * 60, persist=True)
        await self.api.call_service("valve.open_valve", target=self.config.valve, expect="open", within=30)

    async def close(self) -> None:
        await self.api.call_service(
            "valve.close_valve", target=self.config.valve, expect="closed", within=30, retries=3
        )

    async def rain(self) -> float | None:
        """Return the rain in the last hours, in the unit of the gauge; None if the gauge has shown no number."""
        history = await self.api.get_history(self.config.rain, timedelta(hours=self.config.look_back_h))
        states = [past.state for past in history[self.config.rain]]
        levels = [float(state) for state in states if state not in ("unavailable", "unknown")]
        if not levels:
            return None
        return sum(new - old if new >= old else new for old, new in pairwise(levels))
