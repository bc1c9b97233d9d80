"""The recipes in ``examples`` control a real Home Assistant: each test causes a situation and waits for the effect.

One process runs all recipes. Their times are short, so that no test waits for minutes.
"""

import asyncio
import http.server
import threading
from collections import deque
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from hassette_core.api import Api
from hassette_core.events import Event, State, StateChanged
from hassette_core.link import HomeAssistantLink
from hassette_core.states import StateCache
from support.home_assistant import Endpoint, RealHomeAssistant
from support.home_queries import connected
from support.processes import Process, Start, starting, telemetry
from support.waiting import eventually

pytestmark = [pytest.mark.homeassistant, pytest.mark.timeout(120)]

EXAMPLES = Path(__file__).parents[2] / "examples"
WITHIN_S = 30.0
SETTINGS = """
[hassette]
app_dir = "{examples}"

[home_assistant]
url = "{url}"
token = "{token}"

[sync]
port = 0
"""
RECIPES = {
    "alarm_clock": """
wake_up = "input_datetime.alarm"
days = "mon-sun"
light = "light.bed_light"
fade_minutes = 1
""",
    "climate_guard": """
window = "binary_sensor.bedroom_window"
climate = "climate.ecobee"
off_after_s = 0.2
humidity = "sensor.bedroom_humidity"
""",
    "cube_control": """
device = "00:15:8d:00:02:b1:9a:3c"
light = "{{ states('input_text.note') }}"
all_lights = ["light.ceiling_lights", "light.bed_light"]
""",
    "energy_limiter": """
power = "sensor.home_power"
limit = 9000
resume_below = 5000
loads = ["switch.ac", "switch.decorative_lights"]
check_every_s = 0.2
resume_every_s = 0.2
""",
    "failure_watch": "",
    "guest_wifi": """
switch = "input_boolean.guest_wifi"
password = "not a secret"
off_after_hours = 0.0003
""",
    "heating_boost": """
button = "input_button.bathroom_boost"
climate = "climate.hvac"
boost_minutes = 0.04
""",
    "heating_boost_sync": """
button = "input_button.guest_room_boost"
climate = "climate.hvac"
boost_minutes = 0.02
""",
    "lock_question": """
lock = "lock.front_door"
phone = "persistent_notification"
ask_after_s = 0.2
""",
    "motion_light": """
motion = "binary_sensor.kitchen_motion"
light = "light.kitchen_lights"
off_after_s = 0.2
only_after_dark = false
""",
    "occupancy": """
holiday = "input_boolean.holiday"
lights = ["light.office_rgbw_lights"]
at = "input_datetime.evening"
random_min = 0
shortest_min = 0.01
longest_min = 0.02
""",
    "presence": """
person = "person.ann"
presence = "input_select.ann_presence"
arriving_minutes = 0.01
leaving_minutes = 0.01
""",
    "remote_control": """
device = "00:0d:6f:00:0a:90:69:e7"
light = "light.ceiling_lights"
all_lights = ["light.ceiling_lights", "light.entrance_color_white_lights"]
double_click_s = 1.5
""",
    "room_climate": """
climate = "climate.heatpump"
windows = ["binary_sensor.office_window"]
open_for_s = 0.2
persons = ["person.bob"]
schedule = [{ start = "00:00", temperature = 21 }, { start = "12:00", temperature = 21 }]
""",
    "room_light": """
motion = ["binary_sensor.bathroom_motion"]
light = "light.living_room_rgbww_lights"
lux = "sensor.bathroom_lux"
humidity = "sensor.bathroom_humidity"
night_mode = "input_boolean.night_mode"
daytimes = [
    { start = "00:00", brightness_pct = 60, off_after_s = 0.2 },
    { start = "12:00", brightness_pct = 60, off_after_s = 0.2 },
]
""",
    "watering": """
valve = "valve.orchard"
rain = "sensor.rain"
at = "input_datetime.watering"
minutes = 0.05
""",
    "watering_sync": """
valve = "valve.front_garden"
rain = "sensor.rain"
at = "input_datetime.watering"
minutes = 0.05
""",
}
"""The settings of each recipe, except the address of the router."""
AT_FIRST = {
    "binary_sensor.bathroom_motion": "off",
    "binary_sensor.bedroom_window": "off",
    "binary_sensor.kitchen_motion": "off",
    "binary_sensor.office_window": "off",
    "person.ann": "not_home",
    "person.bob": "home",
    "sensor.bathroom_humidity": "50",
    "sensor.bathroom_lux": "500",
    "sensor.bedroom_humidity": "50",
    "sensor.home_power": "6000",
    "sensor.rain": "10",
}


