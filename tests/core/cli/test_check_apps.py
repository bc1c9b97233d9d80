"""``hassette check`` names faults of apps that would otherwise appear only in the real home."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hassette_core.cli.main import execute
from hassette_core.simulation.home import SimulatedHome
from support.waiting import patience

pytestmark = pytest.mark.heavy

CONFIG = """
[apps.hall]
module = "hall"
class = "Hall"
"""
HEAD = """import asyncio
from hassette_core import App, AppConfig, above, state_is

class Settings(AppConfig):
    light: str = "light.kitchen"

class Hall(App[Settings]):
"""


@pytest.fixture(autouse=True)
def folder(config_dir: Path) -> Path:
    (config_dir / "hassette.toml").write_text(CONFIG)
    return config_dir


def write_app(folder: Path, body: str) -> None:
    (folder / "apps" / "hall.py").write_text(HEAD + "\n".join(f"    {line}" for line in body.strip().splitlines()))


def check(capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, dict[str, Any]]:
    code = execute(["check", "--json", *options])
    return code, json.loads(capsys.readouterr().out)


def texts(report: dict[str, Any], level: str = "failed") -> str:
    return "\n".join(finding["text"] for finding in report["findings"] if finding["level"] == level)


REGISTER = """
async def on_initialize(self):
    self.bus.on_state_change(self.on_motion, "binary_sensor.hall_motion", name="first")
"""
# Each case: the code of the app, with the comment "here" on the line of the fault, and a part of the finding's text.
BROKEN = {
    "method_that_only_appdaemon_calls": ("def initialize(self):  # here\n    pass", "did you mean 'on_initialize'?"),
    "second_method_that_only_appdaemon_calls": (
        f"{REGISTER}async def on_motion(self):\n    pass\ndef terminate(self):  # here\n    pass",
        "no code calls the method terminate; did you mean 'on_shutdown'?",
    ),
    "misspelt_hook": ("async def on_initialise(self):  # here\n    pass", "did you mean 'on_initialize'?"),
    "misspelt_schedule": (
        """
async def on_initialize(self):
    self.scheduler.run_dialy(self.act)  # here
async def act(self):
    pass
""",
        "self.scheduler.run_dialy does not exist; did you mean 'self.scheduler.run_daily'?",
    ),
    "misspelt_question_about_the_time": (
        f"{REGISTER}async def on_motion(self):\n    print(self.time.sun, self.time.is_betwen('7:00', 'dusk'))  # here",
        "self.time.is_betwen does not exist; did you mean 'self.time.is_between'?",
    ),
    "misspelt_part_of_the_home": (
        f"{REGISTER}async def on_motion(self):\n    print(self.home.areas, self.home.floor_off('light.hall'))  # here",
        "self.home.floor_off does not exist; did you mean 'self.home.floor_of'?",
    ),
    "misspelt_method_of_the_storage": (
        f"{REGISTER}async def on_motion(self):\n    print(self.storage.items(), self.storage.setdefult('x'))  # here",
        "self.storage.setdefult does not exist; did you mean 'self.storage.setdefault'?",
    ),
    "misspelt_method_of_the_apps": (
        f"{REGISTER}async def on_motion(self):\n    print(self.apps.get('x'), self.apps.instance('x'))  # here",
        "self.apps.instance does not exist; did you mean 'self.apps.instances'?",
    ),
    "home_is_not_awaited": (
        f"{REGISTER}async def on_motion(self):\n    self.home.wait_known()  # here",
        "self.home.wait_known(…) has no effect, because it is not awaited",
    ),
    "misspelt_call_in_a_handler": (
        f"{REGISTER}async def on_motion(self):\n    await self.api.call_servce('light', 'turn_on')  # here",
        "did you mean 'self.api.call_service'?",
    ),
    "misspelt_setting": (
        f"{REGISTER}async def on_motion(self):\n    print(self.config.lihgt)  # here",
        "self.config.lihgt does not exist; did you mean 'self.config.light'?",
    ),
    "misspelt_handler": (
        """
async def on_initialize(self):
    self.bus.on_state_change(self.on_moton, "light.hall")  # here
async def on_motion(self):
    pass
