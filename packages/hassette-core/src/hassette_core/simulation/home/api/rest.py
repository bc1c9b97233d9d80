"""`RestApi`: the REST API of the simulated home, without a socket."""

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple, cast

from hassette_core.errors import RefusedError
from hassette_core.simulation.home.api.json_parsing import parse_json
from hassette_core.simulation.home.core import Json
from hassette_core.simulation.home.model import HomeModel


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
        model: The parts of the home behind its APIs.
        token: The access token that a client must send.
    """

    def __init__(self, model: HomeModel, token: str) -> None:
        self._model = model
        self._core = model.core
        self._token = token
        name = "([^/]*)"
        table: dict[str, dict[str, RequestHandler]] = {
            "/api/": {"GET": self._get_status},
            "/api/config": {"GET": self._get_config},
            "/api/states": {"GET": self._get_states},
            f"/api/states/{name}": {"GET": self._get_state, "POST": self._set_state, "DELETE": self._remove_state},
            f"/api/events/{name}": {"POST": self._fire_event},
            "/api/services": {"GET": self._list_services},
            f"/api/services/{name}/{name}": {"POST": self._call_service},
        }
        self._routes = [(re.compile(path, re.DOTALL), handlers) for path, handlers in table.items()]

    async def answer(self, request: RestRequest) -> RestResponse:
        """Answer a request as Home Assistant does."""
        for pattern, handlers in self._routes:
            if (match := pattern.fullmatch(request.path)) is not None:
                handler = handlers.get("GET" if request.method == "HEAD" else request.method)
                if handler is None:
                    return _plain(405, "405: Method Not Allowed")
                if request.authorization != f"Bearer {self._token}":
                    return _plain(401, "401: Unauthorized")
                return await handler(request, *match.groups())
        return _plain(404, "404: Not Found")

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
            is_new = self._core.write_state(entity_id, state, body.get("attributes"), self._core.context(user=True))
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
            self._core.fire(event_type, cast("Json | None", data), self._core.context(user=True))
        except RefusedError:
            # as in Home Assistant
            return _plain(500, "500: Internal Server Error")
        return _message(f"Event {event_type} fired.")

    async def _list_services(self, _request: RestRequest) -> RestResponse:
        described = self._model.services.describe()
        return _json([{"domain": domain, "services": services} for domain, services in described.items()])

    async def _call_service(self, request: RestRequest, domain: str, service: str) -> RestResponse:
        try:
            body: Any = _body(request) or {}
        except ValueError:
            return _message("Data should be valid JSON.", 400)
        if not isinstance(body, dict):
            return _message("Data should be a JSON object.", 400)
        data = cast("Json", body)
        context = self._core.context(user=True)
        changed: list[Json] = []

        def collect(event: Json) -> None:
            if event["context"]["id"] == context.id and (state := event["data"]["new_state"]) is not None:
                changed.append(state)

        wants_response = "return_response" in request.query
        unsubscribe = self._core.listen("state_changed", collect)
        try:
            call = self._model.services.prepare(domain, service, data, context, return_response=wants_response)
            if call.delay_s > 0:
                await self._core.sleep(call.delay_s)
            response = call.carry_out()
        except RefusedError:
            return _plain(400, "400: Bad Request")
        finally:
            unsubscribe()
        return _json({"changed_states": changed, "service_response": response} if wants_response else changed)


def _body(request: RestRequest) -> Any:
    return parse_json(request.body) if request.body else None


def _json(value: Any, status: int = 200) -> RestResponse:
    return RestResponse(status, json.dumps(value))


def _message(message: str, status: int = 200) -> RestResponse:
    return _json({"message": message}, status)


def _plain(status: int, text: str) -> RestResponse:
    return RestResponse(status, text, "text/plain")
