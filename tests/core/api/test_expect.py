"""Service calls with an expected effect: the confirmation, the repetition, and the record of each attempt."""

import asyncio
import math
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from hassette_core.errors import (
    CallFailedError,
    NoAnswerError,
    NotConfirmedError,
    NotConnectedError,
    RegistrationError,
)
from support.scripted_home import RefusedCommandError, ScriptedApi
from support.waiting import eventually


@asynccontextmanager
async def calling(home: ScriptedApi, *args: Any, **options: Any) -> AsyncGenerator["asyncio.Task[Any]"]:
    """Call ``light.turn_on`` for the hall, by default, in a task, and let it run until it waits."""
    options = {"target": "light.hall", **options}
    task = asyncio.create_task(home.api.call_service(*(args or ("light", "turn_on")), **options))
    await home.settle()
    try:
        yield task
    finally:
        task.cancel()


def attempts(home: ScriptedApi) -> list[tuple[int, int | None, str | None]]:
    """Return attempt, time to confirmation in milliseconds, and error of each recorded call."""
    return [(call.attempt, call.confirmed_us and call.confirmed_us // 1_000, call.error) for call in home.recorded]


async def test_call_is_confirmed_by_the_change_that_follows(home: ScriptedApi) -> None:
    async with calling(home, expect={"light.hall": "on"}) as task:
        await home.pass_time(0.8)
        assert not task.done()
        home.home.change("light.hall", "on")
        result = await task
    assert (result.context_id, result.attempts, result.confirmed_after_s) == ("C5", 1, 0.8)
    assert attempts(home) == [(1, 800, None)]


async def test_state_that_is_already_as_expected_confirms_the_call(home: ScriptedApi) -> None:
    home.home.change("light.hall", "on")
    async with calling(home, expect="on") as task:
        assert (await task).confirmed_after_s == 0


async def test_change_before_the_answer_confirms_the_call_even_if_it_lasted_only_for_a_moment(
    home: ScriptedApi,
) -> None:
    def answer(message: dict[str, Any]) -> Any:
        home.home.change("light.hall", "on")
        home.home.change("light.hall", "off")
        return {"context": {"id": "CALL"}}

    home.home.answers["call_service"] = answer
    async with calling(home, expect={"light.hall": "on"}) as task:
        assert (await task).context_id == "CALL"


async def test_unconfirmed_call_fails_with_the_expected_and_the_seen_value_and_is_sent_once(home: ScriptedApi) -> None:
    async with calling(home, expect={"light.hall": "on"}, within=2) as task:
        await home.pass_time(2)
        with pytest.raises(NotConfirmedError) as failed:
            await task
    text = "light.turn_on was not confirmed within 2 s: light.hall must be 'on', got 'off'"
    assert str(failed.value) == text
    assert (failed.value.expected, failed.value.seen) == ({"light.hall": "must be 'on'"}, {"light.hall": "off"})
    assert attempts(home) == [(1, None, text)]
    assert len(home.home.sent("call_service")) == 1


async def test_unconfirmed_call_is_repeated_and_each_attempt_is_recorded(home: ScriptedApi) -> None:
    async with calling(home, expect={"light.hall": "on"}, within=2, retries=2) as task:
        await home.pass_time(2)
        await home.pass_time(2)
        await home.pass_time(0.5)
        home.home.change("light.hall", "on")
        result = await task
    assert (result.attempts, result.confirmed_after_s) == (3, 0.5)
    assert [(number, confirmed, bool(error)) for number, confirmed, error in attempts(home)] == [
        (1, None, True),
        (2, None, True),
        (3, 500, False),
    ]
    assert [message["target"] for message in home.home.sent("call_service")] == [{"entity_id": "light.hall"}] * 3


async def test_last_unconfirmed_attempt_raises_with_the_number_of_attempts(home: ScriptedApi) -> None:
    async with calling(home, expect={"light.hall": "on"}, within=1, retries=1) as task:
        await home.pass_time(1)
        await home.pass_time(1)
        with pytest.raises(NotConfirmedError, match="not confirmed, in 2 attempts, within 1 s: ") as failed:
            await task
    assert failed.value.attempts == 2


@pytest.mark.parametrize(
    "expect",
    [
        "on",
        ["on", "opening"],
        {"on"},
        lambda value: value == "on",
        ["opening", lambda value: value.endswith("n")],
        {"light.hall": "on"},
        {"light.hall": ("on",)},
        {"light.hall": {"state": "on"}},
        {"light.hall": {"state": "on", "brightness": 200}},
        {"light.hall": {"brightness": [100, 200]}},
        {"light.hall": {"brightness": lambda value: value and value > 150}},
        {"light.hall": {"rgb_color": [255, 0, 0]}},
        {"light.hall": {"rgb_color": [(1, 1, 1), (255, 0, 0)]}},
        {"light.hall": {"rgb_color": (255, 0, 0), "effect": None}},
        {"light.hall": "on", "light.porch": "off"},
    ],
)
async def test_expected_values_of_all_kinds_are_confirmed(home: ScriptedApi, expect: Any) -> None:
    async with calling(home, expect=expect) as task:
        if expect != {"light.hall": "on", "light.porch": "off"}:
            assert not task.done()
        home.home.change("light.hall", "on", brightness=200, rgb_color=[255, 0, 0])
        assert (await task).attempts == 1


@pytest.mark.parametrize(
    ("expect", "text"),
    [
        ({"light.hall": {"brightness": 200}}, "light.hall brightness must be 200, got 90"),
        ({"light.hall": ["up", "unavailable"]}, "light.hall must be one of 'up', 'unavailable', got 'on'"),
        ({"light.nowhere": "on"}, "light.nowhere must be 'on', got None"),
        ({"light.hall": str.isdigit}, "light.hall must satisfy isdigit, got 'on'"),
        (
            {"light.hall": "x", "light.porch": {"state": "y", "a": 1}},
            "light.hall must be 'x', got 'on'; light.porch must be 'y', got 'off'; light.porch a must be 1, got None",
        ),
    ],
)
async def test_error_names_each_value_that_was_not_seen(home: ScriptedApi, expect: Any, text: str) -> None:
    async with calling(home, expect=expect) as task:
        home.home.change("light.hall", "on", brightness=90)
        await home.pass_time(5)
        with pytest.raises(NotConfirmedError) as failed:
            await task
    assert str(failed.value) == f"light.turn_on was not confirmed within 5 s: {text}"


async def test_all_entities_must_be_as_expected_at_the_same_time(home: ScriptedApi) -> None:
    async with calling(home, target=["light.hall", "light.porch"], expect="on") as task:
        home.home.change("light.hall", "on")
        home.home.change("light.hall", "off")
        home.home.change("light.porch", "on")
        await home.settle()
        assert not task.done()
        home.home.change("light.hall", "on")
        assert (await task).attempts == 1


async def test_number_is_compared_with_a_state_as_a_number(home: ScriptedApi) -> None:
    async with calling(home, "input_number.set_value", target="input_number.level", value=21, expect=21) as task:
        home.home.change("input_number.level", "unavailable")
        home.home.change("input_number.level", "21.0")
        assert (await task).attempts == 1


async def test_entity_that_becomes_unavailable_does_not_confirm_the_call(home: ScriptedApi) -> None:
    async with calling(home, expect="on", within=1) as task:
        home.home.change("light.hall", "unavailable")
        await home.pass_time(1)
        with pytest.raises(NotConfirmedError, match="got 'unavailable'"):
            await task


async def test_entity_that_is_removed_does_not_confirm_the_call(home: ScriptedApi) -> None:
    async with calling(home, expect=lambda value: True, within=1, target="light.gone") as task:
        await home.pass_time(1)
        with pytest.raises(NotConfirmedError, match="got None"):
            await task


@pytest.mark.parametrize("code", ["not_found", "invalid_format", "service_validation_error", "unauthorized"])
async def test_call_that_is_wrong_is_not_repeated(home: ScriptedApi, code: str) -> None:
    def refuse(message: dict[str, Any]) -> Any:
        raise RefusedCommandError(code, "no")

    home.home.answers["call_service"] = refuse
    async with calling(home, expect="on", retries=3) as task:
        with pytest.raises(CallFailedError):
            await task
    assert len(home.recorded) == 1


@pytest.mark.parametrize("code", ["home_assistant_error", "timeout", "unknown_error"])
async def test_call_whose_service_failed_is_repeated_after_the_time(home: ScriptedApi, code: str) -> None:
    def fail_once(message: dict[str, Any]) -> Any:
        del home.home.answers["call_service"]
        home.home.answers["call_service"] = lambda message: {"context": {"id": "CALL"}}
        raise RefusedCommandError(code, "The lamp did not answer")

    home.home.answers["call_service"] = fail_once
    async with calling(home, expect="on", within=3, retries=1) as task:
        assert len(home.home.sent("call_service")) == 1
        await home.pass_time(3)
        home.home.change("light.hall", "on")
        assert (await task).attempts == 2
    assert "The lamp did not answer" in str(home.recorded[0].error)


async def test_last_failed_attempt_raises_the_error_of_the_service(home: ScriptedApi) -> None:
    def fail(message: dict[str, Any]) -> Any:
        raise RefusedCommandError("home_assistant_error", "The lamp did not answer")

    home.home.answers["call_service"] = fail
    async with calling(home, expect="on", within=1) as task:
        await home.pass_time(1)
        with pytest.raises(CallFailedError, match="The lamp did not answer"):
            await task


async def test_effect_after_a_lost_answer_confirms_the_call_without_a_second_one(home: ScriptedApi) -> None:
    home.home.answers["call_service"] = lambda message: asyncio.get_running_loop().create_future()
    async with calling(home, expect="on", within=60, retries=1) as task:
        home.home.states["light.hall"]["state"] = "on"  # the effect comes while there is no connection
        home.home.cut()
        result = await task
    assert (result.context_id, result.attempts) == ("", 1)
    assert home.home.opened == 2
    assert home.recorded[0].context_id is None


async def test_repetition_without_a_connection_fails_at_once(home: ScriptedApi) -> None:
    async with calling(home, expect="on", within=1, retries=5) as task:
        await home.link.stop()
        await home.pass_time(1)
        with pytest.raises(NotConnectedError):
            await task
    assert len(home.recorded) == 2


async def test_cancelled_wait_is_recorded_and_leaves_nothing_behind(home: ScriptedApi) -> None:
    async with calling(home, expect="on") as task:
        task.cancel()
        await home.settle()
    assert attempts(home) == [(1, None, "cancelled before the confirmation")]
    assert home.clock.waiting == 0
    home.home.change("light.hall", "on")
    await eventually(lambda: home.states["light.hall"].state == "on")


async def test_expecting_function_that_raises_has_not_seen_its_state(home: ScriptedApi) -> None:
    async with calling(home, expect=lambda value: float(value) > 20, within=2, retries=1) as task:
        home.home.change("light.hall", "unavailable")
        await home.pass_time(1)
        home.home.change("light.hall", "21.5")
        result = await task
    assert (result.attempts, result.confirmed_after_s) == (1, 1.0)


@pytest.mark.parametrize(
    ("expect", "what"),
    [
        (lambda value: 1 / 0, "light.hall must satisfy <lambda>"),
        (["up", lambda value: 1 / 0], "light.hall must be one of 'up', a value that satisfies <lambda>"),
        ({"light.hall": {"brightness": lambda value: 1 / 0}}, "light.hall brightness must satisfy <lambda>"),
    ],
)
async def test_error_of_an_unconfirmed_call_contains_the_exception_of_an_expecting_function(
    home: ScriptedApi, expect: Any, what: str
) -> None:
    async with calling(home, expect=expect, within=2, retries=1) as task:
        await home.pass_time(2)
        await home.pass_time(2)
        with pytest.raises(NotConfirmedError) as failed:
            await task
    assert f": {what}, but raised ZeroDivisionError: division by zero" in str(failed.value)
    assert isinstance(failed.value.__cause__, ZeroDivisionError)
    assert [number for number, _, error in attempts(home) if "division by zero" in str(error)] == [1, 2]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"within": 3}, "expect must be given with within or retries, got None"),
        ({"retries": 1}, "expect must be given with within or retries, got None"),
        ({"expect": "on", "retries": -1}, "retries must be a whole number of 0 or more, got -1"),
        ({"expect": "on", "retries": True}, "retries must be a whole number of 0 or more, got True"),
        ({"expect": "on", "retries": 1.5}, "retries must be a whole number of 0 or more, got 1.5"),
        ({"expect": {}}, "expect must contain an entity id, got {}"),
        ({"expect": {"light": "on"}}, "expect must have entity ids as keys, such as 'light.hall', got 'light'"),
        ({"expect": {"light.*": "on"}}, r"expect must have entity ids as keys, such as 'light.hall', got 'light.\*'"),
        ({"expect": {"light.Hall": "on"}}, "each key of expect must .* got 'light.Hall'; did you mean 'light.hall'?"),
        ({"expect": math.nan}, r"expect\['light.hall'\] must be a value that a state can have, got nan"),
        ({"expect": {"light.hall": True}}, "must be a state, which is a string, got True; write 'on'"),
        ({"expect": {"light.hall": None}}, r"expect\['light.hall'\] must be a state, which is a string, got None"),
        ({"expect": {"light.hall": {}}}, r"expect\['light.hall'\] must contain 'state' or an attribute"),
        ({"expect": {"light.hall": []}}, r"expect\['light.hall'\] must contain at least one value"),
        ({"expect": {"light.hall": {"state": False}}}, r"expect\['light.hall'\]\['state'\] must be a state"),
        ({"expect": {"light.hall": {1: "on"}}}, "must have 'state' and names of attributes as keys, got 1"),
        ({"expect": {"light.hall": object()}}, "must be a state, a collection of states or a function"),
        ({"expect": "on", "target": {"area_id": "hall"}}, "expect must name its entities if the target names none"),
    ],
)  # fmt: skip
async def test_option_that_cannot_work_is_refused_before_the_call(
    home: ScriptedApi, options: dict[str, Any], message: str
) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        await home.api.call_service("light", "turn_on", **{"target": "light.hall", **options})
    assert home.home.sent("call_service") == []


