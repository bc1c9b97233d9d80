"""The cache of all states and its read-only view, also when changes arrive during a fetch."""

import asyncio
from datetime import UTC, datetime
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hassette_core.errors import UnknownEntityError
from hassette_core.events import Context, State, StateChanged
from hassette_core.states import StateCache, States
from hassette_executor import CommandExecutor
from support.records import invoke

NOW = datetime(2026, 11, 23, tzinfo=UTC)
CONTEXT = Context("0" * 26)


def state(entity_id: str, value: str = "on") -> State:
    return State(entity_id, value, MappingProxyType({}), NOW, NOW, CONTEXT)


def change(entity_id: str, value: str | None) -> StateChanged:
    new = None if value is None else state(entity_id, value)
    return StateChanged("state_changed", MappingProxyType({}), CONTEXT, NOW, 0, entity_id, None, new)


def values(states: States) -> dict[str, str]:
    return {entity_id: each.state for entity_id, each in states.items()}


def test_changed_state_is_found_by_entity_and_by_domain() -> None:
    cache = StateCache()
    cache.apply(change("light.hall", "on"))
    cache.apply(change("switch.pump", "off"))
    cache.apply(change("light.attic", "off"))
    lights = cache.states.domain("light")
    assert values(cache.states) == {"light.hall": "on", "switch.pump": "off", "light.attic": "off"}
    assert list(lights) == ["light.hall", "light.attic"]
    assert (len(cache.states), "light.hall" in cache.states, cache.states.get("light.cellar")) == (3, True, None)


def test_states_may_be_read_in_a_thread_while_entities_are_added() -> None:
    cache = StateCache()
    cache.apply(change("light.hall", "on"))
    states = cache.states
    iterators = [iter(states), iter(states.keys()), iter(states.items()), iter(states.values())]
    lights = iter(states.domain("light").items())
    cache.apply(change("light.attic", "off"))
    assert [len(list(each)) for each in iterators] == [1, 1, 1, 1]
    assert len(list(lights)) == 1
    assert list(states) == ["light.hall", "light.attic"]


async def test_record_of_a_run_contains_the_states_that_it_read() -> None:
    cache = StateCache()
    for entity_id in ("light.hall", "light.attic", "switch.pump"):
        cache.apply(change(entity_id, "on"))
    states = cache.states

    async def read() -> None:
        assert states["light.hall"].state == "on"
        assert states.get("light.cellar") is None
        cache.apply(change("light.hall", "off"))
        assert states["light.hall"].state == states["light.hall"].state == "off"
        await asyncio.to_thread(states.domain, "light")

    async with CommandExecutor() as executor:
        effects = (await executor.execute(invoke(read))).effects
    assert effects is not None
    assert [(one.entity_id, one.state) for one in effects.state_reads] == [
        ("light.hall", "on"),
        ("light.cellar", None),
        ("light.hall", "off"),
        ("light.*", "2"),
    ]


def test_removed_entity_is_gone_and_so_is_its_empty_domain() -> None:
    cache = StateCache()
    cache.apply(change("light.hall", "on"))
    cache.apply(change("light.hall", None))
    cache.apply(change("light.hall", None))
    assert (dict(cache.states), dict(cache.states.domain("light"))) == ({}, {})


def test_unknown_entity_is_a_key_error_that_proposes_get() -> None:
    with pytest.raises(KeyError) as raised:
        StateCache().states["light.hal"]
    assert isinstance(raised.value, UnknownEntityError)
    assert str(raised.value) == "Home Assistant has no entity 'light.hal'; states.get() returns None instead"


def test_states_are_read_only() -> None:
    cache = StateCache()
    cache.apply(change("light.hall", "on"))
    with pytest.raises(TypeError):
        cache.states.domain("light")["light.hall"] = state("light.hall")  # type: ignore[index]
    with pytest.raises(TypeError):
        cache.states["light.hall"] = state("light.hall")  # type: ignore[index]


def test_fetched_states_replace_all_states() -> None:
    cache = StateCache()
    cache.apply(change("light.gone", "on"))
    cache.begin_load()
    cache.load([state("light.hall", "off")])
    assert values(cache.states) == {"light.hall": "off"}


ENTITIES = st.sampled_from(["light.a", "light.b", "switch.c"])
CHANGES = st.lists(st.tuples(ENTITIES, st.sampled_from(["on", "off", None])), max_size=12)


@given(before=CHANGES, during=CHANGES, answered_after=st.integers(0, 12), after=CHANGES)
def test_fetch_during_changes_always_ends_in_the_newest_states(
    before: list[tuple[str, str | None]],
    during: list[tuple[str, str | None]],
    answered_after: int,
    after: list[tuple[str, str | None]],
) -> None:
    """Home Assistant answers after some changes of `during`. The cache loads the answer after all of these changes."""
    truth: dict[str, str] = {}

    def happen(changes: list[tuple[str, str | None]]) -> None:
        for entity_id, value in changes:
            if value is None:
                truth.pop(entity_id, None)
            else:
                truth[entity_id] = value

    cache = StateCache()
    cache.apply(change("light.stale", "on"))
    happen(before)
    cache.begin_load()
    happen(during[:answered_after])
    answer = [state(entity_id, value) for entity_id, value in truth.items()]
    happen(during[answered_after:])
    for entity_id, value in during:
        cache.apply(change(entity_id, value))
    cache.load(answer)
    assert values(cache.states) == truth
    happen(after)
    for entity_id, value in after:
        cache.apply(change(entity_id, value))
    assert values(cache.states) == truth
