"""``hassette run``, as a process, with a real Home Assistant."""

import asyncio
import json
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hassette_sync import DataSyncService
from hassette_sync.answers.waterfall import Waterfall
from support.waiting import patience, wait_until

pytestmark = [pytest.mark.homeassistant, pytest.mark.timeout(180)]

MIRROR = """
from hassette_core import App, AppConfig, NewState

class Mirror(App[AppConfig]):
    async def on_initialize(self) -> None:
        self.bus.on_state_change(self.mirror, "input_boolean.test_1")
        self.bus.on_state_change(self.notice, "input_boolean.test_2")
        self.bus.on_state_change(self.notice, "input_boolean.test_3", name="third")
        self.logger.warning("mirror started")

    async def mirror(self, new: NewState) -> None:
        await self.api.call_service("input_boolean", f"turn_{new.state}", target="input_boolean.test_2")

    async def notice(self) -> None:
        pass
"""
DEADLINE_S = 60.0


class MirroredHome:
    """A real Home Assistant, and a configuration for it."""

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
        with urllib.request.urlopen(request, timeout=patience(20)) as answer:
            assert answer.status == 200

    def toggle(self, *entity_ids: str) -> None:
        self.post("/api/services/input_boolean/toggle", entity_id=entity_ids)

    def state(self, entity_id: str) -> dict[str, Any]:
        request = urllib.request.Request(
            f"{self.url}/api/states/{entity_id}", headers={"Authorization": f"Bearer {self.real.home.token}"}
        )
        with urllib.request.urlopen(request, timeout=patience(20)) as answer:
            return json.load(answer)


@pytest.fixture
def home(real: Any, tmp_path: Path) -> MirroredHome:
    return MirroredHome(real, tmp_path)


def runs(ask: Callable[..., Any], database: Path, name: str) -> list[dict[str, Any]]:
    found = ask("runs", "--db", database)["runs"]
    return [run for run in found if run["registration"]["name"] == name]


def test_record_of_a_run_names_its_cause_and_its_effect(
    start: Any, home: MirroredHome, history: Any, ask: Callable[..., Any]
) -> None:
    before = home.state("input_boolean.test_1")["state"]
    # The app will copy the toggled state of the first boolean to the second one. If the second boolean already had this
    # state, the call would change nothing.
    home.post(f"/api/services/input_boolean/turn_{before}", entity_id="input_boolean.test_2")
    process = start("run")
    process.wait_for("mirror started")
    home.toggle("input_boolean.test_1")
    wait_until(lambda: runs(ask, history.file, "notice"), DEADLINE_S, "the run that the first run caused")
    (cause,) = runs(ask, history.file, "mirror")
    (effect,) = runs(ask, history.file, "notice")
    after = home.state("input_boolean.test_1")
    assert (cause["trigger"]["entity_id"], cause["status"]) == ("input_boolean.test_1", "success")
    assert (cause["trigger"]["old_state"], cause["trigger"]["new_state"]) == (before, after["state"])
    assert cause["trigger"]["context_id"] == after["context"]["id"]
    assert home.state("input_boolean.test_2")["state"] == after["state"], "the call changed the second boolean"
    (call,) = ask("show", cause["id"], "--db", history.file)["service_calls"]
    assert call["service"] == f"input_boolean.turn_{after['state']}"
    assert call["context_id"] == effect["trigger"]["context_id"] == home.state("input_boolean.test_2")["context"]["id"]
    assert [run["id"] for run in call["caused"]] == [effect["id"]]
    shown = ask("show", effect["id"], "--db", history.file)
    assert [run["id"] for run in shown["caused_by"]] == [cause["id"]]
    process.signal(15)
    assert process.end() == 0, process.output
    (session,) = ask("sessions", "--db", history.file)["sessions"]
    assert (session["state"], session["facts"]["home_assistant"]) == ("clean", home.real.home.version)
    assert home.real.home.token not in process.output
    first, second = asyncio.run(waterfalls(history.file, cause["id"], effect["id"]))
    assert first.rows == second.rows
    assert [str(row.run.id) for row in first.rows if row.run] == [cause["id"], effect["id"]]
    events = [row.entity_id for row in first.rows if row.kind == "event"]
    assert events[:2] == ["input_boolean.test_1", "input_boolean.test_2"]
    assert (first.rows[0].kind, first.rows[0].cause) == ("origin", "person")
    again = start("run")
    again.wait_for("mirror started")
    after_restart = asyncio.run(waterfalls(history.file, cause["id"], effect["id"]))
    assert [answer.rows for answer in after_restart] == [first.rows, first.rows]
    again.signal(15)
    assert again.end() == 0, again.output


async def waterfalls(database: Path, *run_ids: str) -> list[Waterfall]:
    async with DataSyncService(database) as data:
        return [await data.waterfall(int(run_id)) for run_id in run_ids]


def test_handlers_run_for_missed_and_for_new_changes_after_home_assistant_was_killed(
    start: Any, home: MirroredHome, history: Any, ask: Callable[..., Any]
) -> None:
    first, third = "input_boolean.test_1", "input_boolean.test_3"

    def changes() -> list[list[tuple[str, str]]]:
        triggers = [[run["trigger"] for run in reversed(runs(ask, history.file, name))] for name in ("mirror", "third")]
        return [[(trigger["old_state"], trigger["new_state"]) for trigger in each] for each in triggers]

    def wait_for_changes() -> None:
        wait_until(
            lambda: all(len(found) >= len(wanted) for found, wanted in zip(changes(), expected, strict=True)),
            DEADLINE_S,
            f"runs for the changes {expected}",
        )
        assert changes() == expected

    # Home Assistant may have stored these states or not when it is killed. A state that it does not restore is missed.
    home.post("/api/services/input_boolean/turn_off", entity_id=first)
    home.post("/api/services/input_boolean/turn_on", entity_id=third)
    process = start("run")
    process.wait_for("mirror started")
    home.toggle(first, third)
    expected = [[("off", "on")], [("on", "off")]]
    wait_for_changes()
    home.real.kill()
    process.wait_for("Connection to Home Assistant lost", DEADLINE_S)
    home.real.bring_back()
    process.wait_for("Connection to Home Assistant restored", DEADLINE_S)
    for seen, entity_id in zip(expected, (first, third), strict=True):
        before, restored = seen[-1][1], home.state(entity_id)["state"]
        if restored != before:
            seen.append((before, restored))  # the missed change
        seen.append((restored, "on" if restored == "off" else "off"))
    home.toggle(first, third)
    wait_for_changes()
    process.signal(15)
    assert process.end() == 0, process.output
    assert changes() == expected, "no handler has run twice for one change"
    kinds = [row["kind"] for row in history.rows("SELECT kind FROM lifecycle_events ORDER BY id")]
    assert kinds.index("connection_lost") < kinds.index("connection_restored")
    assert len(history.sessions()) == 1


def test_wrong_token_ends_the_process_with_one_sentence_and_exit_code_3(
    start: Any, home: MirroredHome, tmp_path: Path
) -> None:
    home.write(tmp_path, "not-the-token-at-all")
    process = start("run")
    assert process.end() == 3
    (sentence,) = [line for line in process.output.splitlines() if line.startswith("hassette: ")]
    assert "refused the access token" in sentence
    assert "not-the-token-at-all" not in process.output
    assert "Traceback" not in process.output
