"""Search ignores case in any alphabet and any form of Unicode, and has no wildcards."""

import sqlite3
import unicodedata
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hassette_store.search_form import search_form
from hassette_sync import BadQuestionError, DataSyncService, RunFilter
from hassette_sync.cli import main
from hassette_sync.settings import WebSettings
from support.history import HOUR, SECOND, NewHistory

pytestmark = pytest.mark.heavy

PAIRS = [
    ("Licht Küche", "KÜCHE"),
    ("Licht KÜCHE", "küche"),
    ("Küche", unicodedata.normalize("NFD", "küche")),
    (unicodedata.normalize("NFD", "Küche"), "KÜCHE"),
    ("Gießkanne", "GIESSKANNE"),
    ("GIESSKANNE", "gieß"),
    ("STRAẞE", "straße"),
    ("İSTANBUL", "istanbul"),
    ("istanbul", "İSTANBUL"),
    ("ISPARTA", "ısparta"),
    ("kapı", "KAPI"),
    ("ΟΔΥΣΣΕΥΣ", "Οδυσσεύς".replace("ύ", "υ")),
    ("οδυσσευς", "ΣΣΕΥΣ"),
    ("Ｌｉｇｈｔ", "light"),
    ("light", "ＬＩＧＨＴ"),
    ("Спальня", "СПАЛЬНЯ"),
    ("ﬁlter", "FILTER"),
    ("25 ℃", "25 °c"),
    ("ガレージ", "ｶﾞﾚｰｼﾞ"),
    ("Wohn\u00adzimmer", "wohnzimmer"),
    ("C:\\Temp", "c:\\temp"),
    ("50 % open", "50 %"),
    ("a_b", "A_B"),
]


@pytest.mark.parametrize(("text", "query"), PAIRS)
@pytest.mark.parametrize(
    "place", ["app", "name", "topic", "schedule", "entity", "event", "type", "message", "repeated"]
)
async def test_text_is_found_in_any_case_and_form(
    new_history: NewHistory, now_us: int, place: str, text: str, query: str
) -> None:
    with new_history() as history:
        history.session(now_us - HOUR)
        plain = history.listener("plain", "on_plain", "state_changed.plain")
        boom = ("exception", text if place == "type" else "ValueError", text if place == "message" else "plain")
        if place == "schedule":
            other = history.job("other", "job", text)
        else:
            other = history.listener(
                text if place == "app" else "other",
                text if place == "name" else "on_it",
                text if place == "topic" else "t",
            )
        found = history.run(
            other, now_us - SECOND, job=place == "schedule", entity_id=text if place == "entity" else None,
            event_type=text if place == "event" else "state_changed",
            status="error" if place in ("type", "message") else "success",
            error=boom if place in ("type", "message") else None,
        )  # fmt: skip
        history.run(plain, now_us - SECOND, status="error", error=("exception", "OSError", "not searched"))
        if place == "repeated":
            found = history.run(
                plain, now_us - SECOND, status="error", error=("exception", "OSError", f"another {text}")
            )
    async with DataSyncService(history.path) as data:
        assert [run.id for run in (await data.runs(RunFilter(text=query))).runs] == [found]
        assert [run.id for run in (await data.runs(RunFilter(text=f" {query}  "))).runs] == [found]
        assert (await data.runs(RunFilter(text=f"{query}x"))).runs == ()


@pytest.mark.parametrize("query", ["%", "_", "on_motio_", "\\", "'", '"', "?", "[a-z]", "(", "--", "\0"])
async def test_wildcards_and_quotes_are_literal(data: DataSyncService, query: str) -> None:
    for run in (await data.runs(RunFilter(text=query))).runs:
        shown = run.model_dump_json()
        assert query in shown, shown


async def test_accents_are_not_ignored(new_history: NewHistory, now_us: int) -> None:
    with new_history() as history:
        history.session(now_us - HOUR)
        history.run(history.listener("küche", "on_it", "t"), now_us - SECOND)
    async with DataSyncService(history.path) as data:
        assert (await data.runs(RunFilter(text="kuche"))).runs == ()


async def test_title_of_a_handler_is_found_as_the_pages_show_it(data: DataSyncService) -> None:
    (run, *_) = (await data.runs(RunFilter(app="motion_light"))).runs
    found = await data.runs(RunFilter(text=run.registration.title.upper()))
    assert {one.registration.title for one in found.runs} == {run.registration.title}


