"""Commands of the WebSocket API for history, statistics and the logbook."""

from datetime import UTC, datetime
from typing import Any

from hassette_core.errors import RefusedError
from hassette_core.simulation.home.api.command import CommandClient, WebSocketCommand, check
from hassette_core.simulation.home.core import Json
from hassette_core.simulation.home.model.history import PERIODS, history_rows


def parse_moment(text: Any, name: str) -> datetime:
    """Parse a time of a request. A time without a zone is in UTC.

    Raises:
        RefusedError: The text is not a time.
    """
    try:
        moment = datetime.fromisoformat(str(text).replace("Z", "+00:00"))
    except ValueError:
        raise RefusedError(f"invalid_{name}", f"Invalid {name}") from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _history(client: CommandClient, message: Json) -> None:
    check(
        client.model.core,
        message,
        start_time=(str, True),
        end_time=(str, False),
        entity_ids=(list, True),
        include_start_time_state=(bool, False),
        significant_changes_only=(bool, False),
        minimal_response=(bool, False),
        no_attributes=(bool, False),
    )
    start, end = _period(client, message)
    result: Json = {}
    for entity_id in message["entity_ids"]:
        states = client.model.history.states(
            entity_id,
            start,
            end,
            with_first=message.get("include_start_time_state", True),
            significant=message.get("significant_changes_only", True),
        )
        rows = list(history_rows(states, with_attributes=not message.get("no_attributes", False)))
        if message.get("minimal_response"):
            rows = [rows[0], *({"s": row["s"], "lu": row["lu"]} for row in rows[1:])] if rows else []
        if rows:
            result[entity_id] = rows
    client.answer(message, result)


def _statistics(client: CommandClient, message: Json) -> None:
    check(
        client.model.core,
        message,
        start_time=(str, True),
        end_time=(str, False),
        statistic_ids=(list, True),
        period=(str, True),
        types=(list, False),
        units=(dict, False),
    )
    if message["period"] not in PERIODS:
        raise RefusedError("invalid_format", f"value must be one of {sorted(PERIODS)}")
    start, end = _period(client, message)
    kinds = set(message.get("types", ("change", "last_reset", "max", "mean", "min", "state", "sum")))
    result: Json = {}
    for entity_id in message["statistic_ids"]:
        rows = client.model.history.statistics(entity_id, start, end, message["period"])
        if rows:
            entity = client.model.core.entities.get(entity_id)
            measured = entity is None or entity.attributes.get("state_class") in (None, "measurement")
            shown = kinds & ({"mean", "min", "max"} if measured else {"state", "sum", "change"})
            result[entity_id] = [
                {key: row[key] for key in row if key in shown or key in ("start", "end")} for row in rows
            ]
    client.answer(message, result)


def _logbook(client: CommandClient, message: Json) -> None:
    check(
        client.model.core,
        message,
        start_time=(str, True),
        end_time=(str, False),
        entity_ids=(list, False),
        device_ids=(list, False),
        context_id=(str, False),
    )
    start, end = _period(client, message)
    entries = client.model.history.logbook(start, end, message.get("entity_ids"), message.get("context_id"))
    client.answer(message, entries)


def _period(client: CommandClient, message: Json) -> tuple[datetime, datetime]:
    start = parse_moment(message["start_time"], "start_time")
    now = client.model.core.clock.now()
    return start, parse_moment(message["end_time"], "end_time") if "end_time" in message else now


HISTORY_COMMANDS: dict[str, WebSocketCommand] = {
    "history/history_during_period": WebSocketCommand(_history),
    "logbook/get_events": WebSocketCommand(_logbook),
    "recorder/statistics_during_period": WebSocketCommand(_statistics),
}