""",
        "self.on_moton does not exist; did you mean 'self.on_motion'?",
    ),
    "method_of_appdaemon": (
        f"{REGISTER}def on_motion(self):\n    self.turn_on('light.hall')  # here",
        "self.turn_on does not exist; use self.api.turn_on",
    ),
    "call_that_is_not_awaited": (
        f"{REGISTER}async def on_motion(self):\n    self.api.call_service('light', 'turn_on')  # here",
        "self.api.call_service(…) has no effect, because it is not awaited",
    ),
    "own_method_that_is_not_awaited": (
        f"{REGISTER}async def on_motion(self):\n    self.greet()  # here\nasync def greet(self):\n    pass",
        "self.greet(…) has no effect, because it is not awaited",
    ),
    "two_listeners_of_one_name": (
        f"""{REGISTER}
    self.bus.on_state_change(self.on_motion, "binary_sensor.hall_motion", name="first")  # here
async def on_motion(self):
    pass
""",
        "already has a listener named 'first'",
    ),
    "two_jobs_of_one_name": (
        """
async def on_initialize(self):
    self.scheduler.run_every(self.act, 60, name="again")
    self.scheduler.run_every(self.act, 90, name="again")  # here
async def act(self):
    pass
""",
        "already has a job named 'again'",
    ),
    "wrong_cron_expression": (
        """
async def on_initialize(self):
    self.scheduler.run_cron(self.act, "61 * * * *")  # here
async def act(self):
    pass
""",
        "'61 * * * *'",
    ),
    "condition_that_is_not_awaited": (
        f"""{REGISTER}
async def on_motion(self):
    if not self.is_dark():  # here
        return
async def is_dark(self):
    return True
""",
        "self.is_dark(…) is always true, because it is not awaited",
    ),
    "sleep_that_is_not_awaited": (
        f"""{REGISTER}
async def on_motion(self):
    asyncio.sleep(5)  # here
""",
        "asyncio.sleep(…) has no effect, because it is not awaited",
    ),
    "start_that_raises": (
        "async def on_initialize(self):\n    raise ValueError('no such lamp')  # here",
        "ValueError: no such lamp",
    ),
    "task_that_fails": (
        """
async def on_initialize(self):
    asyncio.create_task(self.work())
    await asyncio.sleep(0)
async def work(self):
    raise ValueError("no such lamp")  # here
""",
        "app hall.hall: a task failed, and no code read its exception: ValueError: no such lamp",
    ),
    "annotation_that_cannot_be_evaluated": (
        """
async def on_initialize(self):
    self.bus.on_state_change(self.on_motion, "binary_sensor.hall_motion")  # here
async def on_motion(self, lamp: "Nothing"):
    pass
""",
        "(parameter 'lamp'); import that name at runtime, not under TYPE_CHECKING",
    ),
    "alias_of_a_component": (
        """
async def on_initialize(self):
    s = self.scheduler
    s.run_daily(self.on_motion, "07:00")
    if self.states.get("sensor.x"):
        s.run_dialy(self.on_motion, "07:00")  # here
async def on_motion(self):
    pass
""",
        "self.scheduler.run_dialy does not exist; did you mean 'self.scheduler.run_daily'?",
    ),
    "several_aliases": (
        """
async def on_initialize(self):
    self.bus.on_event(self.on_motion, "x")
async def on_motion(self):
    bus, api = self.bus, self.api
    if (light := self.config) and bus:
        api.call_service("light", "turn_on", target=light.light)  # here
""",
        "self.api.call_service(…) has no effect, because it is not awaited",
    ),
    "task_that_exits": (
        """
async def on_initialize(self):
    asyncio.create_task(self.work())
    await asyncio.sleep(0)
async def work(self):
    raise SystemExit(3)  # here
