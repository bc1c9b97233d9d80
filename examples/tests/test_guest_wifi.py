import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import guest_wifi
import pytest

from hassette_core.testing import HomeUnderTest

REAL_ROUTER = guest_wifi.Router
SWITCH = "input_boolean.guest_wifi"


class FakeRouter:
    def __init__(self) -> None:
        self.states: list[str] = []
        self.threads: set[str] = set()
        self.works = True

    def connect(self, _host: str, _password: str) -> "FakeRouter":
        return self

    def set_guest_wifi(self, state: str) -> None:
        self.threads.add(threading.current_thread().name)
        if not self.works:
            raise OSError("the router answered 503 Service Unavailable")
        self.states.append(state)


@pytest.fixture(autouse=True)
def router(home: HomeUnderTest, monkeypatch: pytest.MonkeyPatch) -> FakeRouter:
    router = FakeRouter()
    monkeypatch.setattr(guest_wifi, "Router", router.connect)
    home.set(SWITCH, "off")
    home.add_app(guest_wifi.GuestWifi, switch=SWITCH, router="router.test", password="secret")  # noqa: S106
    return router


def test_router_follows_the_switch(home: HomeUnderTest, router: FakeRouter) -> None:
    home.set(SWITCH, "on")
    home.set(SWITCH, "off")
    assert router.states == ["off", "on", "off"]


def test_guest_wifi_goes_off_after_twelve_hours(home: HomeUnderTest, router: FakeRouter) -> None:
    home.set(SWITCH, "on")
    home.advance(hours=6)
    home.restart()
    home.advance(hours=6)
    assert home.state(SWITCH) == "off"
    assert router.states == ["off", "on", "on", "off"]


def test_switch_that_is_unavailable_does_not_change_the_router(home: HomeUnderTest, router: FakeRouter) -> None:
    home.set(SWITCH, "unavailable")
    assert router.states == ["off"]


def test_router_that_does_not_answer_is_a_failed_run_and_is_set_the_next_time(
    home: HomeUnderTest, router: FakeRouter
) -> None:
    router.works = False
    home.set(SWITCH, "on")
    assert "503" in str(home.runs("set_router")[-1].error)
    router.works = True
    home.set(SWITCH, "off")
    assert router.states == ["off", "off"]


def test_router_is_called_in_a_thread(home: HomeUnderTest, router: FakeRouter) -> None:
    loop_thread = home.run(lambda: threading.current_thread().name).result
    assert router.threads
    assert loop_thread not in router.threads


@pytest.mark.parametrize("status", [200, 403])
def test_request_has_the_password_and_its_refusal_is_an_error(status: int) -> None:
    received: list[tuple[str | None, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            received.append((self.headers["Authorization"], self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(status)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the name is that of the standard library
            """Log nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        router = REAL_ROUTER(f"127.0.0.1:{server.server_port}", "secret")
        if status == 200:
            router.set_guest_wifi("on")
        else:
            with pytest.raises(OSError, match="403"):
                router.set_guest_wifi("on")
        thread.join()
    assert received == [("secret", b"on")]
