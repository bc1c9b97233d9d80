"""Access: sessions of browsers, signing in and out, changes, and wrong tokens."""

import asyncio
import json
import logging
import re
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from hassette_sync import DataSyncService
from hassette_sync.settings import WebSettings
from support.waiting import patience
from support.web_clients import app_client

pytest.importorskip("fastapi")
from hassette_sync.web.browser_sessions import IDLE_S, LIFETIME_S, MAX_SESSIONS, BrowserSessions
from hassette_sync.web.page_keys import PageKeys
from hassette_sync.web.visitors import Visitor
from hassette_sync.web.wrong_tokens import WrongTokens, network_of

TOKEN = "a-secret-of-many-letters"
ADDRESS = "http://192.168.1.5:8765"


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1_000_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def guarded(data: DataSyncService) -> AsyncIterator[httpx.AsyncClient]:
    async with app_client(data, WebSettings(token=TOKEN), base_url=ADDRESS) as client:
        yield client


async def sign_in(client: httpx.AsyncClient) -> str:
    """Sign in as a browser; return the key on the next page."""
    answer = await client.post("/login", data={"token": TOKEN}, headers={"origin": ADDRESS})
    assert answer.status_code == 303
    return key_on(await client.get("/"))


def key_on(page: httpx.Response) -> str:
    assert page.status_code == 200
    found = re.search(r'name="key" value="([^"]+)"', page.text)
    assert found is not None
    return found[1]


def cookie_of(client: httpx.AsyncClient) -> dict[str, str]:
    """Return the header of the client's cookie, as another browser with a copy of it sends it."""
    return {"cookie": f"hassette_session={client.cookies['hassette_session']}"}


async def test_each_sign_in_has_another_random_id(data: DataSyncService) -> None:
    ids = set[str]()
    for _ in range(3):
        async with app_client(data, WebSettings(token=TOKEN), base_url=ADDRESS) as client:
            await sign_in(client)
            ids.add(client.cookies["hassette_session"])
    assert len(ids) == 3
    assert all(len(id_) >= 43 for id_ in ids)


async def test_sign_out_ends_the_session_on_the_server(guarded: httpx.AsyncClient) -> None:
    key = await sign_in(guarded)
    stolen = cookie_of(guarded)
    answer = await guarded.post("/logout", data={"key": key}, headers={"origin": ADDRESS})
    assert (answer.status_code, answer.headers["location"]) == (303, "./login")
    guarded.cookies.clear()
    assert (await guarded.get("/", headers=stolen)).status_code == 401


async def test_sign_out_of_one_browser_leaves_the_others_signed_in(guarded: httpx.AsyncClient) -> None:
    key = await sign_in(guarded)
    first = cookie_of(guarded)
    guarded.cookies.clear()
    await sign_in(guarded)
    second = cookie_of(guarded)
    guarded.cookies.clear()
    await guarded.post("/logout", data={"key": key}, headers=first)
    guarded.cookies.clear()
    assert (await guarded.get("/", headers=first)).status_code == 401
    guarded.cookies.clear()
    assert (await guarded.get("/", headers=second)).status_code == 200


@pytest.mark.parametrize("program", [False, True])
async def test_all_browsers_can_be_signed_out_at_once(guarded: httpx.AsyncClient, program: bool) -> None:
    key = await sign_in(guarded)
    stolen = cookie_of(guarded)
    if program:
        guarded.cookies.clear()
        answer = await guarded.post("/logout", data={"all": "1"}, headers={"authorization": f"Bearer {TOKEN}"})
    else:
        answer = await guarded.post("/logout", data={"all": "1", "key": key})
    assert answer.status_code == 303
    guarded.cookies.clear()
    assert (await guarded.get("/", headers=stolen)).status_code == 401


