"""`RestApi`: the REST API of the simulated home."""

from collections.abc import Awaitable, Callable
from typing import Any, cast

from aiohttp import web

from hassette_core.errors import RefusedError
from hassette_core.simulation.home.core import HomeCore, Json
from hassette_core.simulation.home.json_parsing import parse_json
from hassette_core.simulation.home.services import ServiceRegistry

RequestHandler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class RestApi:
    """The requests of the REST API for states, events and services.

    Args:
        core: The states and events of the home.
        services: The services of the home.
        configuration: Returns the answer to ``/api/config``.
        token: The access token that a client must send.
    """

    def __init__(
        self, core: HomeCore, services: ServiceRegistry, configuration: Callable[[], Json], token: str
    ) -> None:
        self._core = core
        self._services = services
        self._configuration = configuration
        self._token = token

    def routes(self) -> list[web.RouteDef]:
        """Return the routes for an aiohttp application."""
        return [
            web.get("/api/", self._authenticated(self._get_status)),
            web.get("/api/config", self._authenticated(self._get_config)),
            web.get("/api/states", self._authenticated(self._get_states)),
            web.get("/api/states/{entity_id}", self._authenticated(self._get_state)),
            web.post("/api/states/{entity_id}", self._authenticated(self._set_state)),
            web.delete("/api/states/{entity_id}", self._authenticated(self._remove_state)),
            web.post("/api/events/{event_type}", self._authenticated(self._fire_event)),
            web.get("/api/services", self._authenticated(self._list_services)),
            web.post("/api/services/{domain}/{service}", self._authenticated(self._call_service)),
        ]

    def _authenticated(self, handler: RequestHandler) -> RequestHandler:
        async def check(request: web.Request) -> web.StreamResponse:
            if request.headers.get("Authorization") != f"Bearer {self._token}":
                raise web.HTTPUnauthorized
            return await handler(request)

        return check

    async def _get_status(self, _request: web.Request) -> web.Response:
        return _message("API running.")

    async def _get_config(self, _request: web.Request) -> web.Response:
        return web.json_response(self._configuration())

    async def _get_states(self, _request: web.Request) -> web.Response:
        return web.json_response(list(self._core.states.values()))

    async def _get_state(self, request: web.Request) -> web.Response:
        state = self._core.states.get(_entity_id(request))
        return _message("Entity not found.", 404) if state is None else web.json_response(state)

    async def _set_state(self, request: web.Request) -> web.Response:
        entity_id = _entity_id(request)
        try:
            body = await request.json(loads=parse_json)
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
        answer = web.json_response(self._core.states[entity_id], status=201 if is_new else 200)
        answer.headers["Location"] = f"/api/states/{entity_id}"
        return answer

    async def _remove_state(self, request: web.Request) -> web.Response:
        removed = self._core.remove_state(_entity_id(request))
        return _message("Entity removed.") if removed else _message("Entity not found.", 404)

    async def _fire_event(self, request: web.Request) -> web.Response:
        event_type = request.match_info["event_type"]
        try:
            data = await _body(request)
        except ValueError:
            return _message("Event data should be valid JSON.", 400)
        if data is not None and not isinstance(data, dict):
            return _message("Event data should be a JSON object", 400)
        try:
            self._core.fire(event_type, cast("Json | None", data), self._core.context(user=True))
        except RefusedError:
            raise web.HTTPInternalServerError from None  # as in Home Assistant
        return _message(f"Event {event_type} fired.")

    async def _list_services(self, _request: web.Request) -> web.Response:
        described = self._services.describe()
        return web.json_response([{"domain": domain, "services": services} for domain, services in described.items()])

    async def _call_service(self, request: web.Request) -> web.Response:
        domain, service = request.match_info["domain"], request.match_info["service"]
        try:
            body: Any = await _body(request) or {}
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
            response = self._services.call(domain, service, data, context, return_response=wants_response)
        except RefusedError:
            raise web.HTTPBadRequest from None
        finally:
            unsubscribe()
        return web.json_response(
            {"changed_states": changed, "service_response": response} if wants_response else changed
        )


def _entity_id(request: web.Request) -> str:
    return request.match_info["entity_id"].lower()  # as in Home Assistant


async def _body(request: web.Request) -> Any:
    text = await request.text()
    return parse_json(text) if text else None


def _message(message: str, status: int = 200) -> web.Response:
    return web.json_response({"message": message}, status=status)
