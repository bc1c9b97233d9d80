"""Control: routes of the API, buttons of pages, and commands of the terminal."""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import httpx
import pytest

from hassette_sync import ControlAction, DataSyncService, MemoryControl
from hassette_sync.control import ActionResult, ControlOutcome, MemoryApp
from hassette_sync.settings import WebSettings
from support.waiting import patience
from support.web_clients import app_client, without_breaks

pytest.importorskip("fastapi")
import jinja2

from hassette_sync.cli.control import app, error, job, parse_length
from hassette_sync.cli.plugin_command import TerminalCommand
from hassette_sync.errors import BadQuestionError
from hassette_sync.web.service import WebService

TOKEN = "a-secret-of-many-letters"
ADDRESS = "http://192.168.1.5:8765"
BEARER = {"authorization": f"Bearer {TOKEN}"}
HOUR_US = 3_600_000_000
CONTROL_BYTES = "off\x1b[31m\x07\u202e"


@pytest.fixture
def control() -> MemoryControl:
    return MemoryControl({"hall": ["off", "on/off 100 %", CONTROL_BYTES], "a/b": []})


@pytest.fixture
async def controlled(plausible: Path, control: MemoryControl) -> AsyncIterator[DataSyncService]:
    async with DataSyncService(plausible, control=control, deadline_s=patience(30)) as data:
        yield data


@pytest.fixture
async def client(controlled: DataSyncService) -> AsyncIterator[httpx.AsyncClient]:
    async with app_client(controlled, WebSettings(token=TOKEN), base_url=ADDRESS, headers=BEARER) as client:
        yield client


class OneAnswer(MemoryControl):
    """A control with the same answer to every action."""

    def __init__(self, outcome: ControlOutcome) -> None:
        super().__init__({})
        self._answer = ActionResult(outcome=outcome, detail="The reason.")

    async def act(self, action: ControlAction) -> ActionResult:
        return self._answer


@pytest.mark.parametrize(
    ("path", "body", "verb", "target"),
    [
        ("jobs/run", {"job": "hall.off"}, "run_job", "hall.off"),
        ("jobs/pause", {"job": "hall.on/off 100 %"}, "pause_job", "hall.on/off 100 %"),
        ("jobs/resume", {"job": "hall.hall.off"}, "resume_job", "hall.hall.off"),
        ("apps/hall/reload", None, "reload_app", "hall"),
        ("apps/hall/disable", None, "disable_app", "hall"),
        ("apps/hall/enable", None, "enable_app", "hall"),
        ("apps/hall/rehearse", None, "rehearse_app", "hall"),
        ("apps/hall/end-rehearsal", None, "end_rehearsal", "hall"),
    ],
)
async def test_action_is_carried_out_for_its_author(
    client: httpx.AsyncClient,
    control: MemoryControl,
    path: str,
    body: dict[str, str] | None,
    verb: str,
    target: str,
) -> None:
    answer = await client.post(f"/api/v1/{path}", json=body)
    assert (answer.status_code, answer.json()["outcome"]) == (200, "done")
    (action,) = control.actions
    assert (action.verb, action.target) == (verb, target)
    assert action.by.startswith("token")


async def test_error_group_is_silenced_by_its_fingerprint(
    client: httpx.AsyncClient, control: MemoryControl, controlled: DataSyncService, now_us: int
) -> None:
    group = (await controlled.error_groups()).groups[0]
    answer = await client.post(f"/api/v1/errors/{group.id}/silence", json={"seconds": 7_200})
    assert answer.status_code == 200
    ((fingerprint, until_us),) = control.silences.items()
    assert fingerprint == (await controlled.error_group_key(group.id))[0]
    assert now_us + 2 * HOUR_US <= until_us <= now_us + 3 * HOUR_US
    assert control.actions[0].subject == f"{group.type} (error {group.id})"
    assert (await client.post(f"/api/v1/errors/{group.id}/end-silence")).status_code == 200
    assert control.silences == {}


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("jobs/run", {"job": "hall.of"}, 404),
        ("apps/attic/reload", None, 404),
        ("errors/987654/silence", {"seconds": 60}, 404),
        ("errors/987654/end-silence", None, 404),
        ("jobs/run", {}, 400),
        ("jobs/run", {"job": 7}, 400),
        ("jobs/run", {"job": "x" * 2_000}, 400),
        ("errors/1/silence", {"seconds": 0}, 400),
        ("errors/1/silence", {"seconds": "60"}, 400),
        ("errors/1/silence", {"seconds": 10**12}, 400),
        ("errors/1/silence", {"seconds": 60.5}, 400),
        ("errors/1/silence", {"seconds": True}, 400),
        ("errors/987654/silence", {"seconds": 4641.0}, 404),
        ("errors/x/silence", {"seconds": 60}, 400),
    ],
)
async def test_wrong_request_changes_nothing_and_is_a_problem(
    client: httpx.AsyncClient, control: MemoryControl, path: str, body: object, status: int
) -> None:
    answer = await client.post(f"/api/v1/{path}", json=body)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert answer.json()["detail"].endswith(".")
    assert control.actions == []