def table_of(recipe: str, settings: str) -> str:
    """Return the tables of one recipe for ``hassette.toml``."""
    class_name = recipe.title().replace("_", "")
    return f'\n[apps.{recipe}]\nmodule = "{recipe}"\nclass = "{class_name}"\n[apps.{recipe}.config]\n{settings}'


class Router(http.server.HTTPServer):
    """The router of the guest Wi-Fi.

    Attributes:
        states: The states that the guest Wi-Fi was set to.
    """

    def __init__(self) -> None:
        self.states: list[str] = []
        states = self.states

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                states.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None: ...

        super().__init__(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.serve_forever)
        self.thread.start()

    def end(self) -> None:
        self.shutdown()
        self.thread.join()
        self.server_close()


class Recipes:
    """The process that runs the recipes.

    Attributes:
        router: The router of the guest Wi-Fi.
        process: The process.
    """

    def __init__(self, start: Start, data: Path, router: Router) -> None:
        self._start = start
        self._data = data
        self.router = router
        self.process = self.started()

    def started(self) -> Process:
        process = self._start("run")
        process.wait_for_all("Apps started", "Home Assistant connected")
        return process

    def has_stored(self, file: str, text: str) -> bool:
        path = self._data / file
        return path.exists() and text in path.read_text(encoding="utf-8")

    def kill_and_start(self) -> None:
        self.process.close()
        self.process = self.started()


@pytest.fixture(scope="module")
def recipes(recording_home_assistant: RealHomeAssistant, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recipes]:
    home = recording_home_assistant.home
    folder = tmp_path_factory.mktemp("recipes")

    async def prepare() -> None:
        async with connected(home) as client:
            for entity_id, state in AT_FIRST.items():
                await client.api.set_state(entity_id, state)

    asyncio.run(prepare())
    router = Router()
    text = SETTINGS.format(examples=EXAMPLES, url=home.url, token=home.token)
    router_setting = f'router = "127.0.0.1:{router.server_port}"\n'
    tables = RECIPES | {"guest_wifi": RECIPES["guest_wifi"] + router_setting}
    text += "".join(table_of(recipe, settings) for recipe, settings in tables.items())
    (folder / "hassette.toml").write_text(text, encoding="utf-8")
    try:
        with starting(folder) as start:
            recipes = Recipes(start, folder / "data", router)
            yield recipes
            recipes.process.signal(15)
            assert recipes.process.end() == 0, recipes.process.output
    finally:
        router.end()
    failed = telemetry("runs", "--db", folder / "data" / "hassette.db", "--status", "error")["runs"]
    assert [run["registration"]["name"] for run in failed] == ["watch_humidity"], failed


class Resident:
    """A person who uses Home Assistant, and the devices around this person.

    Attributes:
        api: Sends commands to Home Assistant.
        messages: The title and text of each notification.
    """

    def __init__(self, home: Endpoint) -> None:
        self._cache = StateCache()
        self._seen: dict[str, deque[State]] = {}
        self.link = HomeAssistantLink(home.url, home.token, cache=self._cache, on_event=self._receive_event)
        self.api = Api(self.link)
        self.messages: list[str] = []

    def _receive_event(self, event: Event) -> None:
        if isinstance(event, StateChanged) and event.new_state is not None:
            self._seen.setdefault(event.entity_id, deque()).append(event.new_state)

    def receive_notification(self, message: dict[str, Any]) -> None:
        if message["type"] == "added":
            for one in message["notifications"].values():
                self.messages.append(f"{one['title'] or ''}: {one['message']}")

    async def call(self, service: str, entity_id: str, **fields: Any) -> None:
        self._begin()
        await self.api.call_service(service, target=entity_id, **fields)

    async def set(self, entity_id: str, state: str) -> None:
        self._begin()
        await self.api.set_state(entity_id, state)

    async def fire(self, event_type: str, data: dict[str, object]) -> None:
        self._begin()
        await self.api.fire_event(event_type, data)

    async def set_time(self, entity_id: str, moment: timedelta) -> None:
        """Set a time of the day, from now. Home Assistant's time zone is UTC."""
        at = datetime.now(UTC) + moment
        await self.call("input_datetime.set_datetime", entity_id, time=f"{at:%H:%M:%S}")

    async def until(self, entity_id: str, state: str, **attributes: object) -> None:
        """Wait for a state with attributes, since the last action. States that have passed count, too."""

        def found() -> bool:
            seen = self._seen[entity_id]
            while seen:
                one = seen.popleft()
                if one.state == state and attributes.items() <= one.attributes.items():
                    seen.appendleft(one)
                    return True
            return False

        await eventually(found, WITHIN_S, f"{entity_id} is {state} {attributes or ''}")

    async def until_message(self, text: str) -> None:
        await eventually(lambda: any(text in message for message in self.messages), WITHIN_S, f"the message {text!r}")

    def _begin(self) -> None:
        """Before an action, forget the states that have passed."""
        self._seen = {entity_id: deque([state]) for entity_id, state in self._cache.snapshot().items()}