async def test_cookie_is_secure_behind_tls(guarded: httpx.AsyncClient) -> None:
    plain = await guarded.post("/login", data={"token": TOKEN})
    form = await guarded.get("/login")
    behind_tls = await guarded.post(
        "/login", data={"token": TOKEN, "key": key_on(form)}, headers={"origin": "https://home.example"}
    )
    assert "secure" not in plain.headers["set-cookie"].lower()
    assert "; secure" in behind_tls.headers["set-cookie"].lower()


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://192.168.1.5"},
        {"origin": ADDRESS, "sec-fetch-site": "cross-site"},
    ],
    ids=str,
)
async def test_page_of_another_site_cannot_sign_in_a_browser(
    guarded: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    answer = await guarded.post("/login", data={"token": TOKEN}, headers=headers)
    if headers["origin"] == ADDRESS:
        assert answer.status_code == 303  # the origin decides, not the hint
        return
    assert (answer.status_code, "set-cookie" in answer.headers) == (403, False)


@pytest.mark.parametrize("key", ["", "guessed", "x" * 86, "é", "A" * 300])
@pytest.mark.parametrize("origin", [ADDRESS, "http://evil.example", "null", None])
async def test_browser_changes_nothing_without_the_key_of_its_page(
    guarded: httpx.AsyncClient, key: str, origin: str | None
) -> None:
    await sign_in(guarded)
    headers = {} if origin is None else {"origin": origin}
    answer = await guarded.post("/logout", data={"key": key}, headers=headers)
    assert answer.status_code == 403
    assert (await guarded.get("/")).status_code == 200


async def test_key_of_another_visitor_is_refused(guarded: httpx.AsyncClient) -> None:
    other = key_on(await guarded.get("/login"))
    key = await sign_in(guarded)
    assert (await guarded.post("/logout", data={"key": other})).status_code == 403
    cross = await guarded.post("/logout", data={"key": key}, headers={"sec-fetch-site": "cross-site"})
    assert cross.status_code == 403
    assert (await guarded.post("/logout", data={"key": key})).status_code == 303


async def test_key_has_another_form_on_each_page(guarded: httpx.AsyncClient) -> None:
    keys = {await sign_in(guarded) for _ in range(2)} | {key_on(await guarded.get("/")) for _ in range(3)}
    assert len(keys) == 5


async def test_browser_without_a_session_changes_nothing(guarded: httpx.AsyncClient) -> None:
    key = key_on(await guarded.get("/login"))
    assert (await guarded.post("/logout", data={"key": key, "all": "1"})).status_code == 401
    shown = await guarded.post("/logout", data={"key": key}, headers={"accept": "text/html"})
    assert shown.headers["location"] == "./login?next=/"


@pytest.mark.parametrize(("allowed", "status"), [(False, 403), (True, 409)])
async def test_changes_need_a_token_unless_the_settings_allow_them_without_one(
    data: DataSyncService, allowed: bool, status: int
) -> None:
    async with app_client(data, WebSettings(control_without_token=allowed)) as client:
        answer = await client.post("/logout", headers={"content-type": "application/json"})
        assert answer.status_code == status
        if not allowed:
            assert "set token in [sync]" in answer.text
        else:
            forged = await client.post("/logout", headers={"origin": "http://evil.example"})
            simple = await client.post("/logout", headers={"content-type": "text/plain"}, content="key=x")
            assert (forged.status_code, simple.status_code) == (403, 403)


async def test_sessions_survive_a_restart_in_a_private_file(tmp_path: Path) -> None:
    file = tmp_path / "sessions.json"
    sessions = BrowserSessions(TOKEN, file)
    await sessions.load()
    id_ = await sessions.create()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert id_ not in file.read_text()
    assert TOKEN not in file.read_text()
    again = BrowserSessions(TOKEN, file)
    await again.load()
    assert again.find(id_) == sessions.find(id_) is not None
    assert PageKeys(lambda: again.page_secret).accepts(PageKeys(lambda: sessions.page_secret).new("x"), "x")


async def test_no_session_survives_a_change_of_the_token(tmp_path: Path) -> None:
    file = tmp_path / "sessions.json"
    sessions = BrowserSessions(TOKEN, file)
    id_ = await sessions.create()
    for token in ("another-secret-of-letters", TOKEN):
        again = BrowserSessions(token, file)
        await again.load()
        assert again.find(id_) is None


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b'{"salt": "zz"}', b"\xff\xfe", b'{"salt": "", "page_secret": ""}', b"[" * 99_999],
)
async def test_damaged_file_is_reported_and_replaced(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "sessions.json"
    file.write_bytes(content)
    sessions = BrowserSessions(TOKEN, file)
    await sessions.load()
    assert "Sessions of browsers cannot be read" in caplog.text
    id_ = await sessions.create()
    again = BrowserSessions(TOKEN, file)
    await again.load()
    assert again.find(id_) is not None


async def test_sessions_work_if_their_file_cannot_be_written(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    sessions = BrowserSessions(TOKEN, tmp_path / "missing" / "sessions.json")
    id_ = await sessions.create()
    assert sessions.find(id_) is not None
    assert "Sessions of browsers cannot be stored" in caplog.text


async def test_session_ends_with_time(tmp_path: Path) -> None:
    clock = Clock()
    sessions = BrowserSessions(TOKEN, tmp_path / "sessions.json", clock)
    unused, used = await sessions.create(), await sessions.create()
    for _ in range(LIFETIME_S // IDLE_S + 1):
        assert sessions.find(used) is not None
        clock.now += IDLE_S - 1
    await sessions.close()
    assert sessions.find(unused) is None
    assert sessions.find(used) is None
    assert len(sessions) == 0


async def test_number_of_sessions_is_limited_and_the_least_used_end_first() -> None:
    clock = Clock()
    sessions = BrowserSessions(TOKEN, None, clock)
    ids = list[str]()
    for _ in range(MAX_SESSIONS + 5):
        clock.now += 1
        ids.append(await sessions.create())
    assert len(sessions) == MAX_SESSIONS
    assert [sessions.find(id_) is not None for id_ in ids] == [False] * 5 + [True] * MAX_SESSIONS


async def test_end_of_a_session_wakes_its_live_connections() -> None:
    sessions = BrowserSessions(TOKEN)
    keys = [sessions.find(await sessions.create()) for _ in range(2)]
    waiting = [asyncio.ensure_future(sessions.wait_for_end(str(key))) for key in keys]
    await asyncio.sleep(0)
    await sessions.end(str(keys[0]))
    await asyncio.wait_for(waiting[0], patience(5))
    assert not waiting[1].done()
    await sessions.end_all()
    await asyncio.wait_for(waiting[1], patience(5))


def test_wrong_tokens_are_delayed_for_their_address_only_and_forgotten_with_time() -> None:
    clock = Clock()
    tokens = WrongTokens(clock=clock, log_interval_s=60)

    async def guess(address: str, count: int) -> None:
        for _ in range(count):
            tokens.add(address)
        tokens.close()

    asyncio.run(guess("192.0.2.1", 10))
    assert tokens.delay_s("192.0.2.1") == 0
    asyncio.run(guess("192.0.2.1", 50))
    assert tokens.delay_s("192.0.2.1") == 4
    assert tokens.delay_s("192.0.2.2") == 0
    clock.now += 1_000
    assert tokens.delay_s("192.0.2.1") == 0


def test_guesses_from_many_addresses_delay_every_check_but_never_for_long() -> None:
    tokens = WrongTokens(clock=Clock())

    async def guess() -> None:
        for number in range(5_000):
            tokens.add(f"10.0.{number // 250}.{number % 250}")
        tokens.close()

    asyncio.run(guess())
    assert tokens.delay_s("192.0.2.9") == 4


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("fe80::1%eth0", "fe80::2%eth1", True),
        ("<script>", "another text", True),
        ("192.0.2.1", "192.0.2.2", False),
    ],
)
def test_addresses_of_one_network_count_as_one(one: str, other: str, same: bool) -> None:
    assert (network_of(one) == network_of(other)) is same


async def test_wrong_tokens_are_logged_once_with_their_number(caplog: pytest.LogCaptureFixture) -> None:
    tokens = WrongTokens(clock=Clock())
    for _ in range(60):
        tokens.add("192.0.2.1")
    assert len(caplog.records) == 1
    tokens.close()
    attempts = [vars(record)["attempts"] for record in caplog.records]
    assert attempts == [1, 59]
    assert all(record.levelno == logging.WARNING for record in caplog.records)


async def test_right_token_is_accepted_while_others_guess(data: DataSyncService) -> None:
    from hassette_sync.web.application import create_app

    tokens = WrongTokens(max_delay_s=0.01)
    app = create_app(data, WebSettings(token=TOKEN), wrong_tokens=tokens)
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url=ADDRESS) as client:
        wrong = [client.get("/api/v1/status", headers={"authorization": f"Bearer {n}"}) for n in range(300)]
        assert {answer.status_code for answer in await asyncio.gather(*wrong)} == {401}
        assert tokens.delay_s("127.0.0.1") == 0.01
        right = await client.get("/api/v1/status", headers={"authorization": f"Bearer {TOKEN}"})
        assert right.status_code == 200
        assert (await client.post("/login", data={"token": "wrong"})).status_code == 401
        assert (await client.post("/login", data={"token": TOKEN})).status_code == 303
    tokens.close()


