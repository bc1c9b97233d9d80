"""Each page is small: with its scripts and styles, at most 100 kB are sent."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from support.many_rows import write_many_names
from support.patient_data import patient_data
from support.web_clients import app_client

pytest.importorskip("fastapi")

MAX_BYTES = 100_000


@pytest.fixture
async def client(plausible: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with patient_data(plausible) as data, app_client(data) as client:
        yield client


async def sent_bytes(client: httpx.AsyncClient, address: str) -> int:
    """Return the size of a compressed answer."""
    async with client.stream("GET", address, headers={"accept-encoding": "gzip"}) as answer:
        assert answer.status_code == 200
        return len(b"".join([chunk async for chunk in answer.aiter_raw()]))


async def weight(client: httpx.AsyncClient, address: str) -> int:
    """Return the size of a page with all files that it loads. All of them are from this server."""
    text = (await client.get(address)).text
    files = set(re.findall(r'<(?:link|script|img)\b[^>]*\b(?:href|src)="([^"]+)"', text))
    assert len(files) >= 2
    assert not [file for file in files if "//" in file]
    return await sent_bytes(client, address) + sum(
        [await sent_bytes(client, f"/{file[file.index('static/') :]}") for file in files]
    )


@pytest.mark.parametrize(
    "address",
    [
        *("/", "/apps", "/apps/energy", "/handlers", "/jobs", "/runs", "/errors", "/sessions", "/logs", "/events"),
        *("/compare", "/not-run", "/runs?since=365d", "/?since=365d", "/login"),
    ],
)
async def test_page_with_all_that_it_loads_is_small(client: httpx.AsyncClient, address: str) -> None:
    assert await weight(client, address) <= MAX_BYTES


async def test_page_of_one_run_error_and_handler_is_small(client: httpx.AsyncClient) -> None:
    for kind in ("runs", "errors", "registrations"):
        page = (await client.get({"registrations": "/handlers"}.get(kind, f"/{kind}?since=30d"))).text
        found = re.search(rf'"[./]*({kind}/[0-9]+)', page)
        assert found is not None, kind
        assert await weight(client, f"/{found[1]}") <= MAX_BYTES


@pytest.mark.heavy
async def test_page_with_a_thousand_jobs_is_small(tmp_path: Path) -> None:
    write_many_names(tmp_path / "hassette.db", 3_000)
    async with patient_data(tmp_path / "hassette.db") as data, app_client(data) as client:
        assert (await client.get("/jobs")).text.count("off_0") >= 1_000
        assert await weight(client, "/jobs") <= MAX_BYTES