async def test_async_function_and_wrong_duration_are_refused(home: ScriptedApi) -> None:
    async def wrong(value: str) -> bool:
        return True

    with pytest.raises(ValueError, match="must not be async"):
        await home.api.call_service("light", "turn_on", target="light.hall", expect=wrong)
    with pytest.raises(RegistrationError, match="within must be more than 0 seconds, got 0"):
        await home.api.call_service("light", "turn_on", target="light.hall", expect="on", within=0)


async def test_fields_with_the_names_of_the_options_can_be_sent_in_data(home: ScriptedApi) -> None:
    data = {"expect": 1, "within": 2, "retries": 3}
    await home.api.call_service("script", "any", data=data)
    assert home.home.sent("call_service")[0]["service_data"] == data


def _unanswered(message: dict[str, Any]) -> Any:
    return asyncio.get_running_loop().create_future()


async def test_answer_that_never_comes_is_an_error_without_expect(home: ScriptedApi) -> None:
    home.home.answers["call_service"] = _unanswered
    task = asyncio.create_task(home.api.call_service("light", "turn_on", target="light.hall"))
    await home.settle()
    home.home.cut()
    with pytest.raises((NoAnswerError, NotConnectedError)):
        await task
    assert home.recorded[0].error is not None


async def test_function_that_returns_a_coroutine_confirms_nothing(home: ScriptedApi) -> None:
    async def wrong(value: str) -> bool:
        return True

    async with calling(home, expect=lambda value: wrong(value), within=1) as task:
        await home.pass_time(1)
        with pytest.raises(NotConfirmedError, match="must return True or False, got a coroutine"):
            await task