@pytest.mark.parametrize(
    ("addresses", "expected"),
    [((), "token (127.0.0.1)"), (("127.0.0.1",), "Jürgen"), (("127.0.0.2",), "token (127.0.0.1)")],
)
async def test_name_of_a_user_is_accepted_from_the_ingress_only(
    data: DataSyncService, addresses: tuple[str, ...], expected: str
) -> None:
    from fastapi import FastAPI

    from hassette_sync.web.application import create_app
    from hassette_sync.web.changes import Changer

    app: FastAPI = create_app(data, WebSettings(token=TOKEN, ingress_addresses=addresses))

    @app.post("/api/v1/who")
    async def who(who: Changer) -> str:  # pyright: ignore[reportUnusedFunction]  a route
        return who

    headers = {"authorization": f"Bearer {TOKEN}", "x-remote-user-name": "anna"}
    headers["x-remote-user-display-name"] = "Jürgen".encode()  # Home Assistant sends UTF-8
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=ADDRESS) as client:
        assert json.loads((await client.post("/api/v1/who", headers=headers)).text) == expected


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
async def test_token_with_letters_outside_ascii_is_accepted(data: DataSyncService, encoding: str) -> None:
    token = "geheimnis-für-später"
    async with app_client(data, WebSettings(token=token)) as client:
        for name, value in (("authorization", f"Bearer {token}"), ("x-hassette-token", token)):
            answer = await client.get("/api/v1/status", headers={name: value.encode(encoding)})
            assert answer.status_code == 200


def test_name_of_a_browser_does_not_contain_its_id() -> None:
    visitor = Visitor(kind="session", address="192.0.2.1", session="0123456789abcdef")
    assert visitor.name == "browser 012345 (192.0.2.1)"


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"control_without_token": "yes"}, "control_without_token must be true or false, got 'yes'"),
        ({"control_without_token": 1}, "control_without_token must be true or false, got 1"),
        ({"ingress_addresses": "172.30.32.2"}, "ingress_addresses must be a list of texts"),
        ({"ingress_addresses": ["supervisor"]}, "ingress_addresses must be IP addresses .* got 'supervisor'"),
    ],
)
def test_invalid_setting_of_access_names_its_key(settings: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        WebSettings.from_mapping(settings)


async def test_forged_prefix_does_not_open_a_guarded_page(guarded: httpx.AsyncClient) -> None:
    for prefix, path in (
        ("/static", "/static/api/v1/status"),
        ("/login", "/login/runs"),
        ("/health/live", "/health/live/api/v1/status"),
        ("/health", "/health/api/v1/status"),
    ):
        for header in ("x-ingress-path", "x-forwarded-prefix"):
            answer = await guarded.get(path, headers={header: prefix})
            assert answer.status_code == 401, (prefix, path)
