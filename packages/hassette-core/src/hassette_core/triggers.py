"""`TriggerService`: subscribe in Home Assistant to the triggers to which apps listen."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from hassette_core.bus import HomeTriggers, TriggerConfig, TriggerStatus
from hassette_core.clock import Timer, TimerClock
from hassette_core.errors import CallFailedError, LinkError, describe_error
from hassette_core.events import TriggerFired, parse_trigger
from hassette_core.link import Connection, ConnectionService, HomeAssistantLink

logger = logging.getLogger(__name__)

RETRY_S = 30.0
"""Wait before the service subscribes again after a refusal that may end, in seconds. After a broken connection, Home
Assistant may serve a web hook to the old connection until it notices the loss."""
INVALID = "invalid_format"
"""Home Assistant's code for a configuration that is wrong and stays wrong."""
_ACTION = "subscribe to a trigger"


class TriggerService(ConnectionService):
    """Subscribes to the triggers of `HomeTriggers` on each connection, and passes their firings to the bus.

    Home Assistant also accepts a trigger that cannot fire because its integration is not loaded. So the service reads
    which integrations are loaded. When one is loaded later, the service subscribes again.

    Args:
        link: The connection.
        triggers: The triggers.
        dispatch: Called with each firing.
        clock: The time of the firings, and of retries.

    Attributes:
        name: ``triggers``.
    """

    name = "triggers"

    def __init__(
        self,
        link: HomeAssistantLink,
        triggers: HomeTriggers,
        dispatch: Callable[[TriggerFired], None],
        clock: TimerClock,
    ) -> None:
        super().__init__(link)
        self._triggers = triggers
        self._dispatch = dispatch
        self._clock = clock
        self._wake = asyncio.Event()
        triggers.follow(link.ready, self._wake.set)

    async def _follow(self, connection: Connection) -> None:
        subscriptions = _Subscriptions(connection, self._triggers, self._dispatch, self._clock)
        try:
            if not self._triggers.wanted:  # most homes have no triggers
                self._wake.clear()
                await self._wake.wait()
            await subscriptions.read_loaded()
            while True:
                self._wake.clear()
                subscriptions.update()
                await self._wake.wait()
        finally:
            await subscriptions.end()
            self._triggers.lose()


class _Attachment:
    """The subscription to one configuration of triggers, with Home Assistant's answer."""

    def __init__(self, config: TriggerConfig) -> None:
        self.config = config
        self.number: int | None = None
        self.status: TriggerStatus = "waiting"
        self.detail = ""
        self.retry: Timer | None = None


