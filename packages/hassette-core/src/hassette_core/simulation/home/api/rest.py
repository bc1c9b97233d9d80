"""`RestApi`: the REST API of the simulated home, without a socket."""

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, cast

from hassette_core.errors import RefusedError
from hassette_core.simulation.home.api.history_commands import parse_moment
from hassette_core.simulation.home.api.json_parsing import parse_json
from hassette_core.simulation.home.core import HomeContext, Json
from hassette_core.simulation.home.model import HomeUser
from hassette_core.simulation.home.services import ServiceRegistry


class RestRequest(NamedTuple):
    """A request of a client.

    Attributes:
        method: For example ``GET``.
        path: The decoded path, for example ``/api/states/light.hall``.
        query: The parameters after ``?``.
        authorization: The header ``Authorization``.
        body: The body.
    """

    method: str
    path: str
    query: Mapping[str, str] = {}
    authorization: str = ""
    body: str = ""


class RestResponse(NamedTuple):
    """The answer to a request."""

    status: int
    text: str
    content_type: str = "application/json"
    headers: Mapping[str, str] = {}


RequestHandler = Callable[..., Awaitable[RestResponse]]
"""Answers a request. The arguments are the request and the variable parts of its path."""


class RestApi:
    """The requests of the REST API for states, events and services.

    Args:
        services: The services of the home, with its other parts.
    """

    def __init__(self, services: ServiceRegistry) -> None:
        self._services = services
        self._model = services.model
        self._core = services.model.core
        name = "([^/]*)"
        table: dict[str, dict[str, RequestHandler]] = {
            "/api/": {"GET": self._get_status},
            "/api/config": {"GET": self._get_config},
            "/api/states": {"GET": self._get_states},
            f"/api/states/{name}": {"GET": self._get_state, "POST": self._set_state, "DELETE": self._remove_state},
            f"/api/events/{name}": {"POST": self._fire_event},
            "/api/services": {"GET": self._list_services},
            f"/api/services/{name}/{name}": {"POST": self._call_service},
            "/api/template": {"POST": self._render_template},
            "/api/components": {"GET": self._list_components},
            "/api/calendars": {"GET": self._list_calendars},
            f"/api/calendars/{name}": {"GET": self._get_calendar},
            f"/api/history/period(?:/{name})?": {"GET": self._get_history},
            f"/api/logbook(?:/{name})?": {"GET": self._get_logbook},
            f"/api/webhook/{name}": {"POST": self._post_webhook, "PUT": self._post_webhook, "GET": self._post_webhook},
        }
        self._routes = [(re.compile(path, re.DOTALL), handlers) for path, handlers in table.items()]

    async def answer(self, request: RestRequest) -> RestResponse:
        """Answer a request as Home Assistant does."""
        for pattern, handlers in self._routes:
            if (match := pattern.fullmatch(request.path)) is not None:
                handler = handlers.get("GET" if request.method == "HEAD" else request.method)
                if handler is None:
                    return _plain(405, "405: Method Not Allowed")
                if self._user(request) is None and not request.path.startswith("/api/webhook/"):
                    return _plain(401, "401: Unauthorized")
                return await handler(request, *match.groups())
        return _plain(404, "404: Not Found")

    def _user(self, request: RestRequest) -> HomeUser | None:
        kind, _, token = request.authorization.partition(" ")
        return self._model.users.with_token(token) if kind == "Bearer" else None

    def _context(self, request: RestRequest) -> HomeContext:
        user = self._user(request)
        return self._core.context(user=True if user is None else user.id)

    async def _get_status(self, _request: RestRequest) -> RestResponse:
        return _message("API running.")

    async def _get_config(self, _request: RestRequest) -> RestResponse:
        return _json(self._model.configuration())

    async def _get_states(self, _request: RestRequest) -> RestResponse:
        return _json(list(self._core.states.values()))

    async def _get_state(self, _request: RestRequest, entity_id: str) -> RestResponse:
        state = self._core.states.get(entity_id.lower())  # as in Home Assistant
        return _message("Entity not found.", 404) if state is None else _json(state)

    async def _set_state(self, request: RestRequest, entity_id: str) -> RestResponse:
        entity_id = entity_id.lower()
        try:
            body = parse_json(request.body)
        except ValueError:
            return _message("Invalid JSON specified.", 400)
        if not isinstance(body, dict):
            return _message("State data should be a JSON object.", 400)
        body = cast("Json", body)
        if (state := body.get("state")) is None:
            return _message("No state specified.", 400)
        try:
            is_new = self._core.write_state(entity_id, state, body.get("attributes"), self._context(request))
        except ValueError as problem:
            return _message(str(problem), 400)
        location = {"Location": f"/api/states/{entity_id}"}
        return _json(self._core.states[entity_id], 201 if is_new else 200)._replace(headers=location)

    async def _remove_state(self, _request: RestRequest, entity_id: str) -> RestResponse:
        removed = self._core.remove_state(entity_id.lower())
        return _message("Entity removed.") if removed else _message("Entity not found.", 404)

    async def _fire_event(self, request: RestRequest, event_type: str) -> RestResponse:
        try:
            data = _body(request)
        except ValueError:
            return _message("Event data should be valid JSON.", 400)
        if data is not None and not isinstance(data, dict):
            return _message("Event data should be a JSON object", 400)
        try:
            self._core.fire(event_type, cast("Json | None", data), self._context(request))
        except RefusedError:
            # as in Home Assistant
            return _plain(500, "500: Internal Server Error")
        return _message(f"Event {event_type} fired.")

    async def _list_services(self, _request: RestRequest) -> RestResponse:
        described = self._services.describe()
        return _json([{"domain": domain, "services": services} for domain, services in described.items()])

    async def _call_service(self, request: RestRequest, domain: str, service: str) -> RestResponse:
        try:
            body: Any = _body(request) or {}
        except ValueError:
            return _message("Data should be valid JSON.", 400)
        if not isinstance(body, dict):
            return _message("Data should be a JSON object.", 400)
        data = cast("Json", body)
        context = self._context(request)
        changed: list[Json] = []

        def collect(event: Json) -> None:
            if event["context"]["id"] == context.id and (state := event["data"]["new_state"]) is not None:
                changed.append(state)

        wants_response = "return_response" in request.query
        unsubscribe = self._core.listen("state_changed", collect)
        try:
            call = self._services.prepare(domain, service, data, context, return_response=wants_response)
            if call.delay_s > 0:
                await self._core.sleep(call.delay_s)
            response = call.carry_out()
        except RefusedError:
            return _plain(400, "400: Bad Request")
        finally:
            unsubscribe()
        return _json({"changed_states": changed, "service_response": response} if wants_response else changed)

    async def _render_template(self, request: RestRequest) -> RestResponse:
        try:
            body = parse_json(request.body)
        except ValueError:
            return _message("Invalid JSON specified.", 400)
        if not isinstance(body, dict) or "template" not in body:
            return _plain(500, "500: Internal Server Error")  # as in Home Assistant
        asked = cast("Json", body)
        try:
            result = self._model.render(asked["template"], asked.get("variables"))
        except RefusedError as error:
            return _message(f"Error rendering template: {error.message}", 400)
        return _plain(200, str(result))

    async def _list_components(self, _request: RestRequest) -> RestResponse:
        return _json(sorted(self._model.integrations))

    async def _list_calendars(self, _request: RestRequest) -> RestResponse:
        calendars = {each: state for each, state in self._core.states.items() if each.startswith("calendar.")}
        return _json(
            [
                {"name": state["attributes"].get("friendly_name", entity_id), "entity_id": entity_id}
                for entity_id, state in calendars.items()
            ]
        )

    async def _get_calendar(self, request: RestRequest, entity_id: str) -> RestResponse:
        if "start" not in request.query or "end" not in request.query:
            return _plain(400, "400: Bad Request")
        try:
            start, end = (parse_moment(request.query[name], name) for name in ("start", "end"))
        except RefusedError:
            return _plain(400, "400: Bad Request")
        kind = {True: "dateTime", False: "date"}
        return _json(
            [
                {
                    **entry.as_json(),
                    "start": {kind[isinstance(entry.start, datetime)]: entry.start.isoformat()},
                    "end": {kind[isinstance(entry.end, datetime)]: entry.end.isoformat()},
                    "uid": entry.uid,
                }
                for entry in self._model.calendars.between(entity_id, start, end)
            ]
        )

    def _period(self, request: RestRequest, start: str | None) -> tuple[datetime, datetime]:
        now = self._core.clock.now()
        begin = now - timedelta(days=1) if not start else parse_moment(start, "datetime")
        ends = request.query.get("end_time")
        return begin, begin + timedelta(days=1) if ends is None else parse_moment(ends, "end_time")

    async def _get_history(self, request: RestRequest, start: str | None) -> RestResponse:
        if not request.query.get("filter_entity_id"):
            return _message("filter_entity_id is missing", 400)
        try:
            begin, end = self._period(request, start)
        except RefusedError:
            return _message("Invalid datetime", 400)
        with_attributes = "no_attributes" not in request.query
        result: list[list[Json]] = []
        for entity_id in request.query["filter_entity_id"].lower().split(","):
            states = self._model.history.states(
                entity_id,
                begin,
                end,
                with_first="skip_initial_state" not in request.query,
                significant=request.query.get("significant_changes_only", "1") != "0",
            )
            rows = [
                {
                    "entity_id": entity_id,
                    "state": state.state,
                    "attributes": dict(state.attributes) if with_attributes else {},
                    "last_changed": state.since.isoformat(),
                    "last_updated": state.since.isoformat(),
                }
                for state in states
            ]
            if "minimal_response" in request.query:
                rows[1:] = [{key: row[key] for key in ("state", "last_changed")} for row in rows[1:]]
            if rows:
                result.append(rows)
        return _json(result)

    async def _get_logbook(self, request: RestRequest, start: str | None) -> RestResponse:
        try:
            begin, end = self._period(request, start)
        except RefusedError:
            return _message("Invalid datetime", 400)
        wanted = request.query.get("entity")
        entries = self._model.history.logbook(begin, end, wanted and wanted.lower().split(","), None)
        return _json(
            [{**entry, "name": self._name(entry["entity_id"]), "when": _iso(entry["when"])} for entry in entries]
        )

    def _name(self, entity_id: str) -> str:
        state = self._core.states.get(entity_id)
        return entity_id if state is None else state["attributes"].get("friendly_name", entity_id)

    async def _post_webhook(self, request: RestRequest, webhook_id: str) -> RestResponse:
        received: Json = {"query": dict(request.query)}
        try:
            received["json"] = _body(request)
        except ValueError:
            received["data"] = request.body
        self._model.call_webhook(webhook_id, received)
        return RestResponse(200, "", "application/octet-stream")  # as in Home Assistant, for an unknown id, too


def _iso(timestamp: float) -> str:
    return datetime.fromtimestamp(timestamp, UTC).isoformat()


def _body(request: RestRequest) -> Any:
    return parse_json(request.body) if request.body else None


def _json(value: Any, status: int = 200) -> RestResponse:
    return RestResponse(status, json.dumps(value))


def _message(message: str, status: int = 200) -> RestResponse:
    return _json({"message": message}, status)


def _plain(status: int, text: str) -> RestResponse:
    return RestResponse(status, text, "text/plain")
