"""`HomeTriggers`: the triggers to which apps listen, with Home Assistant's answers."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple

from hassette_core.bus.listener import Listener
from hassette_core.bus.trigger_config import TriggerConfig
from hassette_core.containment import RecordEvent
from hassette_core.errors import RegistrationError

logger = logging.getLogger(__name__)

ANSWER_S = 10.0
"""How long `AppBus.on_trigger` waits for Home Assistant's answer, in seconds."""

TriggerStatus = Literal["waiting", "accepted", "not attached", "refused"]
"""Home Assistant's answer: none yet, the triggers can fire, they cannot fire at present, or the configuration is wrong.
"""


class TriggerReport(NamedTuple):
    """The present status of the triggers of one listener.

    Attributes:
        app: The app's key.
        instance: The app's instance.
        name: The name of the listener.
        topic: The topic of the listener.
        status: Home Assistant's answer.
        detail: The reason if the triggers cannot fire; otherwise empty.
    """

    app: str
    instance: str
    name: str
    topic: str
    status: str
    detail: str


class HomeTrigger:
    """One configuration of triggers, and the listeners that share its subscription.

    Args:
        config: The configuration.

    Attributes:
        config: The configuration.
        status: Home Assistant's answer.
        detail: The reason if the triggers cannot fire; otherwise empty.
    """

    def __init__(self, config: TriggerConfig) -> None:
        self.config = config
        self.status: TriggerStatus = "waiting"
        self.detail = ""
        self.changed = asyncio.Event()
        self.confirming = 0  # calls of on_trigger that wait for the answer, and raise an error if it is a refusal
        self.kept = 0  # app instances that are being replaced, and whose newer version may listen again
        self.listeners: dict[Listener, str] = {}  # with the last reported problem

    @property
    def problem(self) -> str:
        """The status with its reason. Empty if the triggers can fire, or if there is no answer yet."""
        return f"{self.status}: {self.detail}" if self.status in ("not attached", "refused") else ""


