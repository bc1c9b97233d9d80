"""`Attempts`: send a service call, wait for its effect, and repeat it if the effect does not follow."""

import asyncio
import inspect
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, NamedTuple

from hassette_core.api.expectations import Expectation
from hassette_core.api.requests import CallOutcome, Requests, Timing, check_json, context_id_of
from hassette_core.errors import (
    CallFailedError,
    LinkError,
    NoAnswerError,
    NotConfirmedError,
    NotConnectedError,
    RehearsalError,
)
from hassette_core.events import new_context_id
from hassette_core.states import StateCache, StateWatch

TEMPORARY_ERRORS = frozenset({"home_assistant_error", "timeout", "unknown_error"})
"""Home Assistant's error codes for a failure inside a service, such as a device that does not answer. The same call may
succeed later. All other codes mean that the call itself is wrong."""
CALL_TIMEOUT_S = 60.0
"""Limit for the answer to a service call, in seconds. Home Assistant answers when the service has ended."""


class ServiceResult(NamedTuple):
    """The result of a service call.

    Attributes:
        context_id: The id of the call's context. When the call causes an event, the event's context has this id, or is
            a child of the context with this id. Empty if the effect was confirmed without an answer.
        response: The response of the service if the call has ``return_response=True``, else None.
        attempts: Number of times that the call was sent.
        confirmed_after_s: Time from sending to the expected states, in seconds. None without ``expect``, and in a
            rehearsal, which checks no states.
    """

    context_id: str
    response: Any = None
    attempts: int = 1
    confirmed_after_s: float | None = None


class Confirmation(NamedTuple):
    """The rule that confirms the effect of a call.

    Attributes:
        expectation: The expected states.
        within_s: Time limit of each attempt, in seconds.
        retries: Maximum number of repetitions of the call.
    """

    expectation: Expectation
    within_s: float
    retries: int


class _Unconfirmed(NamedTuple):
    """An attempt after which the home did not reach the expected states."""

    error: LinkError | NotConfirmedError


class _Sending:
    """The task that sends a call, so that the wait for the effect does not depend on the answer.

    Args:
        work: Sends the call, and returns the answer.
        monotonic_ns: The clock.
        ended: Called when the answer has arrived, or when the task has failed.

    Attributes:
        result: The answer. None before the answer, and after a failure.
        failure: The failure of a call that Home Assistant may still carry out.
        ended_ns: The time of the answer or of the failure, by the monotonic clock. None before.
    """

    def __init__(
        self, work: Coroutine[Any, Any, ServiceResult], monotonic_ns: Callable[[], int], ended: Callable[[], None]
    ) -> None:
        self.result: ServiceResult | None = None
        self.failure: LinkError | None = None
        self.ended_ns: int | None = None
        self._monotonic_ns = monotonic_ns
        self._ended = ended
        self._task = asyncio.ensure_future(work)
        self._task.add_done_callback(self._note_end)

    def check(self) -> None:
        """Read the answer, if there is one.

        Raises:
            LinkError, TypeError, ValueError: The call itself is wrong, or was not sent.
        """
        if not self._task.done() or self.result is not None or self.failure is not None:
            return
        try:
            self.result = self._task.result()
        except LinkError as error:
            if not _may_still_be_carried_out(error):
                raise
            self.failure = error

    async def end(self) -> None:
        """Stop waiting for the answer."""
        if not self._task.done():
            self._task.cancel()
            await asyncio.wait([self._task])
        if not self._task.cancelled():
            self._task.exception()  # `check` may not have read it, and asyncio would log that it was never read

    def _note_end(self, task: asyncio.Future[ServiceResult]) -> None:
        self.ended_ns = self._monotonic_ns()
        self._ended()


