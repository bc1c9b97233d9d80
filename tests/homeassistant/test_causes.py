"""The simulated home reports the causes of changes as Home Assistant does, so that both can be explained."""

from collections.abc import AsyncIterator

import pytest

from hassette_core.api import Api
from hassette_core.clock import SystemClock
from hassette_core.events import Event
from hassette_core.link import HomeAssistantLink
from hassette_core.recording.home_recorder import HomeRecorder
from hassette_core.states import StateCache
from hassette_executor import Circumstance, HomeCause, HomeChange
from support.home_assistant import Endpoint
from support.waiting import eventually

pytestmark = pytest.mark.timeout(180)


class Recorded:
    """The changes and causes of a home, and an api that acts as a user of this home.

    Attributes:
        events: All events, in order.
    """

    def __init__(self, home: Endpoint) -> None:
        self.noted: list[Circumstance] = []
        self.lost = 0
        self.events: list[Event] = []
        cache = StateCache()
        self.states = cache.states
        recorder = HomeRecorder(self, self.events.append, clock=SystemClock())
        self.link = HomeAssistantLink(home.url, home.token, cache=cache, on_event=recorder.receive)
        self.api = Api(self.link)
        self.names = home.names

    def note(self, circumstance: Circumstance) -> None:
        self.noted.append(circumstance)

    def count_loss(self, reason: str, what: str, count: int, first_us: int, last_us: int) -> None:
        self.lost += count

    async def change(self, entity_id: str, state: str) -> HomeChange:
        """Wait for a change of an entity to a state, and return the newest."""

        def find() -> list[HomeChange]:
            changes = [one for one in self.noted if isinstance(one, HomeChange)]
            return [one for one in changes if (one.entity_id, one.new_state) == (entity_id, state)]

        return (await eventually(find, within_s=20))[-1]

    def causes(self, context_id: str | None) -> list[HomeCause]:
        return [one for one in self.noted if isinstance(one, HomeCause) and one.context_id == context_id]


@pytest.fixture
async def recorded(home: Endpoint) -> AsyncIterator[Recorded]:
    recorded = Recorded(home)
    async with recorded.link:
        await recorded.link.wait_ready()
        yield recorded


async def test_switch_of_a_person_leads_to_the_automation_and_to_its_change(recorded: Recorded) -> None:
    names, api = recorded.names, recorded.api
    user = await api.command("auth/current_user")
    for state in ("off", "on"):
        recorded.noted.clear()
        await api.call_service("input_boolean", f"turn_{state}", target=names.source)
        # The mirror may have the state already. The automation then changes nothing.
        await eventually(lambda state=state: recorded.states[names.mirror].state == state)
    mirrored, switched = await recorded.change(names.mirror, "on"), await recorded.change(names.source, "on")
    assert (switched.user_id, switched.parent_id) == (user["id"], None)
    assert [one.service for one in recorded.causes(switched.context_id)] == ["input_boolean.turn_on"]
    assert (mirrored.user_id, mirrored.parent_id) == (None, switched.context_id)
    automation, *calls = recorded.causes(mirrored.context_id)
    assert (automation.kind, automation.entity_id) == ("automation", names.automation)
    assert automation.detail == f"state of {names.source}"
    assert [one.service for one in calls] == [f"{names.mirror.partition('.')[0]}.turn_on"]
    assert [one.kind for one in calls] == ["service_call"]
    assert all(one.target == f'{{"entity_id":["{names.mirror}"]}}' for one in calls)
    assert bool(automation.trace_id) is bool(automation.item_id)
    order = [one for one in recorded.noted if one in (switched, automation, mirrored)]
    assert order == [switched, automation, mirrored], "a cause comes before its change"


async def test_change_without_a_service_call_has_no_cause(recorded: Recorded) -> None:
    api, names = recorded.api, recorded.names
    await api.call_service("input_boolean", "turn_off", target=names.boolean)
    await eventually(lambda: recorded.states[names.boolean].state == "off")
    await api.rest("POST", f"/api/states/{names.boolean}", {"state": "on"})
    change = await recorded.change(names.boolean, "on")
    assert (recorded.causes(change.context_id), change.parent_id) == ([], None)