@pytest.fixture
async def resident(recipes: Recipes, recording_home_assistant: RealHomeAssistant) -> AsyncIterator[Resident]:
    resident = Resident(recording_home_assistant.home)
    async with resident.link as link:
        await link.wait_ready()
        connection = link.require_connection("watch the notifications")
        await connection.subscribe_command("watch", resident.receive_notification, "persistent_notification/subscribe")
        yield resident


async def test_alarm_clock_begins_to_light_the_room_before_the_alarm(resident: Resident) -> None:
    await resident.call("light.turn_off", "light.bed_light")
    await resident.call("input_boolean.turn_on", "input_boolean.alarm_clock")
    await resident.set_time("input_datetime.alarm", timedelta(seconds=63))
    await resident.until("light.bed_light", "on", brightness=3)
    await resident.call("light.turn_off", "light.bed_light")


async def test_climate_guard_pauses_the_climate_while_the_window_is_open(resident: Resident) -> None:
    await resident.set("binary_sensor.bedroom_window", "on")
    await resident.until("climate.ecobee", "off")
    await resident.set("binary_sensor.bedroom_window", "off")
    await resident.until("climate.ecobee", "heat_cool")


async def test_cube_control_dims_the_light_that_a_template_names(resident: Resident) -> None:
    async def move(command: str, **args: object) -> None:
        data = {"device_ieee": "00:15:8d:00:02:b1:9a:3c", "command": command, "args": args}
        await resident.fire("zha_event", data)

    await resident.call("input_text.set_value", "input_text.note", value="light.ceiling_lights")
    await resident.call("light.turn_off", "light.ceiling_lights")
    await move("knock")
    await resident.until("light.ceiling_lights", "on")
    await resident.call("light.turn_on", "light.ceiling_lights", brightness=102)  # 40 %
    await move("rotate_right", relative_degrees=40)
    await resident.until("light.ceiling_lights", "on", brightness=153)  # 60 %
    await move("shake")
    await resident.until("light.ceiling_lights", "off")


async def test_failure_watch_reports_the_failure_of_another_app(resident: Resident) -> None:
    await resident.set("sensor.bedroom_humidity", "unknown")
    await resident.until_message("climate_guard failed: watch_humidity: ")


async def test_energy_limiter_turns_a_load_off_and_on_again(resident: Resident) -> None:
    await resident.set("sensor.home_power", "9500")
    await resident.until("switch.decorative_lights", "off")
    await resident.set("sensor.home_power", "4000")
    await resident.until("switch.decorative_lights", "on")


async def test_guest_wifi_follows_its_switch_and_ends_after_its_time(resident: Resident, recipes: Recipes) -> None:
    await resident.call("input_boolean.turn_on", "input_boolean.guest_wifi")
    for state in ("on", "off"):
        await resident.until("input_boolean.guest_wifi", state)
    await eventually(lambda: len(recipes.router.states) >= 3, WITHIN_S)
    assert recipes.router.states == ["off", "on", "off"]


@pytest.mark.parametrize("button", ["input_button.bathroom_boost", "input_button.guest_room_boost"])
async def test_heating_boost_ends_with_the_temperature_before_it(resident: Resident, button: str) -> None:
    await resident.call("input_button.press", button)
    await resident.until("climate.hvac", "cool", temperature=24)
    await resident.until("climate.hvac", "cool", temperature=21)


async def test_lock_question_is_asked_and_its_answer_locks_the_door(resident: Resident) -> None:
    await resident.call("lock.unlock", "lock.front_door")
    await resident.until_message("is unlocked")
    await resident.fire("mobile_app_notification_action", {"action": "lock_now:lock.front_door"})
    await resident.until("lock.front_door", "locked")
    await resident.until_message("clear_notification")


async def test_motion_light_goes_on_and_off_with_the_motion(resident: Resident) -> None:
    await resident.call("light.turn_off", "light.kitchen_lights")
    await resident.set("binary_sensor.kitchen_motion", "on")
    await resident.until("light.kitchen_lights", "on")
    await resident.set("binary_sensor.kitchen_motion", "off")
    await resident.until("light.kitchen_lights", "off")