""",
        "app hall.hall: a task failed, and no code read its exception: SystemExit: 3",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_check_names_the_fault_and_its_line(folder: Path, capsys: pytest.CaptureFixture[str], case: str) -> None:
    body, words = BROKEN[case]
    write_app(folder, body)
    file = folder / "apps" / "hall.py"
    (line,) = (number for number, text in enumerate(file.read_text().splitlines(), 1) if text.endswith("# here"))
    code, report = check(capsys)
    assert code == 2
    (finding,) = (finding for finding in report["findings"] if finding["level"] == "failed")
    assert words in finding["text"]
    assert (finding["file"], finding["line"]) == (str(file), line)
    assert report["valid"] is False


def test_check_names_an_app_that_cancels_its_own_start(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_app(folder, "async def on_initialize(self):\n    asyncio.current_task().cancel()")
    code, report = check(capsys)
    assert code == 2
    assert texts(report) == "app hall.hall: on_initialize failed: it was cancelled by code of the app"


FINE = {
    "attributes_that_the_app_assigns": """
count: int = 0
async def on_initialize(self):
    self.lamp = self.config.light
    self.bus.on_state_change(self.on_motion, "binary_sensor.hall_motion")
    self.scheduler.run_daily(self.on_motion, "07:00")
async def on_motion(self):
    self.count += 1
    self.logger.info("%s", self.lamp)
    self.logger.handlers
    self.helper(1)
    if hasattr(self, "optional"):
        self.optional
    light = self.states.get(self.lamp)
    await self.api.call_service("light", "turn_on", target=self.lamp)
def helper(self, number):
    return number
@staticmethod
def static(value):
    return value.anything
@property
def setup(self):
    return 1
""",
    "attributes_that_only_the_running_app_knows": """
def __getattr__(self, name):
    return name
async def on_initialize(self):
    self.bus.on_event(self.on_motion, "x")
async def on_motion(self):
    return self.anything
""",
    "private_names": """
__limit = 3
async def on_initialize(self):
    self.__start = self.__helper()
    self.bus.on_event(self.__on_motion, "x")
def __helper(self):
    return self.__limit
async def __on_motion(self):
    return self.__start
""",
    "attribute_that_may_be_missing": """
async def on_initialize(self):
    self.bus.on_event(self.on_motion, "x")
async def on_motion(self):
    try:
        return self.optional
    except AttributeError:
        return None
""",
    "variables_that_are_no_alias": """
async def on_initialize(self):
    s = self.scheduler
    s = "text"
    s.upper()
    b = self.bus
    [b.lower() for b in "text"]
    a = self.api
    (lambda a: a.lower())("text")
    self.bus.on_event(self.on_motion, "x")
async def on_motion(self):
    pass
""",
    "other_objects_named_self": """
async def on_initialize(self):
    self.bus.on_event(self.on_motion, "x")
async def on_motion(self):
    class Lamp:
        def area(self):
            return self.width
    def area(self):
        return self.width
    return Lamp, area, lambda self: self.width
""",
    "attributes_of_the_class": """
async def on_initialize(self):
    type(self).first = 1
    self.__class__.second = 2
    Hall.third = 3
    self.start()
    self.api.fifth = 5
    self.bus.on_event(self.on_motion, "x")
@classmethod
def start(cls):
    cls.fourth = 4
async def on_motion(self):
    return self.first, self.second, self.third, self.fourth
""",
    "method_named_initialize_that_is_called": """
async def on_initialize(self):
    self.initialize()
    self.bus.on_event(self.on_motion, "x")
def initialize(self):
    pass
async def on_motion(self):
    pass
""",
    "service_of_an_unknown_integration": """
async def on_initialize(self):
    await self.api.call_service("notify", "mobile_app_phone", message="started")
    answer = await self.api.call_service("weather", "get_forecasts", target="weather.x", return_response=True)
    self.bus.on_event(self.on_motion, "x")
async def on_motion(self):
    pass
""",
}


@pytest.mark.parametrize("case", FINE)
def test_check_finds_nothing_in_a_correct_app(folder: Path, capsys: pytest.CaptureFixture[str], case: str) -> None:
    write_app(folder, FINE[case])
    code, report = check(capsys)
    assert (code, report["findings"]) == (0, [])
    assert report["apps"] == [{"app": "hall", "instance": "hall", "class": "Hall", "status": "ok"}]
    assert report["valid"] is True


def test_attributes_that_other_code_of_the_apps_sets_exist(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_app(
        folder,
        """