class Attempts:
    """The attempts of one service call. Each attempt is recorded.

    Args:
        requests: Sends and records the calls.
        cache: The states, which confirm the effect.
        message: The fields of the WebSocket command.
    """

    def __init__(self, requests: Requests, cache: StateCache, message: Mapping[str, Any]) -> None:
        self._requests = requests
        self._cache = cache
        self._message = message
        self._service = f"{message['domain']}.{message['service']}"
        self._action = f"call {self._service}"

    async def send_once(self) -> ServiceResult:
        """Send the call once, and return the answer."""
        timing = self._requests.begin()
        outcome = CallOutcome(error="cancelled before the answer")
        try:
            result = await self._send()
            outcome = CallOutcome(result.context_id)
            return result  # noqa: TRY300  the call is recorded in `finally`
        except LinkError as error:
            outcome = CallOutcome(error=str(error))
            raise
        except (TypeError, ValueError) as error:
            outcome = CallOutcome(error=f"cannot {self._action}: {error}")
            raise
        finally:
            self._record(timing, outcome)

    async def rehearse(self) -> ServiceResult:
        """Record the call without sending it, and return an answer.

        Raises:
            RehearsalError: The call needs a response, and none is known.
        """
        timing = self._requests.begin()
        outcome = CallOutcome(rehearsed=True)
        responses = self._requests.rehearsal_responses
        try:
            check_json(self._message)
            response = None
            if self._message.get("return_response"):
                if self._service not in responses:
                    reason = "the app rehearses, and Api.rehearsal_responses has no response of this service"
                    raise RehearsalError(self._action, reason)  # noqa: TRY301  the call is recorded in `finally`
                response = responses[self._service]
                if callable(response):
                    response = response(self._message.get("service_data", {}))
                    if inspect.isawaitable(response):
                        response = await response
            return ServiceResult(new_context_id(), response)
        except RehearsalError as error:
            outcome = outcome._replace(error=str(error))
            raise
        except (TypeError, ValueError) as error:
            outcome = outcome._replace(error=f"cannot {self._action}: {error}")
            raise
        finally:
            self._record(timing, outcome)

    async def send_until_confirmed(self, confirmation: Confirmation) -> ServiceResult:
        """Send the call, and repeat it until the expected states are seen.

        Raises:
            NotConfirmedError: The expected states were not seen.
            LinkError: The last attempt failed, or an error shows that the call itself is wrong.
        """
        attempt = 1
        while True:
            done = await self._attempt(confirmation, attempt)
            if isinstance(done, ServiceResult):
                return done
            if attempt > confirmation.retries:
                raise done.error
            attempt += 1

    async def _attempt(self, confirmation: Confirmation, attempt: int) -> ServiceResult | _Unconfirmed:
        timing = self._requests.begin()
        outcome = CallOutcome(error="cancelled before the answer", attempt=attempt)
        # The change may arrive before the answer, so the watch begins before the call is sent.
        with self._cache.watch(confirmation.expectation.entity_ids) as watch:
            sending = _Sending(self._send(), self._requests.clock.monotonic_ns, watch.wake)
            try:
                confirmed_ns = await self._wait_for_effect(watch, confirmation, timing, sending)
                result = sending.result or ServiceResult("")
                if confirmed_ns is not None and (sending.result or not self._message.get("return_response")):
                    after_ns = confirmed_ns - timing.sent_ns
                    outcome = outcome._replace(error=None, confirmed_us=after_ns // 1_000)
                    return result._replace(attempts=attempt, confirmed_after_s=after_ns / 1e9)
                error = sending.failure
                if error is None and confirmed_ns is not None:
                    error = NoAnswerError(self._action, confirmation.within_s)
                error = error or self._not_confirmed(watch, confirmation, attempt, answered=sending.result is not None)
                outcome = outcome._replace(error=str(error))
                return _Unconfirmed(error)
            except (LinkError, TypeError, ValueError) as error:
                cannot = isinstance(error, TypeError | ValueError)
                outcome = outcome._replace(error=f"cannot {self._action}: {error}" if cannot else str(error))
                raise
            finally:
                if sending.result is not None:
                    outcome = outcome._replace(context_id=sending.result.context_id)
                    if outcome.error == "cancelled before the answer":
                        outcome = outcome._replace(error="cancelled before the confirmation")
                self._record(timing, outcome, sending.ended_ns)
                await sending.end()

    async def _wait_for_effect(
        self, watch: StateWatch, confirmation: Confirmation, timing: Timing, sending: "_Sending"
    ) -> int | None:
        """Wait for the expected states and for the answer, and return the time of the expected states.

        The time is that of the monotonic clock. None if the states were not seen within the time limit.

        Raises:
            LinkError, TypeError, ValueError: The call itself is wrong, or was not sent.
        """
        clock, expectation = self._requests.clock, confirmation.expectation
        ends_ns = timing.sent_ns + round(confirmation.within_s * 1e9)
        over = False

        def end() -> None:
            nonlocal over
            over = True
            watch.wake()

        timer = clock.call_later((ends_ns - clock.monotonic_ns()) / 1e9, end)
        confirmed_ns: int | None = None
        try:
            while True:
                while confirmed_ns is None and watch.take():
                    if expectation.holds(watch.current):
                        confirmed_ns = clock.monotonic_ns()
                sending.check()
                if confirmed_ns is None and (over or sending.ended_ns) and expectation.holds(watch.current):
                    # No change was necessary: the states were as expected before the call.
                    confirmed_ns = timing.sent_ns
                if over or (confirmed_ns is not None and sending.ended_ns):
                    return confirmed_ns
                await watch.wait()
        finally:
            timer.cancel()

    def _not_confirmed(
        self, watch: StateWatch, confirmation: Confirmation, attempt: int, *, answered: bool
    ) -> NotConfirmedError:
        expected, seen, cause = confirmation.expectation.unmet(watch.current)
        error = NotConfirmedError(self._service, expected, seen, attempt, confirmation.within_s, answered=answered)
        error.__cause__ = cause
        return error

    async def _send(self) -> ServiceResult:
        # A script ends when its last action ends, which may take hours.
        timeout_s = None if self._message["domain"] == "script" else CALL_TIMEOUT_S
        answer = await self._requests.command(self._action, "call_service", timeout_s=timeout_s, **self._message)
        return ServiceResult(context_id_of(self._action, answer), answer.get("response"))

    def _record(self, timing: Timing, outcome: CallOutcome, answered_ns: int | None = None) -> None:
        message = self._message
        self._requests.record(
            timing,
            message["domain"],
            message["service"],
            message.get("target", {}),
            message.get("service_data", {}),
            outcome,
            answered_ns,
        )


def _may_still_be_carried_out(error: LinkError) -> bool:
    if isinstance(error, NotConnectedError):
        return error.sent
    return isinstance(error, NoAnswerError) or (isinstance(error, CallFailedError) and error.code in TEMPORARY_ERRORS)