async def test_occupancy_lights_a_room_for_a_while_during_a_holiday(resident: Resident) -> None:
    await resident.call("light.turn_off", "light.office_rgbw_lights")
    await resident.call("input_boolean.turn_on", "input_boolean.holiday")
    await resident.set_time("input_datetime.evening", timedelta(seconds=3))
    await resident.until("light.office_rgbw_lights", "on")
    await resident.until("light.office_rgbw_lights", "off")


async def test_presence_follows_a_person_in_two_steps(resident: Resident) -> None:
    await resident.set("person.ann", "home")
    await resident.until("input_select.ann_presence", "Just arrived")
    await resident.until("input_select.ann_presence", "Home")
    await resident.set("person.ann", "not_home")
    await resident.until("input_select.ann_presence", "Just left")
    await resident.until("input_select.ann_presence", "Away")


async def test_remote_control_distinguishes_a_click_and_a_double_click(resident: Resident) -> None:
    async def click() -> None:
        await resident.fire(
            "zha_event", {"device_ieee": "00:0d:6f:00:0a:90:69:e7", "command": "remote_button_short_press"}
        )

    for light in ("light.ceiling_lights", "light.entrance_color_white_lights"):
        await resident.call("light.turn_on", light)
    await click()
    await resident.until("light.ceiling_lights", "off")
    await resident.until("light.entrance_color_white_lights", "on")
    await click()
    await click()
    await resident.until("light.entrance_color_white_lights", "off")
    await resident.until("light.ceiling_lights", "off")


async def test_room_climate_follows_the_window_and_the_persons(resident: Resident) -> None:
    await resident.set("binary_sensor.office_window", "on")
    await resident.until("climate.heatpump", "off")
    await resident.set("binary_sensor.office_window", "off")
    await resident.until("climate.heatpump", "heat", temperature=21)
    await resident.set("person.bob", "not_home")
    await resident.until("climate.heatpump", "heat", temperature=16)


async def test_room_light_goes_on_in_the_dark_and_off_after_the_shower(resident: Resident) -> None:
    await resident.call("input_boolean.turn_off", "input_boolean.night_mode")  # other tests may have turned it on
    await resident.call("light.turn_off", "light.living_room_rgbww_lights")
    await resident.set("sensor.bathroom_lux", "10")
    await resident.set("sensor.bathroom_humidity", "90")
    await resident.set("binary_sensor.bathroom_motion", "on")
    await resident.until("light.living_room_rgbww_lights", "on", brightness=153)
    await resident.call("input_boolean.turn_on", "input_boolean.night_mode")
    await resident.set("binary_sensor.bathroom_motion", "off")
    await resident.set("binary_sensor.bathroom_motion", "on")
    await resident.until("light.living_room_rgbww_lights", "on", brightness=13)
    await resident.set("binary_sensor.bathroom_motion", "off")
    await resident.set("sensor.bathroom_humidity", "60")
    await resident.until("light.living_room_rgbww_lights", "off")


async def test_watering_opens_each_valve_for_a_while_unless_it_has_rained(resident: Resident, recipes: Recipes) -> None:
    await resident.call("valve.close_valve", "valve.front_garden", expect="closed", within=WITHIN_S)
    await resident.set_time("input_datetime.watering", timedelta(seconds=3))
    for state in ("open", "closed"):
        await resident.until("valve.orchard", state)
        await resident.until("valve.front_garden", state)
    await resident.set("sensor.rain", "20")
    await history_has(resident.api, "sensor.rain", "20")
    await resident.set_time("input_datetime.watering", timedelta(seconds=3))
    for _ in ("watering", "watering_sync"):
        recipes.process.wait_for("It has rained enough; not watering")


async def history_has(api: Api, entity_id: str, state: str) -> None:
    """Wait until the history shows a state. Home Assistant writes its history once a second."""
    found: list[str] = []

    async def look() -> bool:
        history = await api.get_history(entity_id, timedelta(hours=1))
        found[:] = [past.state for past in history[entity_id]]
        return state in found

    while not await look():
        await eventually(lambda: True)


async def test_heating_boost_ends_although_the_process_was_killed(resident: Resident, recipes: Recipes) -> None:
    await resident.call("input_button.press", "input_button.bathroom_boost")
    await resident.until("climate.hvac", "cool", temperature=24)
    # The timer and the value are in their files after some milliseconds.
    await eventually(lambda: recipes.has_stored("scheduler.json", "heating_boost"), WITHIN_S)
    await eventually(lambda: recipes.has_stored("apps/heating_boost/heating_boost/storage.json", "temp"), WITHIN_S)
    recipes.kill_and_start()
    await resident.until("climate.hvac", "cool", temperature=21)
