"""``hassette run``, as a process, against a real Home Assistant."""

import json
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.homeassistant, pytest.mark.timeout(180)]

MIRROR = """
from hassette_core import App, AppConfig, NewState

class Mirror(App[AppConfig]):
    async def on_initialize(self) -> None:
        self.bus.on_state_change(self.mirror, "input_boolean.test_1")
        self.bus.on_state_change(self.notice, "input_boolean.test_2")
        self.logger.warning("the mirror is up")

    async def mirror(self, new: NewState) -> None:
        await self.api.call_service("input_boolean", f"turn_{new.state}", target="input_boolean.test_2")

    async def notice(self) -> None:
        pass
"""
DEADLINE_S = 60.0


class House:
    """A real Home Assistant, and a configuration that leads to it."""

    def __init__(self, real: Any, folder: Path) -> None:
        self.real = real
        self.url: str = real.home.url
        (folder / "apps").mkdir()
        (folder / "apps" / "mirror.py").write_text(MIRROR, encoding="utf-8")
        self.write(folder, real.home.token)

    def write(self, folder: Path, token: str) -> None:
        (folder / "hassette.toml").write_text(
            f'[home_assistant]\nurl = "{self.url}"\ntoken = "{token}"\n[sync]\nport = 0\n'
            '[apps.mirror]\nmodule = "mirror"\nclass = "Mirror"\n',
            encoding="utf-8",
        )

    def post(self, path: str, **body: object) -> None:
        request = urllib.request.Request(
            self.url + path,
            json.dumps(body).encode(),
            {"Authorization": f"Bearer {self.real.home.token}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            assert answer.status == 200

    def toggle(self) -> None:
        self.post("/api/services/input_boolean/toggle", entity_id="input_boolean.test_1")

    def state(self, entity_id: str) -> dict[str, Any]:
        request = urllib.request.Request(
            f"{self.url}/api/states/{entity_id}", headers={"Authorization": f"Bearer {self.real.home.token}"}
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.load(answer)


@pytest.fixture
def house(real: Any, tmp_path: Path) -> House:
    return House(real, tmp_path)


def until(condition: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.1)
    pytest.fail(f"{what}: not within {DEADLINE_S:g} s")


def runs(ask: Callable[..., Any], database: Path, name: str) -> list[dict[str, Any]]:
    found = ask("runs", "--db", database)["runs"]
    return [run for run in found if run["registration"]["name"] == name]


def test_a_toggled_boolean_runs_a_handler_and_the_record_tells_cause_and_effect(
    start: Any, house: House, history: Any, ask: Callable[..., Any]
) -> None:
    before = house.state("input_boolean.test_1")["state"]
    # Other tests have used this house: without this, the effect may be no change, and nobody would hear of it.
    house.post(f"/api/services/input_boolean/turn_{before}", entity_id="input_boolean.test_2")
    process = start("run")
    process.wait_for("the mirror is up")
    house.toggle()
    until(lambda: runs(ask, history.file, "notice"), "the effect of the effect")
    (cause,) = runs(ask, history.file, "mirror")
    (effect,) = runs(ask, history.file, "notice")
    after = house.state("input_boolean.test_1")
    assert (cause["trigger"]["entity_id"], cause["status"]) == ("input_boolean.test_1", "success")
    assert (cause["trigger"]["old_state"], cause["trigger"]["new_state"]) == (before, after["state"])
    assert cause["trigger"]["context_id"] == after["context"]["id"]
    assert house.state("input_boolean.test_2")["state"] == after["state"], "the call changed the other one"
    (call,) = ask("show", cause["id"], "--db", history.file)["service_calls"]
    assert call["service"] == f"input_boolean.turn_{after['state']}"
    assert call["context_id"] == effect["trigger"]["context_id"] == house.state("input_boolean.test_2")["context"]["id"]
    assert [run["id"] for run in call["caused"]] == [effect["id"]]
    shown = ask("show", effect["id"], "--db", history.file)
    assert [run["id"] for run in shown["caused_by"]] == [cause["id"]]
    process.signal(15)
    assert process.end() == 0, process.output
    (session,) = ask("sessions", "--db", history.file)["sessions"]
    assert (session["state"], session["facts"]["home_assistant"]) == ("clean", "2025.4.4")
    assert house.real.home.token not in process.output


def test_after_home_assistant_was_killed_and_came_back_handlers_run_again_by_themselves(
    start: Any, house: House, history: Any, ask: Callable[..., Any]
) -> None:
    process = start("run")
    process.wait_for("the mirror is up")
    house.toggle()
    until(lambda: len(runs(ask, history.file, "mirror")) == 1, "a run before the kill")
    house.real.kill()
    process.wait_for("Connection to Home Assistant lost", DEADLINE_S)
    house.real.bring_back()
    process.wait_for("Connection to Home Assistant restored", DEADLINE_S)
    house.toggle()
    until(lambda: len(runs(ask, history.file, "mirror")) == 2, "a run after the return")
    process.signal(15)
    assert process.end() == 0, process.output
    kinds = [row["kind"] for row in history.rows("SELECT kind FROM lifecycle_events ORDER BY id")]
    assert kinds.index("connection_lost") < kinds.index("connection_restored")
    assert len(history.sessions()) == 1


def test_a_wrong_token_ends_it_with_one_sentence_and_exit_code_3(start: Any, house: House, tmp_path: Path) -> None:
    house.write(tmp_path, "not-the-token-at-all")
    process = start("run")
    assert process.end() == 3
    (sentence,) = [line for line in process.output.splitlines() if line.startswith("hassette: ")]
    assert "refused the access token" in sentence
    assert "not-the-token-at-all" not in process.output
    assert "Traceback" not in process.output