JSON = "application/json"


@pytest.mark.parametrize(
    ("content_type", "body", "parameter", "sentence"),
    [
        (JSON, b'{"job": "hall.on", "job": "hall.off"}', "job", "This key must have one value, and got several."),
        (JSON, b'{"job": "hall.off", "jb": 1}', "jb", "There is no such key."),
        (JSON, b"{", "body", "The body must be JSON in UTF-8, got an error: Expecting property name"),
        (JSON, b"", "body", "The body must be JSON in UTF-8, got an error: Expecting value"),
        (JSON, b'{"job": "\xff"}', "body", "The body must be JSON in UTF-8."),
        (JSON, b"[" * 60_000, "body", "The body must be JSON in UTF-8"),
        (JSON, b'{"job": %s}' % (b"9" * 5_000), "body", "The body must be JSON in UTF-8."),
        (JSON, b'["hall.off"]', "body", "The body must be a JSON object."),
        ("text/plain", b'{"job": "hall.off"}', "Content-Type", "must be application/json, got 'text/plain'."),
        ("", b'{"job": "hall.off"}', "Content-Type", "must be application/json, got ''."),
    ],
)
async def test_body_of_a_wrong_form_changes_nothing_and_is_explained(
    client: httpx.AsyncClient, control: MemoryControl, content_type: str, body: bytes, parameter: str, sentence: str
) -> None:
    answer = await client.post("/api/v1/jobs/run", content=body, headers={"content-type": content_type})
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    (invalid,) = answer.json()["invalid_parameters"]
    assert invalid["parameter"] == parameter
    assert sentence in invalid["detail"]
    assert control.actions == []


@pytest.mark.parametrize("content_type", ["Application/JSON", "application/json; charset=utf-8"])
async def test_type_of_a_body_is_read_in_any_case(client: httpx.AsyncClient, content_type: str) -> None:
    headers = {"content-type": content_type}
    answer = await client.post("/api/v1/jobs/run", content=b'{"job": "hall.off"}', headers=headers)
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("outcome", "status"),
    [("done", 200), ("in_progress", 202), ("not_found", 404), ("conflict", 409), ("unavailable", 503)],
)
async def test_status_shows_the_outcome(plausible: Path, outcome: ControlOutcome, status: int) -> None:
    async with (
        DataSyncService(plausible, control=OneAnswer(outcome)) as data,
        app_client(data, WebSettings(token=TOKEN), base_url=ADDRESS, headers=BEARER) as client,
    ):
        answer = await client.post("/api/v1/apps/hall/reload")
    assert (answer.status_code, answer.json()["detail"]) == (status, "The reason.")
    assert ("retry-after" in answer.headers) == (status == 503)


async def test_history_without_the_framework_cannot_be_controlled(data: DataSyncService) -> None:
    async with app_client(data, WebSettings(token=TOKEN), base_url=ADDRESS, headers=BEARER) as client:
        assert (await client.get("/api/v1/control")).json() == {"available": False, "apps": [], "paused_jobs": []}
        answer = await client.post("/api/v1/apps/hall/reload")
    assert answer.status_code == 503
    assert answer.json()["type"] == "urn:hassette:problem:unavailable"


async def test_present_state_lists_apps_and_paused_jobs(client: httpx.AsyncClient) -> None:
    await client.post("/api/v1/jobs/pause", json={"job": "hall.off"})
    await client.post("/api/v1/apps/hall/rehearse")
    state = (await client.get("/api/v1/control")).json()
    assert state["available"]
    assert state["apps"][0] == {"app": "hall", "enabled": True, "rehearses": True, "status": "running", "detail": ""}
    assert state["paused_jobs"] == [{"app": "hall", "instance": "hall", "name": "off"}]


@pytest.mark.parametrize("path", ["jobs/run", "apps/hall/reload", "errors/1/silence"])
async def test_action_without_the_token_is_refused(
    controlled: DataSyncService, control: MemoryControl, path: str
) -> None:
    async with app_client(controlled, WebSettings(token=TOKEN), base_url=ADDRESS) as client:
        assert (await client.post(f"/api/v1/{path}", json={})).status_code == 401
    async with app_client(controlled, WebSettings()) as client:
        assert (await client.post(f"/api/v1/{path}", json={"job": "hall.off"})).status_code == 403
    assert control.actions == []


