"""Wrong arguments of the testing kit: each error names the wrong value, and what would be right."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from enum import Enum
from typing import Any

import pytest

from hassette_core import App, AppConfig
from hassette_core.testing import HomeTestError, HomeUnderTest

LIGHT = "light.hall"
ID = "entity_id must be an entity id such as 'light.hall', got"
SERVICE = "service must be of the form domain.service, such as 'light.turn_on', got"
TIMES = "must be a whole number, 1 or more, or None, got"


class Lamp(App[AppConfig]):
    async def on_initialize(self) -> None:
        self.bus.on_state_change(self.changed, LIGHT)

    async def changed(self) -> None: ...


Request = Callable[[Any], object]


@pytest.mark.parametrize(
    ("request_", "text"),
    [
        (lambda home: home.at("20:00"), "such as \"2026-03-29 07:00\", got '20:00'; write the date, too"),
        (
            lambda home: home.at("sunset"),
            "got 'sunset'; write the date, too, or move the time",
        ),
        (lambda home: home.at(5), "moment must be a date with a time"),
        (lambda home: home.at("2026-06-01", tz=5), "tz must be a time zone such as 'Europe/Vienna', got 5"),
        (lambda home: home.at("2026-06-01", latitude="north"), "latitude must be a number, got 'north'"),
        (lambda home: home.calls("light.turn_on.x"), f"{SERVICE} 'light.turn_on.x'; did you mean 'light.turn_on'?"),
        (lambda home: home.calls("trun_on"), f"{SERVICE} 'trun_on'"),
        (lambda home: home.calls(5), f"{SERVICE} 5"),
        (lambda home: home.calls("light.turn_on", "hall"), f"{ID} 'hall'; did you mean 'light.hall'?"),
        (
            lambda home: home.calls(outcome="failed"),
            "outcome must be one of accepted, refused, rehearsed, got",
        ),
        (lambda home: home.set("hall"), f"{ID} 'hall'; did you mean 'light.hall'?"),
        (lambda home: home.set("Light Hall", "on"), f"{ID} 'Light Hall'"),
        (lambda home: home.set(5, "on"), f"{ID} 5"),
        (
            lambda home: home.set("light.new"),
            "the state of the new entity 'light.new' is missing; write it",
        ),
        (lambda home: home.set(LIGHT, ["on"]), "state must be a text, a number or a time, got ['on']"),
        (lambda home: home.set(LIGHT, "x" * 300), "state must have at most 255 characters, got 300 characters"),
        (
            lambda home: home.set(LIGHT, "on", at=object()),
            "at must be a text, a number, a time, a list or",
        ),
        (lambda home: home.set(LIGHT, "on", at={"b": float("nan")}), "at.b must be a text, a number"),
        (lambda home: home.add_entity("hall", "on"), f"{ID} 'hall'"),
        (lambda home: home.remove(5), f"{ID} 5"),
        (lambda home: home.state("hall"), f"{ID} 'hall'; did you mean 'light.hall'?"),
        (lambda home: home.attributes(None), f"{ID} None"),
        (lambda home: home.advance(-5), "duration must have a unit, as in home.advance(minutes=5), or be a timedelta"),
        (lambda home: home.advance(timedelta(minutes=-5)), "the time must move forward, got -300 s"),
        (lambda home: home.advance(minutes="5"), "minutes must be a number, got '5'"),
        (lambda home: home.advance(hours=float("inf")), "hours must be a number, got inf"),
        (
            lambda home: home.advance_to("soon"),
            'a time such as "07:00", "sunset - 00:30", ',
        ),
        (lambda home: home.advance_to(date(2026, 7, 1)), "a date needs a time"),
        (
            lambda home: home.advance_to("2020-01-01 10:00"),
            "must be in the future, got 2020-01-01 10:00:00; now is",
        ),
        (lambda home: home.advance_to("input_datetime.gone"), "Home Assistant has no entity 'input_datetime.gone'"),
        (lambda home: home.advance_to(LIGHT), "must name an entity that holds a time"),
        (lambda home: home.runs("?"), "handler must be known, got '?'; known: changed"),
        (lambda home: home.not_runs(5), "handler must be a name such as 'turn_on', or a method, got 5"),
        (
            lambda home: home.add_app("lamp"),
            "such as MotionLight, got 'lamp'; to start an app of a",
        ),
        (lambda home: home.add_app(Lamp, 5), "instance must be a text such as 'kitchen', got 5"),
        (lambda home: home.add_app(Lamp, app_key=""), "app_key must be a text such as 'motion_light', got ''"),
        (lambda home: home.add_apps(5), "file must be the path of a hassette.toml, got 5"),
        (lambda home: home.app(5), "app must be the class of an app"),
        (lambda home: home.call("light"), f"{SERVICE} 'light'"),
        (
            lambda home: home.call("light.turn_on", "light.hal"),
            "entity_id must be known, got 'light.hal'; did you mean",
        ),
        (lambda home: home.call("light.turn_on", 5), f"{ID} 5"),
        (lambda home: home.fire(""), "event_type must be a text such as 'zha_event', got ''"),
        (lambda home: home.fire("x", y=object()), "y must be a text, a number, a time"),
        (lambda home: home.add_service("notify.phone", 5), "handler must be a function that receives the call, got 5"),
        (lambda home: home.interrupt(seconds=-1), "seconds must be 0 or more, got -1"),
        (lambda home: home.restart_home_assistant(down_seconds=-1), "down_seconds must be 0 or more, got -1"),
        (
            lambda home: home.assert_called("light.turn_on", times="1"),
            "times must be a whole number, 0 or more, got",
        ),
        (lambda home: home.assert_called("light.turn_on", "light.hal"), "entity_id must be known, got 'light.hal'"),
        (lambda home: home.assert_not_called("turn_on"), f"{SERVICE} 'turn_on'"),
        (lambda home: home.assert_not_called("light.turn_on", "light.hal"), "entity_id must be known, got 'light.hal'"),
        (lambda home: home.failures.refuse("light.turn_on", times=0), f"times {TIMES} 0"),
        (
            lambda home: home.failures.refuse("light.turn_on", entity="light.hal"),
            "entity_id must be known, got 'light.hal'",
        ),
        (lambda home: home.failures.slow("light.*", seconds="x"), "seconds must be a number, got 'x'"),
        (lambda home: home.failures.deaf(LIGHT, calls=True), f"calls {TIMES} True"),
        (lambda home: home.failures.available("light.hal"), "entity_id must be known, got 'light.hal'"),
        (lambda home: home.failures.unanswered("light.trun_on"), "did you mean 'light.turn_on'? Add it with"),
        (lambda home: home.run(5), "work must be a coroutine or a function without arguments, got 5"),
    ],
)
def test_wrong_argument_is_named_with_what_would_be_right(home: HomeUnderTest, request_: Request, text: str) -> None:
    home.set(LIGHT, "off")
    home.add_app(Lamp)
    with pytest.raises(HomeTestError, match=re.escape(text)):
        request_(home)
    home.set(LIGHT, "on")  # the wrong request has changed nothing
    assert home.state(LIGHT) == "on"


def test_unknown_handler_without_any_app_is_explained(home: HomeUnderTest) -> None:
    with pytest.raises(HomeTestError, match=r"No app has registered a handler; start one with home.add_app\(\)"):
        home.runs("turn_on")


class Mode(Enum):
    AUTO = "auto"


def test_times_and_sets_are_stored_as_home_assistant_stores_them(home: HomeUnderTest) -> None:
    at = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
    home.set("sensor.alarm", at, since=at, day=at.date(), at=time(7), modes={Mode.AUTO}, nested={"a": (at,)})
    assert home.state("sensor.alarm") == "2026-01-02T03:04:00+00:00"
    assert home.attributes("sensor.alarm") == {
        "since": "2026-01-02T03:04:00+00:00",
        "day": "2026-01-02",
        "at": "07:00:00",
        "modes": ["auto"],
        "nested": {"a": ["2026-01-02T03:04:00+00:00"]},
    }
    home.fire("alarm", at=at)
    assert 'alarm at="2026-01-02T03:04:00+00:00"' in str(home.timeline())


class Dusk(App[AppConfig]):
    async def on_initialize(self) -> None:
        self.scheduler.run_daily(self.close, "sunset - 00:30")

    async def close(self) -> None: ...


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("sunset", "2026-06-01 21:52"),
        ("Sunset - 0:30", "2026-06-01 21:22"),
        ("sunrise + 10 min", "2026-06-02 05:33"),
        ("7:30 PM", "2026-06-01 19:30"),
        ("noon", "2026-06-02 12:00"),
        ("midnight", "2026-06-02 00:00"),
        ("input_datetime.wake", "2026-06-02 06:15"),
        (time(6, 15), "2026-06-02 06:15"),
        ("2026-06-03 07:00", "2026-06-03 07:00"),
        ("2026-06-03", "2026-06-03 00:00"),
        (datetime(2026, 6, 3, 5, 0, tzinfo=UTC), "2026-06-03 07:00"),
    ],
)
def test_time_moves_to_every_moment_of_the_grammar(home: HomeUnderTest, moment: Any, expected: str) -> None:
    home.set("input_datetime.wake", "06:15:00")
    home.advance_to(moment)
    assert f"{home.now:%Y-%m-%d %H:%M}" == expected


def test_job_at_the_moment_has_run_when_the_time_has_moved_there(home: HomeUnderTest) -> None:
    home.add_app(Dusk)
    home.advance_to("sunset - 00:30")
    assert len(home.runs("close")) == 1
    home.advance(timedelta(minutes=29))
    home.advance_to("sunset")
    assert len(home.runs("close")) == 1


class Template(App[AppConfig]):
    async def on_initialize(self) -> None:
        await self.bus.on_trigger(self.fired, {"trigger": "template", "value_template": self.states["sensor.t"].state})

    async def fired(self) -> None: ...


@pytest.mark.parametrize("with_function", [False, True])
@pytest.mark.parametrize(
    "template",
    [
        "{{ is_state('a', 'on' }}",
        "{{ is_state('a', 'on')",
        "{{ }}",
        "{% if %}a{% endif %}",
        "{% if a %}b",
        "{% endif %}",
        "{{ 1 + }}",
        "{{ == 1 }}",
        "{{ 'a }}",
        "{% for x in y %}{% endif %}",
        "{% raw %}{{",
        "{% %}",
        "{{ a) }}",
    ],
)
def test_trigger_with_a_broken_template_is_refused(home: HomeUnderTest, template: str, with_function: bool) -> None:
    home.set("sensor.t", template)
    if with_function:
        home.simulated.template = lambda _template, _variables: False
    with pytest.raises(HomeTestError, match="Home Assistant answers: invalid template \\(TemplateSyntaxError"):
        home.add_app(Template)


@pytest.mark.parametrize(
    "template",
    [
        "{{ is_state('a', 'on') }}",
        "{% if is_state('a', 'on') %}{{ 'it\\'s }}' }}{% else %}{# {{ #}{% endif %}",
        "{%- for x in [1, {'a': 2}] -%}{{ x }}{%- endfor -%}",
        "{% set x = 1 %}{% set y %}{{ -x }}{% endset %}{{ y }}",
        "{% raw %}{{ {% endraw %}",
        r"{{ 'C:\\' }}",
        "{{ {'a': {'b': 1}} }}",
        "{%- set x = {'a': {}}%}{{ x }}",
        "{# it's #}{{ '%}' ~ \"}}\" }}",
        "on",
    ],
)
def test_trigger_with_a_correct_template_is_accepted(home: HomeUnderTest, template: str) -> None:
    home.set("sensor.t", template)
    home.simulated.template = lambda _template, _variables: False
    home.add_app(Template)


def test_error_of_a_template_that_the_home_cannot_render_names_the_attribute(home: HomeUnderTest) -> None:
    home.set("sensor.t", "{% if is_state('a', 'on') %}true{% endif %}")
    with pytest.raises(HomeTestError, match=r"home.simulated.template = lambda template, variables: ..."):
        home.add_app(Template)


class Shutters(App[AppConfig]):
    async def on_initialize(self) -> None:
        for cover in ("hall", "bath"):
            self.scheduler.run_in(self.close_one, 60, name=f"close {cover}", kwargs={"cover": cover})

    async def close_one(self, cover: str) -> None:
        """Close nothing."""


def test_runs_of_jobs_with_a_name_are_found_by_their_method_too(home: HomeUnderTest) -> None:
    home.add_app(Shutters)
    home.advance(minutes=1)
    assert len(home.runs("close hall")) == 1
    assert (
        len(home.runs("close_one")) == len(home.runs("shutters.close_one")) == len(home.runs(Shutters.close_one)) == 2
    )
