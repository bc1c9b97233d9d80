"""Parsing the address of Home Assistant."""

import pytest

from hassette_core.errors import FatalError, UrlError
from hassette_core.link import parse_address


@pytest.mark.parametrize(
    ("url", "clean", "websocket"),
    [
        (
            "http://homeassistant.local:8123",
            "http://homeassistant.local:8123",
            "ws://homeassistant.local:8123/api/websocket",
        ),
        (
            "http://homeassistant.local:8123/",
            "http://homeassistant.local:8123",
            "ws://homeassistant.local:8123/api/websocket",
        ),
        (" https://ha.example.org ", "https://ha.example.org", "wss://ha.example.org/api/websocket"),
        ("http://127.0.0.1:8123/api/", "http://127.0.0.1:8123", "ws://127.0.0.1:8123/api/websocket"),
        ("http://[::1]:8123", "http://[::1]:8123", "ws://[::1]:8123/api/websocket"),
        ("https://proxy.example/http/ha", "https://proxy.example/http/ha", "wss://proxy.example/http/ha/api/websocket"),
    ],
)
def test_address_of_the_websocket_api_is_derived(url: str, clean: str, websocket: str) -> None:
    assert parse_address(url) == (clean, websocket)


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("", "does not start with http"),
        ("homeassistant.local:8123", "does not start with http"),
        ("ws://homeassistant.local:8123", "does not start with http"),
        ("ftp://homeassistant.local", "does not start with http"),
        ("http://", "has no host"),
        ("http://:8123", "has no host"),
        ("http://home assistant:8123", "has no host"),
        ("http://host:port", "cannot be parsed"),
        ("http://host:99999", "cannot be parsed"),
        ("http://host:0", "has port 0"),
        ("http://[::1", "cannot be parsed"),
        ("http://host/?token=abc", "contains a ?"),
        ("http://host/#lovelace", "or a #"),
        ("http://me:hunter2@host:8123", "user name or password"),
    ],
)
def test_invalid_address_is_refused_with_the_reason_and_an_example(url: str, problem: str) -> None:
    with pytest.raises(UrlError) as raised:
        parse_address(url)
    text = str(raised.value)
    assert problem in text
    assert "http://homeassistant.local:8123" in text
    assert isinstance(raised.value, FatalError)
    assert "hunter2" not in text