async def browser(client: httpx.AsyncClient) -> str:
    """Sign in as a browser does. Return the key of a page."""
    del client.headers["authorization"]
    client.headers["origin"] = ADDRESS
    assert (await client.post("/login", data={"token": TOKEN})).status_code == 303
    found = re.search(r'name="key" value="([^"]+)"', (await client.get("/")).text)
    assert found is not None
    return found[1]


async def test_button_returns_to_its_page_with_the_result(client: httpx.AsyncClient, control: MemoryControl) -> None:
    key = await browser(client)
    fields = {"key": key, "action": "run_job", "target": "hall.hall.off", "next": "/jobs?since=7d&notice=old"}
    answer = await client.post("/control", data=fields)
    assert answer.status_code == 303
    assert control.runs == [("hall", "hall", "off")]
    assert control.actions[0].by.startswith("browser")
    location = answer.headers["location"]
    assert location.startswith("./jobs?since=7d&notice=")
    page = without_breaks((await client.get(location[1:])).text)
    assert "run_job hall.hall.off: done." in page
    assert f'notice={location.partition("notice=")[2]}"' not in page  # links do not keep the notice
    assert "done." not in (await client.get("/jobs?since=7d&notice=old")).text


@pytest.mark.parametrize(
    "next_",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "",
        "runs",
        "http:/evil",
        "/\r\nSet-Cookie: a=b",
        "/[",
    ],
)
async def test_button_never_redirects_to_another_site(client: httpx.AsyncClient, next_: str) -> None:
    key = await browser(client)
    answer = await client.post("/control", data={"key": key, "action": "reload_app", "target": "hall", "next": next_})
    assert answer.status_code == 303
    assert re.match(r"\./(\[)?\?notice=[\w-]+$", answer.headers["location"])


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"action": "explode", "target": "hall"}, 400),
        ({"target": "hall"}, 400),
        ({"action": "silence_error", "target": "1", "seconds": "soon"}, 400),
        ({"action": "silence_error", "target": "1"}, 400),
        ({"action": "silence_error", "target": "987654", "seconds": "60"}, 404),
    ],
)
async def test_wrong_form_is_a_page_with_the_reason(
    client: httpx.AsyncClient, control: MemoryControl, fields: dict[str, str], status: int
) -> None:
    key = await browser(client)
    answer = await client.post("/control", data={"key": key, **fields})
    assert (answer.status_code, answer.headers["content-type"]) == (status, "text/html; charset=utf-8")
    assert control.actions == []


async def test_form_with_two_values_of_a_field_changes_nothing(
    client: httpx.AsyncClient, control: MemoryControl
) -> None:
    key = await browser(client)
    fields = {"key": key, "action": "reload_app", "target": ["hall", "a/b"]}
    answer = await client.post("/control", data=fields)
    assert answer.status_code == 400
    assert "one value for each field, got several for &#39;target&#39;" in answer.text
    assert control.actions == []


async def test_type_of_a_form_is_read_in_any_case(client: httpx.AsyncClient) -> None:
    key = await browser(client)
    headers = {"content-type": "Application/X-WWW-Form-Urlencoded"}
    answer = await client.post("/control", content=f"key={key}&action=reload_app&target=hall", headers=headers)
    assert answer.status_code == 303


async def test_form_of_another_site_is_refused(client: httpx.AsyncClient, control: MemoryControl) -> None:
    await browser(client)
    for key in ("", "wrong"):
        fields = {"key": key, "action": "reload_app", "target": "hall"}
        answer = await client.post("/control", data=fields, headers={"origin": "https://evil.example"})
        assert answer.status_code == 403
    assert control.actions == []


async def test_refused_action_is_shown_as_a_problem_on_the_page(client: httpx.AsyncClient) -> None:
    key = await browser(client)
    answer = await client.post("/control", data={"key": key, "action": "reload_app", "target": "attic", "next": "/"})
    page = (await client.get(answer.headers["location"][1:])).text
    assert 'class="notice bad"' in page
    assert "app must be one of the apps, got &#39;attic&#39;." in page


