"""`CommandApi`: templates, and every other command and request."""

import asyncio
import re
from collections.abc import Mapping
from typing import Any, Literal, cast
from urllib.parse import unquote

from hassette_core.api.requests import ApiMethods, mapping_of
from hassette_core.errors import CallFailedError, LinkError, NoAnswerError
from hassette_core.events import new_context_id
from hassette_core.handlers import Duration, seconds
from hassette_core.link.reads import READS, reads_only

CONTEXT_COMMANDS = frozenset({"call_service", "execute_script", "fire_event"})
"""Commands whose answer contains a context."""
INSTEAD = {
    "history/stream": "self.api.get_history",
    "logbook/event_stream": "self.api.get_logbook",
    "render_template": "self.api.render_template",
    **dict.fromkeys(("assist_pipeline/run", "camera/webrtc/offer"), "a separate WebSocket client"),
    "system_health/info": "self.api.rest",
}
"""Commands that Home Assistant answers with several messages, and their replacements."""
_SUBSCRIBES = re.compile(r"(^|/)(un)?subscribe(_|/|$)|/start_preview$")
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_DOTS = re.compile(r"^[^?#]*/\.\.?(/|[?#]|$)")
"""A path with such a part would be sent as another path."""
TEMPLATE_S = 10.0
"""Default time limit of a template, in seconds."""


class CommandApi(ApiMethods):
    """The methods of `Api` for templates and any other request."""

    async def render_template(
        self, template: str, variables: Mapping[str, Any] | None = None, *, timeout: Duration = TEMPLATE_S
    ) -> str:
        """Let Home Assistant render a template.

        Example:
            ::

                text = await self.api.render_template("{{ states('sensor.hall') | float + add }} °C", {"add": 1})

        Args:
            template: The template.
            variables: Values that the template can use, by name.
            timeout: Time limit for Home Assistant, in seconds.

        Returns:
            The text. Home Assistant reads a text that looks like a number as a number, so ``21.50`` becomes ``21.5``.

        Raises:
            CallFailedError: The template has an error, or takes longer than the timeout. Its `reason` is Home
                Assistant's message.
            NoAnswerError: Home Assistant did not answer in time.
            RegistrationError: The timeout is not a duration.
            LinkError: See `Api`.
        """
        action = "render a template"
        timeout_s = seconds("timeout", timeout)
        connection = self._requests.link.require_connection(action)
        first: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        def fail(error: LinkError) -> None:
            if not first.done():
                first.set_exception(error)

        def receive(event: Any) -> None:
            if "result" in event:
                if not first.done():
                    first.set_result(str(event["result"]))
            elif event.get("level") == "ERROR":  # a warning is followed by the result
                fail(CallFailedError(action, str(event.get("error")), "template_error"))

        fields: dict[str, Any] = {"template": template, "timeout": timeout_s, "report_errors": True}
        if variables is not None:
            fields["variables"] = mapping_of("variables", variables)
        try:
            number = await connection.subscribe_command(action, receive, "render_template", **fields)
            # Home Assistant should answer first, because its message names the cause.
            timer = self._requests.clock.call_later(timeout_s + 1, lambda: fail(NoAnswerError(action, timeout_s + 1)))
            try:
                return await first
            finally:
                timer.cancel()
                await connection.unsubscribe(number)
        finally:
            if first.done() and not first.cancelled():
                first.exception()  # if the caller is cancelled, asyncio would log that the exception was never read

    async def command(self, command: str, /, **fields: Any) -> Any:
        """Send any command of Home Assistant's WebSocket API, and return its result.

        Example:
            ::

                issues = await self.api.command("repairs/list_issues")
                await self.api.command("input_boolean/create", name="Holiday", icon="mdi:beach")

        Args:
            command: The ``type`` of the command.
            fields: The other fields of the command.

        Returns:
            The ``result`` of Home Assistant's answer, as parsed JSON.

        Raises:
            CallFailedError: Home Assistant refused the command. The code ``unknown_command`` means that this Home
                Assistant does not have the command.
            ValueError: The command subscribes to something; use the methods of `App.bus`. Or a field has the name
                ``id``, ``type`` or ``timeout_s``.
            LinkError: See `Api`.
        """
        if not isinstance(command, str) or not command or _SUBSCRIBES.search(command) or command in INSTEAD:  # pyright: ignore[reportUnnecessaryIsInstance]  apps are not always type-checked
            hint = f"use {INSTEAD[command]}" if command in INSTEAD else "self.bus can subscribe"
            raise ValueError(f"command must be a command with one answer, got {command!r}; {hint}")
        if own := sorted(fields.keys() & {"id", "type", "timeout_s"}):
            raise ValueError(f"fields must not contain {own[0]}, which Hassette sets itself")
        action = f"send {command}"
        if command in READS:
            return await self._requests.command(action, command, **fields)
        return await self._requests.change(
            "command",
            {},
            {"type": command, **fields},
            lambda: self._requests.command(action, command, **fields),
            lambda: {"context": {"id": new_context_id()}} if command in CONTEXT_COMMANDS else None,
            _context_in,
        )

    async def rest(
        self, method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"], path: str, body: object = None
    ) -> Any:
        """Send any request to Home Assistant's REST API, and return the answer.

        Example:
            ::

                log = await self.api.rest("GET", "/api/error_log")
                await self.api.rest("POST", "/api/events/my_event", {"n": 1})

        Args:
            method: The HTTP method.
            path: The path with its query. It starts with ``/api/``.
            body: The body, which is sent as JSON. None sends no body.

        Returns:
            The parsed JSON of the answer, or its text if it is not JSON. A binary answer, such as a picture, cannot be
            read.

        Raises:
            CallFailedError: The answer has an HTTP status of 300 or more. Its `code` is the status, such as ``404``.
            NoAnswerError: Home Assistant did not answer within 30 s.
            ValueError: The method is unknown, or the path does not start with ``/api/``, or has a part ``.`` or ``..``.
            LinkError: See `Api`.
        """
        method_name = str(method).upper()
        if method_name not in METHODS:
            raise ValueError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
        if not isinstance(path, str) or not path.startswith("/api/") or _DOTS.search(unquote(path)):  # pyright: ignore[reportUnnecessaryIsInstance]  apps are not always type-checked
            raise ValueError(f"path must start with /api/, without the parts . and .., got {path!r}")
        action = f"send {method_name} {path}"

        async def send() -> Any:
            answer = await self._requests.rest(action, method_name, path, body)
            return answer.text if answer.body is None and answer.text != "null" else answer.body

        if reads_only(method_name, path):
            return await send()
        data: dict[str, Any] = {"method": method_name, "path": path}
        if body is not None:
            data["body"] = body
        return await self._requests.change("rest", {}, data, send, lambda: None, _context_in)


def _context_in(answer: Any) -> str | None:
    """Return the context id in an answer: that of a call, of a state, or of the first state that a service changed."""
    if isinstance(answer, dict):
        table = cast("dict[str, Any]", answer)
        if "changed_states" in table:  # a service with a response
            return _context_in(table["changed_states"])
        context = table.get("context")
        found = cast("dict[str, Any]", context).get("id") if isinstance(context, dict) else None
        return found if isinstance(found, str) else None
    items = cast("list[Any]", answer) if isinstance(answer, list) else []
    return next((found for item in items if isinstance(item, dict) and (found := _context_in(item))), None)