async def test_time_limit_also_ends_the_wait_for_the_answer(home: ScriptedApi) -> None:
    home.home.answers["call_service"] = _unanswered
    async with calling(home, expect="on", within=2, retries=1) as task:
        await home.pass_time(2)
        assert len(home.home.sent("call_service")) == 2
        await home.pass_time(2)
        with pytest.raises(NotConfirmedError, match="got 'off'; Home Assistant has not answered yet"):
            await task
    assert [call.duration_us for call in home.recorded] == [2_000_000, 2_000_000]


async def test_effect_before_a_late_answer_is_dated_by_the_effect(home: ScriptedApi) -> None:
    answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    home.home.answers["call_service"] = lambda message: answer
    async with calling(home, expect="on", within=5) as task:
        await home.pass_time(0.5)
        home.home.change("light.hall", "on")
        await home.pass_time(2.5)
        assert not task.done()  # the context id is still unknown
        number = home.home.sent("call_service")[0]["id"]
        home.home.send({"id": number, "type": "result", "success": True, "result": {"context": {"id": "LATE"}}})
        result = await task
    assert (result.context_id, result.confirmed_after_s) == ("LATE", 0.5)
    assert (home.recorded[0].duration_us, home.recorded[0].confirmed_us) == (3_000_000, 500_000)