class HomeTriggers:
    """The triggers to which listeners subscribe.

    `TriggerService` subscribes in Home Assistant to each of them, and passes Home Assistant's answers to `answer`.
    Listeners with the same configuration share one subscription, because Home Assistant accepts a web hook only once.

    Args:
        report: Records an event of the framework: kind, subject and detail.
    """

    def __init__(self, report: RecordEvent) -> None:
        self._report = report
        self._triggers: dict[str, HomeTrigger] = {}
        self._kept: dict[tuple[str, ...], list[HomeTrigger]] = {}
        self._ready: asyncio.Event | None = None
        self._on_change: Callable[[], None] = lambda: None

    def follow(self, ready: asyncio.Event, on_change: Callable[[], None]) -> None:
        """Call a function when `wanted` changes. From now on, `confirm` waits for answers.

        Args:
            ready: Set while Home Assistant is connected and has started.
            on_change: The function. It must return at once.
        """
        self._ready, self._on_change = ready, on_change

    @property
    def wanted(self) -> Mapping[str, HomeTrigger]:
        """The triggers that need a subscription, by the text of their configuration."""
        return MappingProxyType(self._triggers)

    def find(self, config: str) -> tuple[Listener, ...]:
        """Return the listeners of a configuration, in their order."""
        trigger = self._triggers.get(config)
        return () if trigger is None else tuple(trigger.listeners)

    def add(self, config: TriggerConfig, listener: Listener) -> None:
        """Add a listener."""
        trigger = self._triggers.get(config.text)
        if trigger is None:
            for other in list(self._triggers.values()):
                # The older version of an app has listened to this web hook, and Home Assistant accepts it only once.
                if not other.listeners and other.config.webhooks & config.webhooks:
                    del self._triggers[other.config.text]
            trigger = self._triggers[config.text] = HomeTrigger(config)
            self._on_change()
        trigger.listeners = dict(sorted([*trigger.listeners.items(), (listener, "")], key=lambda item: item[0].order))

    def remove(self, config: TriggerConfig, listener: Listener) -> None:
        """Remove a listener."""
        trigger = self._triggers[config.text]
        del trigger.listeners[listener]
        self._drop_if_unused(trigger)

    def keep(self, owner: tuple[str, ...]) -> None:
        """Keep the subscriptions of an app instance until `release`, because a newer version replaces it."""
        self._kept[owner] = [
            trigger for trigger in self._triggers.values() if any(each.owner == owner for each in trigger.listeners)
        ]
        for trigger in self._kept[owner]:
            trigger.kept += 1

    def release(self, owner: tuple[str, ...]) -> None:
        """End the subscriptions that the newer version of an app instance does not use."""
        for trigger in self._kept.pop(owner):
            trigger.kept -= 1
            self._drop_if_unused(trigger)

    def _drop_if_unused(self, trigger: HomeTrigger) -> None:
        text = trigger.config.text
        if not trigger.listeners and not trigger.kept and self._triggers.get(text) is trigger:
            del self._triggers[text]
            self._on_change()

    async def confirm(self, listener: Listener, config: TriggerConfig) -> None:
        """Wait until Home Assistant has answered to the subscription of a listener, at most `ANSWER_S`.

        Without a connection, return at once: Home Assistant answers after the reconnect.

        Raises:
            RegistrationError: Home Assistant has refused the configuration.
        """
        trigger = self._triggers.get(config.text)
        if trigger is None or listener not in trigger.listeners:
            return  # the only run of a listener with ``once`` has started already
        trigger.confirming += 1
        try:
            async with asyncio.timeout(ANSWER_S):
                while trigger.status == "waiting" and self._ready is not None and self._ready.is_set():
                    trigger.changed.clear()
                    await trigger.changed.wait()
        except TimeoutError:
            logger.warning(
                "Home Assistant does not answer to a trigger of an app; the listener stays registered",
                extra={"registration": listener.registration.key, "seconds": ANSWER_S},
            )
        finally:
            trigger.confirming -= 1
        if trigger.status == "refused":
            shown = dict(config.settings())["config"]  # the id of a web hook is a secret
            raise RegistrationError(
                f"config must be a trigger that Home Assistant accepts, got {shown}: {trigger.detail}"
            )
        self._report_problem(trigger)

    def answer(self, config: str, status: TriggerStatus, detail: str = "") -> None:
        """Set Home Assistant's answer to the subscription. Log and record a new problem, and its end."""
        trigger = self._triggers.get(config)
        if trigger is None:
            return
        trigger.status, trigger.detail = status, detail
        trigger.changed.set()
        if not trigger.confirming:
            self._report_problem(trigger)

    def lose(self) -> None:
        """Set the status of all triggers to ``waiting``, because the connection is lost."""
        for trigger in self._triggers.values():
            trigger.status, trigger.detail = "waiting", ""
            trigger.changed.set()

    def _report_problem(self, trigger: HomeTrigger) -> None:
        """Log and record the problem of each listener, once."""
        problem = trigger.problem
        for listener, reported in trigger.listeners.items():
            if trigger.status == "waiting" or problem == reported:
                continue
            trigger.listeners[listener] = problem
            registration = listener.registration
            extra = {"registration": registration.key, "problem": problem}
            if trigger.status == "accepted":
                kind, text = "trigger_accepted", "it can fire now"
                logger.info("Trigger of an app can fire now", extra=extra)
            elif trigger.status == "not attached":
                kind, text = "trigger_not_attached", f"{trigger.detail}; it is attached as soon as possible"
                logger.warning("Trigger of an app is not attached, so it cannot fire now", extra=extra)
            else:
                kind, text = "trigger_refused", trigger.detail
                logger.error("Home Assistant refused the trigger of an app, so it cannot fire", extra=extra)
            self._report(kind, ".".join(listener.owner), f"{registration.name} on {registration.topic}: {text}")

    def reports(self) -> list[TriggerReport]:
        """Return the status of each listener to triggers."""
        return [
            TriggerReport(*listener.registration.key, trigger.status, trigger.detail)
            for trigger in self._triggers.values()
            for listener in trigger.listeners
        ]