async def on_initialize(self):
    self.helper = Helper(self)
    self.bus.on_event(self.on_motion, "x")
async def on_motion(self):
    return self.extra, self.more, self.most
async def terminate(self):
    pass
""",
    )
    file = folder / "apps" / "hall.py"
    file.write_text("from helpers import Helper\n" + file.read_text())
    (folder / "apps" / "helpers.py").write_text(
        "class Helper:\n    def __init__(self, app):\n        self.app = app\n        app.extra = 1\n"
        "        self.app.more = 2\n        setattr(app, 'most', 3)\n"
        "    async def end(self):\n        await self.app.terminate()\n"
    )
    code, report = check(capsys)
    assert (code, texts(report)) == (0, "")


def test_unused_method_of_a_mixin_is_only_a_warning(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_app(
        folder, "async def on_initialize(self):\n    self.bus.on_event(self.on_x, 'x')\nasync def on_x(self): pass"
    )
    file = folder / "apps" / "hall.py"
    mixin = "class Stoppable:\n    def terminate(self):\n        pass\n\n\nclass Hall(Stoppable, "
    file.write_text(file.read_text().replace("class Hall(", mixin))
    code, report = check(capsys)
    assert code == 0
    (finding,) = report["findings"]
    assert finding["level"] == "warning"
    assert "no code calls the method terminate" in finding["text"]


def test_all_faults_of_an_app_of_appdaemon_are_reported_at_once(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_app(
        folder,
        """
def initialize(self):
    self.listen_state(self.on_motion, "binary_sensor.hall_motion")
def on_motion(self, entity, attribute, old, new, **kwargs):
    self.turn_on(self.args["light"])