def render(call: str, **values: object) -> str:
    """Render a macro of the buttons, as a page does."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("hassette_sync"), autoescape=True, undefined=jinja2.StrictUndefined
    )
    text = f'{{% from "controls.html" import job_actions, app_actions, silence_actions with context %}}{{{{ {call} }}}}'
    shared = {"can_control": True, "how_to_allow": "", "root": "../", "page_key": "the-key", "here": "/jobs?since=7d"}
    return environment.from_string(text).render({**shared, **values})


def actions_in(text: str) -> list[tuple[str, str]]:
    """Return the action and the target of each form. Each form has the key of the page and leads back to it."""
    forms = re.findall(r"<form.*?</form>", text, re.DOTALL)
    assert all('action="../control"' in form and 'name="key" value="the-key"' in form for form in forms)
    assert all('name="next" value="/jobs?since=7d"' in form for form in forms)
    found = [re.search(r'name="action" value="(.*?)".*?name="target" value="(.*?)"', form) for form in forms]
    return [(one[1], one[2]) for one in found if one is not None]


def test_buttons_fit_the_present_state() -> None:
    job = 'job_actions("hall", "up", name, paused)'
    named = "hall.up.&#34;&gt;&lt;b&gt;"
    assert actions_in(render(job, name='"><b>', paused=False)) == [("run_job", named), ("pause_job", named)]
    assert actions_in(render(job, name='"><b>', paused=True))[1] == ("resume_job", named)
    hall = MemoryApp(app="hall")
    verbs = ["reload_app", "rehearse_app", "disable_app"]
    assert actions_in(render("app_actions(state)", state=hall)) == [(verb, "hall") for verb in verbs]
    hall.rehearses = True
    assert ("end_rehearsal", "hall") in actions_in(render("app_actions(state)", state=hall))
    hall.enabled = False
    assert actions_in(render("app_actions(state)", state=hall)) == [("enable_app", "hall")]


def test_button_of_an_error_begins_or_ends_its_silence() -> None:
    def moment(at_us: int, *, seconds: bool) -> str:
        return f"at {at_us}"

    call = "silence_actions(group, moment, 100)"
    for until_us, verb in ((None, "silence_error"), (99, "silence_error"), (101, "end_silence")):
        group = {"id": "7", "silenced_until_us": until_us}
        text = render(call, group=group, moment=moment)
        assert actions_in(text) == [(verb, "7")]
        assert ("Silenced until at 101" in text) == (verb == "end_silence")


def test_page_without_control_has_no_buttons() -> None:
    assert "<form" not in render('job_actions("hall", "up", "off", false)', can_control=False)
    assert "<form" not in render("app_actions(state)", state=MemoryApp(app="hall"), can_control=False)


@pytest.mark.parametrize(
    ("text", "seconds"), [("30m", 1_800), ("2h", 7_200), ("7d", 604_800), (" 90s ", 90), ("366d", 31_622_400)]
)
def test_length_of_a_silence_has_a_unit(text: str, seconds: int) -> None:
    assert parse_length(text) == seconds


@pytest.mark.parametrize("text", ["", "2", "0h", "-2h", "2 h", "2w", "367d", "9" * 400 + "d", "١h", "1.5h"])
def test_wrong_length_of_a_silence_is_refused(text: str) -> None:
    with pytest.raises(BadQuestionError, match="for must be a time such as 30m, 2h or 7d"):
        parse_length(text)


@pytest.fixture
async def configuration(
    controlled: DataSyncService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Path]:
    """The configuration of a running Hassette."""
    for name in ("HOST", "PORT", "TOKEN"):
        monkeypatch.delenv(f"HASSETTE__SYNC__{name}", raising=False)
    async with WebService(controlled, WebSettings(port=0, token=TOKEN)) as service:
        assert service.url is not None
        file = tmp_path / "hassette.toml"
        port = service.url.rpartition(":")[2].strip("/")
        file.write_text(f'[sync]\nhost = "127.0.0.1"\nport = {port}\ntoken = "{TOKEN}"\n')
        yield file


def write(file: Path, text: str) -> None:
    file.write_text(text)


def replace(file: Path, before: str, after: str) -> str:
    """Replace a text in a file. Return the new content."""
    text = file.read_text().replace(before, after) if before else file.read_text()
    file.write_text(text)
    return text


async def run(command: TerminalCommand, arguments: Sequence[str], configuration: Path) -> int:
    return await asyncio.to_thread(command, [*arguments, "--config", str(configuration)])


async def test_terminal_controls_the_running_framework(
    configuration: Path, controlled: DataSyncService, control: MemoryControl, capsys: pytest.CaptureFixture[str]
) -> None:
    group = (await controlled.error_groups()).groups[0]
    for command, *arguments in (
        (job, "run", "hall.off"),
        (job, "pause", "hall.on/off 100 %"),
        (job, "resume", "hall.on/off 100 %"),
        *((app, verb, "hall") for verb in ("reload", "rehearse", "end-rehearsal", "disable", "enable")),
        (error, "silence", str(group.id), "--for", "2h"),
        (error, "end-silence", str(group.id)),
    ):
        assert await run(command, arguments, configuration) == 0
    assert [action.verb for action in control.actions] == [
        *("run_job", "pause_job", "resume_job", "reload_app", "rehearse_app", "end_rehearsal", "disable_app"),
        *("enable_app", "silence_error", "end_silence"),
    ]
    assert "run_job hall.off: done.\n" in capsys.readouterr().out


async def test_terminal_prints_the_reason_of_a_refusal(configuration: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert await run(app, ["reload", "attic"], configuration) == 1
    assert capsys.readouterr().err == "hassette app: app must be one of the apps, got 'attic'.\n"
    assert await run(error, ["silence", "7", "--for", "soon"], configuration) == 2
    replace(configuration, TOKEN, "another-secret-of-letters")
    assert await run(app, ["reload", "hall"], configuration) == 1
    complaint = capsys.readouterr().err
    assert "The token is wrong." in complaint
    assert "set HASSETTE__SYNC__TOKEN, or token in [sync] of hassette.toml" in complaint
    replace(configuration, 'token = "another-secret-of-letters"', "")
    assert await run(app, ["reload", "hall"], configuration) == 1
    assert "A token is required: set HASSETTE__SYNC__TOKEN" in capsys.readouterr().err


async def test_control_bytes_of_an_answer_do_not_reach_the_terminal(
    configuration: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await run(job, ["pause", f"hall.{CONTROL_BYTES}"], configuration) == 0
    assert await run(job, ["pause", f"hall.{CONTROL_BYTES}x"], configuration) == 1
    output = capsys.readouterr()
    assert "pause_job hall.off [31m" in output.out
    assert not set(output.out + output.err) & set("\x1b\x07\u202e")


async def test_token_of_the_terminal_may_have_any_letters(
    controlled: DataSyncService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HASSETTE__SYNC__TOKEN", token := "geheimnis-für-10-€-λ")
    async with WebService(controlled, WebSettings(port=0, token=token)) as service:
        monkeypatch.setenv("HASSETTE__SYNC__PORT", str(service.url).rstrip("/").rpartition(":")[2])
        assert await run(app, ["reload", "hall"], tmp_path / "hassette.toml") == 0


@pytest.mark.parametrize("reference", ['secret("page")', "!secret page"])
async def test_token_of_the_terminal_may_be_a_secret(configuration: Path, reference: str) -> None:
    replace(configuration, f'"{TOKEN}"', f"'{reference}'\n[hassette]\nsecrets_file = 'my.toml'")
    assert await run(app, ["reload", "hall"], configuration) == 1
    write(configuration.with_name("my.toml"), f'page = "{TOKEN}"\n')
    assert await run(app, ["reload", "hall"], configuration) == 0


async def test_environment_of_the_terminal_takes_precedence(
    configuration: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = re.search(r"port = (\d+)", replace(configuration, "", ""))
    assert port is not None
    monkeypatch.setenv("HASSETTE__SYNC__PORT", port[1])
    monkeypatch.setenv("hassette__sync__token", TOKEN)
    assert await run(app, ["reload", "hall"], tmp_path / "missing.toml") == 0


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[sync]\nport = 1\n", "Hassette does not answer at http://127.0.0.1:1/: "),
        ("[sync]\nport = 0\n", "port in [sync] must be from 1 to 65535, got '0'. Set it, or pass --url."),
        ("[sync]\ntoken = 7\n", "token in [sync] must be text, got int."),
        ("[sync\n", "hassette.toml cannot be read: "),
    ],
)
def test_terminal_explains_why_it_cannot_reach_the_framework(
    tmp_path: Path, text: str, problem: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HOST", "PORT", "TOKEN"):
        monkeypatch.delenv(f"HASSETTE__SYNC__{name}", raising=False)
    (tmp_path / "hassette.toml").write_text(text)
    assert app(["reload", "hall", "--config", str(tmp_path / "hassette.toml")]) == 1
    assert problem in capsys.readouterr().err


@pytest.mark.parametrize("url", ["ftp://a", "a:1", "file:///etc/passwd", "http://", "http://[", "http://a/?b"])
def test_address_of_the_terminal_must_be_one_of_the_web(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert app(["reload", "hall", "--url", url]) == 1
    assert "url must be an address such as http://127.0.0.1:8765/, got " in capsys.readouterr().err
