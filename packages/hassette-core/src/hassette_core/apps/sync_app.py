"""`SyncApp`: the base class of an automation without ``async`` and ``await``."""

from collections.abc import Awaitable
from typing import TypeVar

from hassette_core.apps.app import AnyApp, ConfigT
from hassette_core.apps.blocking import SyncApi, SyncBus, SyncHome, SyncScheduler, SyncTime
from hassette_core.apps.context import AppContext
from hassette_executor import ErrorContext

T = TypeVar("T")


class SyncApp(AnyApp[ConfigT]):
    """An automation whose methods are all plain ``def``. Each handler, job and hook runs in a thread.

    The methods of `api`, `bus` and `scheduler` are those of an `App`, but they block: they return when the call is
    done, with its result. A thread that waits does not keep other handlers from running.

    Example:
        Turn a light on when there is motion::

            class MotionLight(SyncApp[MotionConfig]):
                def on_initialize(self) -> None:
                    self.bus.on_state_change(self.turn_on, self.config.motion, changed_to="on")

                def turn_on(self) -> None:
                    self.api.call_service("light", "turn_on", target=self.config.light)

    Args:
        config: The settings of this instance.
        context: The objects of this instance, such as its bus.

    Attributes:
        depends_on: Set this in the class to the keys of the apps that must be running before this app starts. The key
            ``depends_on`` in ``hassette.toml`` adds more apps.
        config: The settings of this instance.
        app_key: The key of the app in ``hassette.toml``: ``hall`` for ``[apps.hall]``.
        instance: The name of the instance. By default it is the app key, or ``hall_1``, ``hall_2`` and so on if the
            app has several instances.
        bus: Registers listeners: ``self.bus.on_state_change(self.turn_on, "binary_sensor.door")``. Handlers and the
            functions of ``where`` are plain ``def``. The functions of ``where`` run on the event loop, and must not
            call methods that block.
        scheduler: Registers jobs: ``self.scheduler.run_daily(…)``.
        api: Sends requests to Home Assistant: ``self.api.call_service(…)``.
        states: The current states of all entities: ``self.states["light.hall"].state``.
        home: The areas, floors, devices, labels and users: ``self.home.area("kitchen").lights``.
        time: The time of the home, its time zone and its sun: ``self.time.now()``, ``self.time.is_between(…)``.
            ``self.time.sleep(2)`` waits.
        apps: The other apps: ``self.apps.get("notifier")``.
        storage: A small mapping that survives restarts: ``self.storage["count"] = 3``.
        logger: The logger ``hassette.apps.<app_key>.<instance>``. The log lines of a handler are kept with its run.
    """

    def __init__(self, config: ConfigT, context: AppContext) -> None:
        super().__init__(config, context)
        self._loop_calls = calls = context.loop_calls
        self.bus = SyncBus(context.bus, calls)
        self.scheduler = SyncScheduler(context.scheduler, calls)
        self.api = SyncApi(context.api, calls)
        self.home = SyncHome(context.home, calls)
        self.time = SyncTime(context.time, calls)

    def wait(self, awaitable: Awaitable[T]) -> T:
        """Run a coroutine on the event loop, wait for it, and return its result.

        Use this to call an ``async def`` of another app. A plain ``def`` of another app can be called directly.

        Example:
            ::

                self.wait(self.apps.get("notifier", Notifier).send("Door open"))

        Args:
            awaitable: The coroutine, future or other awaitable.

        Raises:
            CalledOnLoopError: The caller runs on the event loop.
            LoopCallsClosedError: The caller runs in a thread that the app has started, and the app has stopped.
            asyncio.CancelledError: The run was cancelled, or has exceeded its deadline.
        """
        return self._loop_calls.run("self.wait", lambda: awaitable)

    def on_initialize(self) -> None:
        """Register listeners and jobs. Override this.

        The method runs in a thread, when Home Assistant is connected and all states are known. If it takes longer than
        30 s or raises an exception, the start has failed, and the framework tries again, as for an `App`.
        """

    def on_shutdown(self) -> None:
        """Release resources that the framework does not know, such as open files. Override this if the app has any.

        The framework ends listeners and jobs before it calls this method in a thread. After 15 % of
        ``hassette.stop_budget_s``, by default 1.35 s, the framework no longer waits for the method: a call of `api`,
        `bus` or `scheduler` then raises `asyncio.CancelledError`. Other blocking code cannot be interrupted.
        """

    def on_error(self, context: ErrorContext) -> None:
        """Handle a failed run of this instance. Override this to be notified.

        The framework does not call this method for a listener or job that has its own ``on_error`` option. The method
        runs in a thread and may take up to 5 s. An exception that the method raises is logged.

        Example:
            ::

                def on_error(self, context: ErrorContext) -> None:
                    self.api.call_service("notify", "notify", message=f"{self.app_key}: {context.exception}")

        Args:
            context: The exception, its traceback, the command and the record of the run.
        """