async def test_entity_and_app_of_another_case_are_found_unless_one_matches_exactly(
    new_history: NewHistory, now_us: int
) -> None:
    with new_history() as history:
        history.session(now_us - HOUR)
        kitchen = history.run(history.listener("Küche", "on_it", "t"), now_us - 2 * SECOND, entity_id="light.küche")
        both = [
            history.run(history.listener(app, "on_it", "t"), now_us - SECOND, entity_id=entity)
            for app, entity in (("hall", "light.hall"), ("Hall", "light.Hall"))
        ]
    async with DataSyncService(history.path) as data:
        assert [run.id for run in (await data.runs(RunFilter(app="KÜCHE"))).runs] == [kitchen]
        assert [run.id for run in (await data.runs(RunFilter(entity_id="Light.KÜCHE"))).runs] == [kitchen]
        assert [run.id for run in (await data.runs(RunFilter(app="hall"))).runs] == both[:1]
        assert [run.id for run in (await data.runs(RunFilter(entity_id="light.Hall"))).runs] == both[1:]
        assert [one.app for one in (await data.registrations(app="küche")).registrations] == ["Küche"]


async def test_invalid_bytes_of_a_damaged_file_do_not_end_a_search(new_history: NewHistory, now_us: int) -> None:
    with new_history() as history:
        history.session(now_us - HOUR)
        run = history.run(history.listener("app", "on_it", "t"), now_us - SECOND, entity_id="light.hall")
        with closing(sqlite3.connect(history.path)) as db:
            db.execute("INSERT INTO names (id, name) VALUES (999, CAST(x'c3ff6c69' AS TEXT))")
            db.commit()
    async with DataSyncService(history.path) as data:
        assert [one.id for one in (await data.runs(RunFilter(text="HALL"))).runs] == [run]
        assert (await data.runs(RunFilter(entity_id="light.other"))).runs == ()


def test_arguments_that_are_not_utf_8_find_nothing(
    new_history: NewHistory, now_us: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with new_history() as history:
        history.session(now_us - HOUR)
        history.run(history.listener("app", "on_it", "t"), now_us - SECOND, entity_id="light.hall")
    for option in ("--text", "--app", "--entity"):
        assert main(["runs", option, "k\udcffche", "--db", str(history.path)]) == 0
        assert "No run matches" in capsys.readouterr().out


async def test_page_searches_as_the_service_does(new_history: NewHistory, now_us: int) -> None:
    httpx = pytest.importorskip("httpx")
    application = pytest.importorskip("hassette_sync.web.application", exc_type=ImportError)
    with new_history() as history:
        history.session(now_us - HOUR)
        run = history.run(history.listener("Küche", "on_it", "t"), now_us - SECOND, entity_id="light.hall")
    async with DataSyncService(history.path) as data:
        transport = httpx.ASGITransport(app=application.create_app(data, WebSettings()))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8765") as client:
            for asked in ({"text": "KÜCHE"}, {"app": "kÜche"}, {"entity": "LIGHT.hall"}):
                assert f'data-id="{run}"' in (await client.get("/runs", params=asked)).text, asked
            too_long = await client.get("/api/v1/runs", params={"text": "x" * 201})
    assert (too_long.status_code, too_long.json()["detail"]) == (400, "text must have at most 200 characters, got 201.")


def test_text_that_is_too_long_is_refused() -> None:
    with pytest.raises(BadQuestionError, match="text must have at most 200 characters, got 201"):
        RunFilter(text="x" * 201)


E_ACUTE = "e\u0301"


@given(st.lists(st.sampled_from("aZéÀßİıςΣΆЙё°…→ガ中µªſŉǅ"), max_size=8).map("".join))
def test_form_of_a_text_does_not_depend_on_the_way_to_compute_it(text: str) -> None:
    # With a separate accent, the whole text is converted in the slower way.
    assert f"{search_form(text)}{search_form(E_ACUTE)}" == search_form(text + E_ACUTE)


@given(st.text() | st.text(alphabet="iIİı\u0307\u0326\u00adςΣσßẞᾳ\u0345\u0301ﬁ"))
def test_form_of_a_text_is_the_form_of_its_normal_forms(text: str) -> None:
    form = search_form(text)
    for variant in (unicodedata.normalize("NFD", text), unicodedata.normalize("NFC", text), form):
        assert search_form(variant) == form


def test_every_letter_has_the_form_of_its_capital() -> None:
    for code in (*range(0xD800), *range(0xE000, 0x30000)):
        letter = chr(code)
        form = search_form(letter)
        assert search_form(letter.upper()) == search_form(letter.lower()) == search_form(form) == form, hex(code)


@pytest.mark.parametrize(("text", "found"), [("unavail", 1), ("HAUSE", 1), ("21.5", 0), ("on", 0), ("offline", 0)])
async def test_run_is_found_by_the_state_of_its_trigger_unless_it_is_a_number(
    new_history: NewHistory, now_us: int, text: str, found: int
) -> None:
    with new_history() as history:
        handler = history.listener("app", "x", "t")
        history.session(now_us - HOUR)
        for old, new in (("offline", "unavailable"), ("x", "zu Hause"), ("x", "21.5"), ("x", "on")):
            history.run(handler, now_us - SECOND, event_type="e", old_state=old, new_state=new)
    async with DataSyncService(history.path) as data:
        assert len((await data.runs(RunFilter(text=text))).runs) == found
