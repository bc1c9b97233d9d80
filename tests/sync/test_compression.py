"""Compression of answers, and caches of static files."""

import gzip
import re
from collections.abc import AsyncIterator

import httpx
import pytest

from hassette_sync import DataSyncService
from hassette_sync.settings import WebSettings
from support.web_clients import app_client

pytest.importorskip("fastapi")
from hassette_sync.web.compression import encoding_for


@pytest.fixture
async def client(data: DataSyncService) -> AsyncIterator[httpx.AsyncClient]:
    async with app_client(data) as client:
        yield client


async def raw(client: httpx.AsyncClient, path: str, accepted: str) -> tuple[httpx.Response, bytes]:
    """Return an answer and its bytes as they were sent."""
    async with client.stream("GET", path, headers={"accept-encoding": accepted}) as answer:
        return answer, b"".join([chunk async for chunk in answer.aiter_raw()])


@pytest.mark.parametrize(
    "path", ["/", "/runs", "/api/v1/overview", "/api/v1/openapi.json", "/static/hassette.css", "/metrics", "/nowhere"]
)
async def test_long_text_is_compressed(client: httpx.AsyncClient, path: str) -> None:
    plain, whole = await raw(client, path, "identity")
    answer, data = await raw(client, path, "gzip")
    assert (plain.headers.get("content-encoding"), answer.headers["content-encoding"]) == (None, "gzip")
    assert answer.headers["content-length"] == str(len(data))
    assert len(data) < 0.6 * len(whole)
    assert "Accept-Encoding" in answer.headers["vary"]
    assert "Accept-Encoding" in plain.headers["vary"]
    # Times and keys differ between two answers.
    assert abs(len(gzip.decompress(data)) - len(whole)) < 300


@pytest.mark.parametrize("path", ["/health/live", "/api/v1/running", "/api/v1/runs/1"])
async def test_small_answer_is_not_compressed(client: httpx.AsyncClient, path: str) -> None:
    answer, _ = await raw(client, path, "gzip")
    assert "content-encoding" not in answer.headers


@pytest.mark.parametrize(
    ("accepted", "is_compressed"),
    [
        ("gzip", True),
        ("GZip, deflate", True),
        ("*", True),
        ("gzip;q=0.5", True),
        ("gzip; q=0", False),
        ("gzip;q=0, *;q=1", None),
        ("*;q=0", False),
        ("identity", False),
        ("gzip;q=high", False),
        ("", False),
        (";;,,", False),
    ],
)
def test_client_decides_about_compression(accepted: str, is_compressed: bool | None) -> None:
    found = encoding_for(accepted)
    if is_compressed is None:
        assert found != "gzip"
    else:
        assert (found is not None) is is_compressed


async def test_static_files_with_their_version_are_kept_for_a_year(client: httpx.AsyncClient) -> None:
    page = (await client.get("/")).text
    files = re.findall(r'(?:href|src)="\./(static/[^"]+\?v=[^"]+)"', page)
    assert len(files) >= 2
    for file in files:
        answer = await client.get(f"/{file}")
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"


@pytest.mark.parametrize(
    "address", ["/static/live.js", "/static/live.js?v=", "/static/live.js?v=old", "/static/icon.svg"]
)
@pytest.mark.parametrize("accepted", ["gzip", "identity"])
async def test_static_file_without_its_version_is_asked_for_again(
    client: httpx.AsyncClient, address: str, accepted: str
) -> None:
    first, _ = await raw(client, address, accepted)
    assert first.headers["cache-control"] == "no-cache"
    headers = {"if-none-match": first.headers["etag"], "accept-encoding": accepted}
    again = await client.get(address, headers=headers)
    assert (again.status_code, again.content) == (304, b"")
    assert (await client.get(address, headers={"if-none-match": '"other"'})).status_code == 200


async def test_missing_static_file_is_not_kept(client: httpx.AsyncClient) -> None:
    answer = await client.get("/static/nothing.js?v=1")
    assert (answer.status_code, answer.headers["cache-control"]) == (404, "no-store")


async def test_no_secret_has_the_same_text_on_two_pages(data: DataSyncService) -> None:
    # Otherwise the length of a compressed page would reveal it next to a text from the address.
    settings = WebSettings(token="a-secret-of-many-letters")
    async with app_client(data, settings) as client:
        await client.post("/login", data={"token": settings.token})
        one, other = [(await client.get("/runs?text=guess")).text for _ in range(2)]
    for secret in (str(settings.token), client.cookies["hassette_session"]):
        assert secret not in one
    keys = [re.findall(r'(?:name="key" value|data-key)="([^"]{20,})"', page) for page in (one, other)]
    assert len(keys[0]) >= 2
    assert not set(keys[0]) & set(keys[1])
