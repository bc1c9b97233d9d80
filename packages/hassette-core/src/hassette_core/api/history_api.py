"""`HistoryApi`: past states, statistics and the logbook."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

from hassette_core.api.history import (
    LogbookEntry,
    PastState,
    PastTime,
    Statistic,
    parse_history,
    parse_logbook,
    parse_statistics,
    past_time,
)
from hassette_core.api.requests import ApiMethods
from hassette_core.api.targets import EntityIds, find_ids

CHUNK = timedelta(days=1)
"""Home Assistant sends each answer as one message, and a message has a limit of 64 MiB. So a longer range is fetched in
several requests."""

Period = Literal["5minute", "hour", "day", "week", "month"]


class HistoryApi(ApiMethods):
    """The methods of `Api` that read Home Assistant's recorder."""

    async def get_history(
        self,
        entities: EntityIds,
        start: PastTime,
        end: PastTime | None = None,
        *,
        attributes: bool = True,
    ) -> dict[str, list[PastState]]:
        """Fetch the past states of entities.

        Home Assistant keeps them for ten days, unless its ``recorder`` is configured otherwise. Entities that the
        recorder excludes have none.

        Example:
            Whether a window was open in the last half hour::

                history = await self.api.get_history("binary_sensor.window", timedelta(minutes=30))
                opened = any(state.state == "on" for state in history["binary_sensor.window"])

        Args:
            entities: One or several entity ids, or selections such as ``self.home.area("kitchen").lights``.
            start: Start of the range: a `datetime` with a time zone, or how long ago as a `timedelta`.
            end: End of the range, in the same form. None for now.
            attributes: False leaves out the attributes. This is quicker.

        Returns:
            For each entity, its states in order, also those in which only an attribute changed. The first one is the
            state at the start of the range, if it is known. An entity without states has an empty list.

        Raises:
            CallFailedError: Home Assistant refused the request. The code ``unknown_command`` means that it has no
                history, because its recorder is off.
            ValueError: A time has no time zone, or the range ends before it starts.
            LinkError: See `Api`.
        """
        entity_ids = find_ids("entities", entities, self._cache.states)
        action = f"fetch the history of {', '.join(entity_ids)}"
        begin, until = self._range(start, end)
        found: dict[str, list[PastState]] = {entity_id: [] for entity_id in entity_ids}
        at = begin
        while at < until:
            chunk_end = min(at + CHUNK, until)
            answer = await self._requests.command(
                action,
                "history/history_during_period",
                # The range of an answer excludes its start.
                start_time=(at - timedelta(microseconds=1) if at > begin else at).isoformat(),
                end_time=chunk_end.isoformat(),
                entity_ids=entity_ids,
                include_start_time_state=at == begin,
                significant_changes_only=False,
                minimal_response=False,
                no_attributes=not attributes,
            )
            for entity_id, states in parse_history(action, answer, found).items():
                found.setdefault(entity_id, []).extend(states)
            at = chunk_end
        return found

    async def get_statistics(
        self,
        statistics: EntityIds,
        start: PastTime,
        end: PastTime | None = None,
        *,
        period: Period = "hour",
        types: Sequence[Literal["mean", "min", "max", "state", "sum", "change"]] | None = None,
        units: Mapping[str, str] | None = None,
    ) -> dict[str, list[Statistic]]:
        """Fetch statistics, which Home Assistant keeps without a time limit for entities with a ``state_class``.

        Example:
            The energy of each of the last seven days, in kWh::

                energy = await self.api.get_statistics(
                    "sensor.energy", timedelta(days=7), period="day", types=["change"], units={"energy": "kWh"}
                )

        Args:
            statistics: One or several statistic ids, or selections of entities. The statistic of an entity has the id
                of the entity.
            start: Start of the range: a `datetime` with a time zone, or how long ago as a `timedelta`.
            end: End of the range, in the same form. None for now.
            period: The length of one period. Days, weeks and months begin at midnight of Home Assistant's time zone.
                Periods of five minutes are kept for ten days.
            types: The wanted values. None for all.
            units: Units by kind of quantity, such as ``{"temperature": "°F"}``. None for the units of the entities.

        Returns:
            For each id, its statistics in order. An id without statistics has an empty list.

        Raises:
            CallFailedError: Home Assistant refused the request.
            ValueError: A time has no time zone, or the range ends before it starts.
            LinkError: See `Api`.
        """
        ids = find_ids("statistics", statistics, self._cache.states, entities=False)
        action = f"fetch the statistics of {', '.join(ids)}"
        begin, until = self._range(start, end)
        more: dict[str, Any] = {}
        if types is not None:
            more["types"] = list(types)
        if units is not None:
            more["units"] = dict(units)
        answer = await self._requests.command(
            action,
            "recorder/statistics_during_period",
            start_time=begin.isoformat(),
            end_time=until.isoformat(),
            statistic_ids=ids,
            period=period,
            **more,
        )
        return {**{each: [] for each in ids}, **parse_statistics(action, answer)}

    async def get_logbook(
        self,
        start: PastTime,
        end: PastTime | None = None,
        *,
        entities: EntityIds | None = None,
        context_id: str | None = None,
    ) -> list[LogbookEntry]:
        """Fetch entries of Home Assistant's logbook.

        Example:
            ::

                for entry in await self.api.get_logbook(timedelta(hours=1), entities="light.hall"):
                    self.logger.info("Light changed", extra={"state": entry.state, "user": entry.user_id})

        Args:
            start: Start of the range: a `datetime` with a time zone, or how long ago as a `timedelta`.
            end: End of the range, in the same form. None for now.
            entities: One or several entity ids or selections. None for all.
            context_id: Only entries with this context. Home Assistant does not allow it together with ``entities``.

        Returns:
            The entries, oldest first.

        Raises:
            CallFailedError: Home Assistant refused the request. The code ``unknown_command`` means that it has no
                logbook.
            ValueError: A time has no time zone, the range ends before it starts, or ``entities`` and ``context_id``
                are both given.
            LinkError: See `Api`.
        """
        if entities is not None and context_id is not None:
            raise ValueError(
                "context_id must be None if entities are given, because the logbook takes only one of them"
            )
        begin, until = self._range(start, end)
        more: dict[str, Any] = {}
        if entities is not None:
            more["entity_ids"] = find_ids("entities", entities, self._cache.states)
        if context_id is not None:
            more["context_id"] = context_id
        action = "fetch the logbook"
        answer = await self._requests.command(
            action, "logbook/get_events", start_time=begin.isoformat(), end_time=until.isoformat(), **more
        )
        return parse_logbook(action, answer)

    def _range(self, start: PastTime, end: PastTime | None) -> tuple[datetime, datetime]:
        now = self._requests.clock.now()
        begin = past_time("start", start, now)
        until = now if end is None else past_time("end", end, now)
        if until <= begin:
            raise ValueError(f"end must be after start, got {begin.isoformat()} and {until.isoformat()}")
        return begin, until