class _Subscriptions:
    """The subscriptions to triggers on one connection."""

    def __init__(
        self,
        connection: Connection,
        triggers: HomeTriggers,
        dispatch: Callable[[TriggerFired], None],
        clock: TimerClock,
    ) -> None:
        self._connection = connection
        self._triggers = triggers
        self._dispatch = dispatch
        self._clock = clock
        self._loaded: set[str] | None = None  # None: unknown
        self._attached: dict[str, _Attachment] = {}  # by the text of the configuration
        self._tasks: set[asyncio.Task[None]] = set()

    async def read_loaded(self) -> None:
        """Read which integrations are loaded. Subscribe to the changes first, so that none is missed."""
        connection = self._connection
        try:
            await connection.subscribe_command(
                _ACTION, self._component_loaded, "subscribe_events", event_type="component_loaded"
            )
            configuration: Any = await connection.command("read the loaded integrations", "get_config")
            self._loaded = {str(each) for each in configuration["components"]}
        except (CallFailedError, LookupError, TypeError) as error:
            logger.warning(
                "Loaded integrations of Home Assistant are unknown; each trigger counts as attached",
                extra={"problem": describe_error(error)},
            )

    def _component_loaded(self, event: Any) -> None:
        """Subscribe again to the triggers that have waited for an integration."""
        domain = str(event["data"]["component"])
        if self._loaded is None or domain in self._loaded:
            return
        self._loaded.add(domain)
        for attachment in list(self._attached.values()):
            if domain in attachment.config.integrations:
                self._restart(attachment)

    def update(self) -> None:
        """Subscribe to the triggers that have no subscription, and end the subscriptions that are no longer needed."""
        wanted = self._triggers.wanted
        for attachment in [each for text, each in self._attached.items() if text not in wanted]:
            self._drop(attachment)
        for text, trigger in list(wanted.items()):
            attachment = self._attached.get(text)
            if attachment is None:
                self._start(trigger.config)
            elif trigger.status != attachment.status:  # a new listener uses the subscription of an ended one
                self._triggers.answer(text, attachment.status, attachment.detail)

    async def end(self) -> None:
        """Stop the work. The subscriptions end with the connection."""
        for attachment in self._attached.values():
            self._stop_retry(attachment)
        tasks = set(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _start(self, config: TriggerConfig) -> None:
        attachment = self._attached[config.text] = _Attachment(config)
        self._run(self._subscribe(attachment))

    def _drop(self, attachment: _Attachment) -> None:
        del self._attached[attachment.config.text]
        self._stop_retry(attachment)
        if attachment.number is not None:
            self._run(self._unsubscribe(attachment.number))

    def _restart(self, attachment: _Attachment) -> None:
        self._drop(attachment)
        self._start(attachment.config)

    def _stop_retry(self, attachment: _Attachment) -> None:
        if attachment.retry is not None:
            attachment.retry.cancel()

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name=_ACTION)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _is_current(self, attachment: _Attachment) -> bool:
        return self._attached.get(attachment.config.text) is attachment

    async def _subscribe(self, attachment: _Attachment) -> None:
        config = attachment.config
        loaded = self._loaded
        absent = [] if loaded is None else [name for name in config.integrations if name not in loaded]
        detail = f"integration {', '.join(absent)} is not loaded" if absent else ""
        receive = partial(self._fired, attachment)
        try:
            # Without a time limit: after a limit, Home Assistant could still subscribe, and could refuse the next try.
            number = await self._connection.subscribe_command(
                _ACTION, receive, "subscribe_trigger", None, trigger=config.value
            )
        except CallFailedError as error:
            reason = f"{error.reason} ({error.code})"
            if absent and await self._exist(absent):
                self._answer(attachment, "not attached", f"{detail}; Home Assistant answers: {reason}")
            else:
                self._answer(attachment, "refused", f"Home Assistant answers: {reason}")
                if error.code != INVALID:
                    attachment.retry = self._clock.call_later(RETRY_S, partial(self._retry, attachment))
        except LinkError:
            return  # the connection is lost, and the next one begins with new subscriptions
        else:
            attachment.number = number
            if self._is_current(attachment):
                self._answer(attachment, "not attached" if absent else "accepted", detail)
            else:  # the listener has ended before the answer
                await self._unsubscribe(number)

    async def _exist(self, integrations: list[str]) -> bool:
        """Return whether Home Assistant knows the integrations, so that the refusal may end when they are loaded."""
        for integration in integrations:
            try:
                await self._connection.command("look up an integration", "manifest/get", integration=integration)
            except CallFailedError:
                return False
            except LinkError:
                return True
        return True

    def _answer(self, attachment: _Attachment, status: TriggerStatus, detail: str) -> None:
        attachment.status, attachment.detail = status, detail
        if self._is_current(attachment):
            self._triggers.answer(attachment.config.text, status, detail)

    def _retry(self, attachment: _Attachment) -> None:
        if self._is_current(attachment):
            self._restart(attachment)

    async def _unsubscribe(self, number: int) -> None:
        try:
            await self._connection.unsubscribe(number)
        except LinkError as error:
            logger.debug("Subscription to a trigger could not be ended", extra={"problem": str(error)})

    def _fired(self, attachment: _Attachment, raw: Any) -> None:
        if self._is_current(attachment):
            clock = self._clock
            self._dispatch(parse_trigger(raw, attachment.config.text, clock.now(), clock.monotonic_ns()))