""",
    )
    code, report = check(capsys)
    assert code == 2
    assert [finding["text"].removeprefix("app hall: ") for finding in report["findings"]] == [
        "no code calls the method initialize; did you mean 'on_initialize'?",
        "self.listen_state does not exist; use self.bus.on_state_change",
        "self.turn_on does not exist; use self.api.turn_on",
        "self.args does not exist; use self.config",
    ]


def test_output_of_an_app_is_not_part_of_the_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_app(folder, "async def on_initialize(self):\n    print('it starts')\n    self.bus.on_event(print, 'x')")
    file = folder / "apps" / "hall.py"
    file.write_text("print('it is imported')\n" + file.read_text())
    assert execute(["check", "--json"]) == 0
    output = capsys.readouterr()
    assert json.loads(output.out)["valid"]
    assert "it is imported" in output.err
    assert "it starts" in output.err


def test_start_that_needs_a_state_is_only_a_warning_without_the_home(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_app(folder, "async def on_initialize(self):\n    print(float(self.states.get('sensor.x').state))")
    code, report = check(capsys)
    assert code == 0
    assert "Use --online to start the app with the states of the home" in texts(report, "warning")


def test_app_that_registers_nothing_is_a_warning(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_app(folder, "async def begin(self):\n    pass")
    code, report = check(capsys)
    assert code == 0
    assert "its on_initialize registers no listener and no job" in texts(report, "warning")


def test_check_reports_secrets_as_masks(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_app(folder, "async def on_initialize(self):\n    raise ValueError(f'bad {self.config.password}')")
    source = (folder / "apps" / "hall.py").read_text()
    (folder / "apps" / "hall.py").write_text(source.replace("    light: str", "    password: str\n    light: str"))
    (folder / "hassette.toml").write_text(f'{CONFIG}config.password = "hunter22"\n')
    assert execute(["check"]) == 2
    assert "ValueError: bad •••" in capsys.readouterr().err


def test_app_that_blocks_the_event_loop_ends_the_check_with_its_line(folder: Path) -> None:
    write_app(folder, "async def on_initialize(self):\n    import threading\n    threading.Event().wait()")
    program = (
        "from pathlib import Path\n"
        "from hassette_core.apps import load_apps\n"
        "from hassette_core.checks import check_source, start_apps\n"
        "from hassette_core.config import load_config\n"
        "config = load_config(Path('hassette.toml'))\n"
        "loaded, _ = load_apps(config.apps, config.app_dir)\n"
        "sources = {app.app_key: check_source(app.app_key, app.app_class, config.app_dir) for app in loaded}\n"
        "print(*start_apps(config, sources, None, limit_s=2).findings)\n"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, timeout=patience(30)
    )
    assert "this code blocks the event loop" in answer.stdout, answer.stderr
    assert f"(line 10 of {folder}/apps/hall.py)" in answer.stdout


@pytest.mark.parametrize(
    ("url", "level", "words"),
    [
        (
            "http://ha.local:8123/lovelace/0",
            "failed",
            "must be the address without the path of a page: 'http://ha.local:8123'",
        ),
        ("http://ha.local:8123/dashboard-main", "failed", "without the path of a page"),
        ("https://example.org/home/", "failed", "without the path of a page"),
        ("http://ha.local:8123/app/core_ssh", "failed", "without the path of a page"),
        ("http://ha.local:8123/light", "failed", "without the path of a page"),
        ("http://ha.local:8123/onboarding.html", "failed", "without the path of a page"),
        ("https://example.org/ha", "warning", "has the path '/ha'"),
    ],
)
def test_address_with_a_path_is_named(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, url: str, level: str, words: str
) -> None:
    (folder / "hassette.toml").write_text("")
    monkeypatch.setenv("HASSETTE__HOME_ASSISTANT__URL", url)
    code, report = check(capsys)
    assert code == (2 if level == "failed" else 0)
    assert words in texts(report, level)


@pytest.mark.parametrize(
    "url", ["http://ha.local:8123", "http://ha.local:8123/", "http://x/api", "http://supervisor/core"]
)
def test_address_without_the_path_of_a_page_is_valid(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    (folder / "hassette.toml").write_text("")
    monkeypatch.setenv("HASSETTE__HOME_ASSISTANT__URL", url)
    assert check(capsys) == (
        0,
        {"file": "hassette.toml", "valid": True, "apps": [], "findings": [], "home_assistant": None},
    )


def test_wrong_configuration_is_reported_as_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "hassette.toml").write_text("[hassette]\nlog_levle = 'info'\n")
    code, report = check(capsys)
    assert code == 2
    assert "log_levle" in texts(report)


USES_THE_HOME = """
async def on_initialize(self):
    self.bus.on_state_change(self.act, "binary_sensor.hall_moton")
    self.bus.on_state_change(self.act, "light.*")
    self.bus.on_state_change(self.act, "lihgt.*", name="wrong")
    self.scheduler.run_daily(self.act, "sensor.alarm_clock - 00:15")
    self.scheduler.run_daily(self.act, "sunset", name="sun", where=lambda: self.time.is_between("07:00", "sunset"))
    dark = above("sensor.made_here", 5) | state_is("light.kitchen_", "on")
    self.bus.on_state_change(self.act, ["light.hall", "light.haal"], name="list", where=[dark, lambda: True])
    await self.api.set_state("sensor.made_here", 1)
    self.bus.on_state_change(self.act, "sensor.made_here", name="made")
    self.start = float(self.states["sensor.bathroom_humidity"].state)
async def act(self):
    await self.api.call_service("light", "turn_onn", target="light.kitchn")
    await self.api.call_service("light", "turn_on", target=["light.kitchen", "light.hal"])
    print(self.states["sun.moon"])
    await self.api.set_state(self.MADE, 1)
    await self.api.call_service("light", "turn_on", target=[self.LIGHT, self.MADE, self.changed])
LIGHT = "light.kitcen"
MADE = "light.made_later"
changed = "light.not_used"
def change(self):
    self.changed = "light.hall"