@pytest.mark.parametrize("before", [True, False])
async def test_effect_without_an_answer_confirms_the_call_at_the_time_limit(home: ScriptedApi, before: bool) -> None:
    home.home.answers["call_service"] = _unanswered
    if before:
        home.home.change("light.hall", "on")
        await home.settle()
    async with calling(home, expect="on", within=2) as task:
        await home.pass_time(1)
        if not before:
            home.home.change("light.hall", "on")
        await home.pass_time(1)
        result = await task
    assert (result.context_id, result.confirmed_after_s) == ("", 0.0 if before else 1.0)


async def test_call_that_is_refused_after_its_effect_fails(home: ScriptedApi) -> None:
    def refuse(message: dict[str, Any]) -> Any:
        home.home.change("light.hall", "on")
        raise RefusedCommandError("service_validation_error", "no")

    home.home.answers["call_service"] = refuse
    async with calling(home, expect="on", retries=1) as task:
        with pytest.raises(CallFailedError, match="no"):
            await task


async def test_confirmed_call_without_its_response_fails(home: ScriptedApi) -> None:
    home.home.answers["call_service"] = _unanswered
    async with calling(home, expect="on", within=2, return_response=True) as task:
        home.home.change("light.hall", "on")
        await home.pass_time(2)
        with pytest.raises(NoAnswerError, match="did not answer within 2 s"):
            await task


async def test_cancelled_call_without_an_answer_leaves_nothing_behind(home: ScriptedApi) -> None:
    home.home.answers["call_service"] = _unanswered
    before = len(asyncio.all_tasks())
    async with calling(home, expect="on") as task:
        task.cancel()
        await home.settle()
        assert len(asyncio.all_tasks()) == before
    assert attempts(home) == [(1, None, "cancelled before the answer")]
    assert home.clock.waiting == 0
