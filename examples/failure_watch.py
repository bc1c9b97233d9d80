"""Send a message when an app fails, at most one per app and hour, with the number of failures since the last one."""

from datetime import timedelta
from typing import Annotated

from hassette_core import App, AppConfig, Data


class FailureWatchConfig(AppConfig):
    """The notify service without ``notify.``, such as ``mobile_app_alex``, and the time between two messages."""

    notify: str = "persistent_notification"
    at_most_every_min: float = 60


class FailureWatch(App[FailureWatchConfig]):
    """Watches all other apps."""

    async def on_initialize(self) -> None:
        self.storage.setdefault("sent", {})
        self.silent: dict[str, int] = {}
        self.bus.on_app_error(self.app_failed, mode="queued")

    async def app_failed(
        self,
        app: Annotated[str, Data("app")],
        handler: Annotated[str, Data("handler")],
        error: Annotated[str, Data("error")],
    ) -> None:
        now, sent = self.time.now(), self.storage["sent"]
        if app in sent and now - sent[app] < timedelta(minutes=self.config.at_most_every_min):
            self.silent[app] = self.silent.get(app, 0) + 1
            return
        more = self.silent.get(app, 0)
        since = f" Other failures since the last message: {more}" if more else ""
        await self.api.notify(f"{handler}: {error}.{since}", title=f"{app} failed", target=self.config.notify)
        sent[app], self.silent[app] = now, 0