"""


async def test_check_online_names_entities_and_services_that_the_home_does_not_have(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_app(folder, USES_THE_HOME)
    (folder / "hassette.toml").write_text(f'{CONFIG}config.light = "light.kitchenn"\n')
    async with SimulatedHome(speed=0) as home:
        before = dict(home.core.states)
        monkeypatch.setenv("HASSETTE__HOME_ASSISTANT__URL", home.url)
        monkeypatch.setenv("HASSETTE__HOME_ASSISTANT__TOKEN", home.token)
        assert "sensor.bathroom_humidity" in home.core.states
        code, report = await asyncio.to_thread(check, capsys, "--online")
        assert home.core.states == before, "the check changed the home"
    assert code == 2
    assert report["home_assistant"]["entities"] == len(before)
    found = texts(report)
    for name in (
        "'binary_sensor.hall_moton'; did you mean 'binary_sensor.hall_motion'?",
        "'light.turn_onn'; did you mean 'light.turn_on'?",
        "'light.kitchn'; did you mean 'light.kitchen'?",
        "'light.hal'; did you mean 'light.hall'?",
        "'sun.moon'",
        "'sensor.alarm_clock'",
        "'light.kitchen_'; did you mean 'light.kitchen'?",
        "'light.haal'; did you mean 'light.hall'?",
        "'light.kitcen'; did you mean 'light.kitchen'?",
        "'light.kitchenn', the value of config.light; did you mean 'light.kitchen'?",
    ):
        assert f"Home Assistant has no {'service' if 'turn_onn' in name else 'entity'} {name}" in found
    assert len(found.splitlines()) == 10
    assert "no entity of Home Assistant matches 'lihgt.*'" in texts(report, "warning")


CREATES = """
async def on_initialize(self):
    for entity in ("sensor.mine", "sensor.keyword", "sensor.room_hall", "sensor.helper", "sensor.set"):
        self.bus.on_state_change(self.act, entity, name=entity)
    self.bus.on_state_change(self.act, "sensor.room_*", where=above("sensor.mine", 5), name="glob")
    self.bus.on_state_change(self.act, self.config.light, name="setting")
    self.scheduler.run_in(self.later, 3600)
async def act(self):
    await self.api.turn_on("light.haal")
    await self.api.call_service("light.turn_onn", target="light.hall")
async def later(self):
    await self.api.set_state("sensor.mine", 1)
    await self.api.set_state(entity_id="sensor.keyword", state=1)
    await self.api.set_state(f"sensor.room_{self.app_key}", 1)
    await self.api.set_state(self.config.light, 1)
    await helper(self.api)
    print(self.states["sensor.mine"], self.states["sensor.helper"])
"""


async def test_check_online_knows_the_entities_that_an_app_creates_later(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_app(folder, CREATES)
    file = folder / "apps" / "hall.py"
    helper = (
        '\n\nasync def helper(api):\n    await api.set_state("sensor.helper", 1)\n    await api.set_state(SET, 1)\n'
    )
    file.write_text(file.read_text() + helper + 'SET = "sensor.set"\n')
    (folder / "hassette.toml").write_text(f'{CONFIG}config.light = "light.of_the_app"\n')
    async with SimulatedHome(speed=0) as home:
        monkeypatch.setenv("HASSETTE__HOME_ASSISTANT__URL", home.url)
        monkeypatch.setenv("HASSETTE__HOME_ASSISTANT__TOKEN", home.token)
        _, report = await asyncio.to_thread(check, capsys, "--online")
    found = texts(report)
    assert "entity 'light.haal'" in found
    assert "service 'light.turn_onn'" in found
    assert len(found.splitlines()) == 2, found
    assert texts(report, "warning") == ""


TRIGGERS = """
async def on_initialize(self):
    for number, config in enumerate((
        {"trigger": "webhook", "webhook_id": "doorbell"},
        {"trigger": "mqtt", "topic": "button"},
        {"trigger": "device", "device_id": "unknown", "domain": "zha", "type": "pressed"},
        {"target": {"area_id": "kitchen"}, "trigger": "light.turned_on"},
        {"trigger": "unheard_of.telegram"},
    )):
        await self.bus.on_trigger(self.on_fired, config, name=f"trigger_{number}")

async def on_fired(self):
    pass
