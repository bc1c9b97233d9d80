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
    ("url", "expected", "shown"),
    [
        ("", "starts with http:// or https://", ""),
        ("homeassistant.local:8123", "starts with http:// or https://", "homeassistant.local:8123"),
        ("ws://homeassistant.local:8123", "starts with http:// or https://", "ws://homeassistant.local:8123"),
        ("ftp://homeassistant.local", "starts with http:// or https://", "ftp://homeassistant.local"),
        ("http://", "with a host", "http://"),
        ("http://:8123", "with a host", "http://:8123"),
        ("http://home assistant:8123", "with a host", "http://home assistant:8123"),
        ("http://host:port", "with a valid host, and a port from 1 to 65535", "http://host:port"),
        ("http://host:99999", "with a valid host, and a port from 1 to 65535", "http://host:99999"),
        ("http://[::1", "with a valid host, and a port from 1 to 65535", "http://[::1"),
        ("http://host:0", "with a port from 1 to 65535", "http://host:0"),
        ("http://host/?kiosk", "without a ? or #", "http://host/?…"),
        ("http://host/#lovelace", "without a ? or #", "http://host/#…"),
    ],
)
def test_invalid_address_is_refused_with_a_valid_form_and_an_example(url: str, expected: str, shown: str) -> None:
    with pytest.raises(UrlError) as raised:
        parse_address(url)
    assert str(raised.value) == (
        f"home_assistant.url must be an address {'that ' if expected.startswith('starts') else ''}{expected},"
        f" such as http://homeassistant.local:8123, got {shown!r}"
    )
    assert isinstance(raised.value, FatalError)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://me:hunter2@host:8123", "http://…@host:8123"),
        ("http://me:hunter2@host:99999", "http://…@host:99999"),
        (" http://me:hunter2@host:8123/?token=hunter2", "http://…@host:8123/?…"),
        ("http://me:hun@ter2@host", "http://…@host"),
        ("http://me:123/hunter2@host", "http://…@host"),
        ("http://me:hunter2?hunter2@host", "http://…"),
        ("http://host/?token=hunter2", "http://host/?…"),
        ("http://host/#token=hunter2", "http://host/#…"),
        ("http://host/?mail=hunter2@hunter2", "http://…"),
        ("ftp://me:hunter2@host", "ftp://…@host"),
        ("ftp://host/?token=hunter2", "ftp://host/?…"),
        ("me:hunter2@host", "…@host"),
        ("http://[::1/?token=hunter2", "http://[::1/?…"),
    ],
)
def test_error_for_an_address_contains_no_password_and_no_token(url: str, shown: str) -> None:
    with pytest.raises(UrlError) as raised:
        parse_address(url)
    assert str(raised.value).endswith(f", got {shown!r}")
    assert "hunter2" not in str(raised.value)