"""


def test_check_accepts_triggers_that_only_the_real_home_can_check(
    folder: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    write_app(folder, TRIGGERS)
    code, report = check(capsys)
    assert (code, report["findings"]) == (0, [])
    assert "not attached" not in caplog.text


def test_check_reports_a_trigger_that_no_home_can_have(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_app(folder, TRIGGERS.replace('"unheard_of.telegram"', "5"))
    code, report = check(capsys)
    assert code == 2
    assert "config must be a trigger such as" in texts(report)


async def test_check_online_lets_the_home_check_the_triggers(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_app(folder, TRIGGERS)
    async with SimulatedHome(speed=0) as home:
        home.unload("mqtt")
        monkeypatch.setenv("HASSETTE__HOME_ASSISTANT__URL", home.url)
        monkeypatch.setenv("HASSETTE__HOME_ASSISTANT__TOKEN", home.token)
        code, report = await asyncio.to_thread(check, capsys, "--online")
        assert home.model.attached_triggers == []
    assert code == 2
    refused = [line.partition("refuses the trigger ")[2] for line in texts(report).splitlines()]
    assert [line.partition(":")[0] for line in refused] == ["{'target'"]
    warnings = texts(report, "warning")
    for name in ("mqtt", "zha", "unheard_of"):
        assert f"'{name}" in warnings


READS_STATES = """
async def on_initialize(self):
    print(self.states["light.bedroom"].state)
    self.states["light.nowhere"]
"""


async def test_check_online_starts_the_apps_with_the_states_of_the_home(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_app(folder, READS_STATES)
    async with SimulatedHome(speed=0) as home:
        monkeypatch.setenv("HASSETTE__HOME_ASSISTANT__URL", home.url)
        monkeypatch.setenv("HASSETTE__HOME_ASSISTANT__TOKEN", home.token)
        code, report = await asyncio.to_thread(check_without_output, capsys)
    assert code == 2
    assert "light.nowhere" in texts(report)


def check_without_output(capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, Any]]:
    code = execute(["check", "--json", "--online"])
    output = capsys.readouterr().out
    return code, json.loads(output[output.index("{") :])


def test_check_reads_a_copy_of_the_storage_and_changes_no_file(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    storage = folder / "data/apps/hall/hall/storage.json"
    storage.parent.mkdir(parents=True)
    content = '{"version": 1, "values": {"count": 3}}'
    storage.write_text(content)
    write_app(
        folder,
        """
async def on_initialize(self):
    assert self.storage["count"] == 3
    self.storage["count"] = 4
    (self.data_dir / "note.txt").write_text("from the check")
    self.scheduler.run_in(self.on_initialize, 5)
""",
    )
    code, report = check(capsys)
    assert (code, report["findings"]) == (0, [])
    assert storage.read_text() == content
    assert [file.name for file in storage.parent.iterdir()] == ["storage.json"]


def test_check_reports_an_unknown_dependency_of_an_app(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_app(folder, "depends_on = ['hal']\nasync def on_initialize(self):\n    self.apps.get('hall')\n")
    code, report = check(capsys)
    assert code == 2
    assert "app hall: depends_on must contain keys of apps, got 'hal'" in texts(report)


def test_sync_app_without_await_is_right_and_its_misspelt_method_is_found(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = """
from hassette_core import AppConfig, SyncApp

class Hall(SyncApp[AppConfig]):
    def on_initialize(self):
        self.api.turn_on("light.kitchen")
        self.scheduler.run_every(self.check, 600)

    def check(self):
        self.api.call_service("light", "turn_off", target="light.kitchen")
        self.time.sleep(2)
        self.api.rehearsal_responses["calendar.get_events"] = {}
        if self.time.sun.is_up and self.home.known:
            self.logger.info("Areas", extra={"areas": self.home.areas, "zone": self.time.zone})
"""
    (folder / "apps" / "hall.py").write_text(source)
    assert texts(check(capsys)[1]) == ""
    (folder / "apps" / "hall.py").write_text(source.replace("turn_on", "trun_on"))
    assert "self.api.trun_on does not exist; did you mean 'self.api.turn_on'?" in texts(check(capsys)[1])
    (folder / "apps" / "hall.py").write_text(source.replace('"light", "turn_off"', '"light/turn_off"'))
    assert "got 'light/turn_off'; write 'light.turn_off'" in texts(check(capsys)[1])
    (folder / "apps" / "hall.py").write_text(source.replace("home.areas", "home.aeras"))
    assert "self.home.aeras does not exist; did you mean 'self.home.areas'?" in texts(check(capsys)[1])
