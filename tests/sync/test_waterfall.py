"""A run with its causes and effects on one time axis."""

import json
from pathlib import Path

import pytest

from hassette_sync import DataSyncService, NotFoundError
from hassette_sync.answers.waterfall import Waterfall
from support.history import BOOM, HOUR, MINUTE, SECOND, History, NewHistory, facts
from support.patient_data import patient_data

MS = 1_000


def call(
    context: str | None, service: str = "light.turn_on", target: str = "light.hall", **more: object
) -> dict[str, object]:
    return {"service": service, "target": json.dumps({"entity_id": target}), "context_id": context, **more}


async def waterfall(path: Path, run_id: int) -> Waterfall:
    async with patient_data(path) as data:
        return await data.waterfall(run_id)


def shape(answer: Waterfall) -> list[tuple[int, str, str]]:
    return [(row.depth, row.kind, row.title) for row in answer.rows]


def chained(history: History, at_us: int, length: int, *, context: str = "c", parent: bool = False) -> list[int]:
    """Write runs of which each calls a service that triggers the next one."""
    handlers = [
        history.listener(f"app{number}", "on_change", f"state_changed.light.l{number}") for number in range(length)
    ]
    return [
        history.run(
            handler, at_us + number * 100 * MS, duration_us=50 * MS, entity_id=f"light.l{number}", old_state="off",
            new_state="on", context_id=f"{context}{number}" + ("x" if parent and number else ""),
            parent_id=f"{context}{number}" if parent and number else None,
            user_id="me" if number else None, calls=[call(f"{context}{number + 1}", target=f"light.l{number + 1}")],
        )
        for number, handler in enumerate(handlers)
    ]  # fmt: skip


async def test_first_event_is_not_a_device_that_changed_by_itself_if_its_cause_is_not_known(
    new_history: NewHistory, now_us: int
) -> None:
    with new_history() as history:
        history.session(now_us - HOUR)  # without the user of Hassette, causes are not recorded
        (run_id,) = chained(history, now_us - MINUTE, 1)
    assert (await waterfall(history.path, run_id)).rows[0].cause == "unknown"


@pytest.mark.parametrize("parent", [False, True], ids=["same context", "child context"])
async def test_each_run_of_a_chain_has_the_same_waterfall(new_history: NewHistory, now_us: int, parent: bool) -> None:
    with new_history() as history:
        history.session(now_us - HOUR, facts=facts(user="me"))
        ids = chained(history, now_us - MINUTE, 4, parent=parent)
    answers = [await waterfall(history.path, id_) for id_ in ids]
    assert [row.run.id for row in answers[0].rows if row.run] == ids
    assert [row.depth for row in answers[0].rows if row.run] == [1, 4, 7, 10]
    for answer, id_ in zip(answers, ids, strict=True):
        assert answer.rows == answers[0].rows
        assert (answer.run_id, answer.first_run_id) == (id_, ids[0])
        assert (answer.since_us, answer.until_us) == (answers[0].since_us, answers[0].until_us)
    assert answers[0].rows[0].cause == "device"
    assert answers[1].sentence.startswith(
        "app0.on_change called light.turn_on and light.l1 changed from off to on, so app1.on_change ran for 50 ms."
    )


async def test_chain_continues_over_a_restart(new_history: NewHistory, now_us: int) -> None:
    with new_history() as history:
        first = history.session(now_us - 2 * HOUR, now_us - HOUR, "clean")
        second = history.session(now_us - HOUR + SECOND)
        cause = history.listener("gate", "on_button", "state_changed.input_button.gate")
        effect = history.listener("lamp", "on_gate", "state_changed.cover.gate")
        a = history.run(
            cause,
            now_us - HOUR,
            session_id=first,
            entity_id="input_button.gate",
            new_state="1",
            calls=[call("c1", "cover.open_cover", "cover.gate")],
        )
        b = history.run(
            effect, now_us - HOUR + 20 * SECOND, session_id=second, entity_id="cover.gate", old_state="closed",
            new_state="open", context_id="c1", user_id="me", missed=True,
        )  # fmt: skip
    answers = [await waterfall(history.path, id_) for id_ in (a, b)]
    assert answers[0].rows == answers[1].rows
    assert [row.run.id for row in answers[0].rows if row.run] == [a, b]
    assert "cover.gate had changed from closed to open while Hassette was not connected" in answers[1].sentence


async def test_rows_have_log_lines_and_calls_in_the_order_of_time(new_history: NewHistory, now_us: int) -> None:
    with new_history() as history:
        history.session(now_us - HOUR)
        handler = history.listener("app", "on_change", "state_changed.light.a")
        run = history.run(
            handler, now_us - MINUTE, duration_us=100 * MS, waited_us=2 * MS, entity_id="light.a", old_state="off",
            new_state="on", logs=[(30, "first"), (20, "second")],
            calls=[
                call("c1", data='{"brightness": 40}', confirmed_us=90 * MS),
                call(None, "notify.phone", error="no route"),
            ],
        )  # fmt: skip
    answer = await waterfall(history.path, run)
    assert shape(answer) == [
        (0, "event", "light.a off → on"),
        (1, "run", "app.on_change"),
        (2, "log", "first"),
        (2, "call", "light.turn_on → light.hall"),
        (2, "call", "notify.phone → light.hall"),
        (2, "log", "second"),
    ]
    event, row = answer.rows[:2]
    assert event.at_us == row.at_us - 2 * MS
    assert answer.rows[3].detail == '{"brightness": 40}'
    assert answer.rows[4].detail == "no route"
    assert answer.sentence == (
        "light.a changed from off to on, so app.on_change ran for 100 ms. "
        "It called light.turn_on for light.hall, confirmed after 90 ms. It made 1 other call."
    )


async def test_runs_of_one_event_share_its_row(new_history: NewHistory, now_us: int) -> None:
    with new_history() as history:
        history.session(now_us - HOUR)
        at_us = now_us - MINUTE
        ids = [
            history.run(
                history.listener(f"app{number}", "on_switch", "state_changed.switch.fan"), at_us + number,
                new_state="on",
                entity_id="switch.fan", old_state="off", context_id="press", user_id="anna",
            )
            for number in range(3)
        ]  # fmt: skip
    answers = [await waterfall(history.path, id_) for id_ in ids]
    assert {answer.rows for answer in answers} == {answers[0].rows}
    assert shape(answers[0]) == [
        (0, "origin", "The user anna…"),
        (1, "event", "switch.fan off → on"),
        *((2, "run", f"app{number}.on_switch") for number in range(3)),
    ]
    assert answers[0].rows[0].cause == "person"
    assert answers[0].sentence.startswith(
        "The user anna… caused it: switch.fan changed from off to on, so app0.on_switch ran"
    )


async def test_run_at_the_start_of_an_app_is_not_an_effect_of_the_last_change(
    new_history: NewHistory, now_us: int
) -> None:
    with new_history() as history:
        history.session(now_us - HOUR)
        caller, *_ = chained(history, now_us - HOUR // 2, 1)
        handler = history.listener("late", "on_light", "state_changed.light.l1")
        late = history.run(
            handler, now_us - MINUTE, entity_id="light.l1", new_state="on", context_id="c1", user_id="me"
        )
        history.db.execute("UPDATE handler_invocations SET immediate = 1 WHERE id = ?", (late,))
    assert [row.run.id for row in (await waterfall(history.path, caller)).rows if row.run] == [caller]
    answer = await waterfall(history.path, late)
    assert [row.run.id for row in answer.rows if row.run] == [late]
    assert answer.sentence.startswith("light.l1 was on at the start of the app, so late.on_light ran")


async def test_long_chain_is_bounded_and_shows_the_run_that_was_asked_for(new_history: NewHistory, now_us: int) -> None:
    with new_history() as history:
        history.session(now_us - HOUR)
        ids = chained(history, now_us - MINUTE, 60)
    for id_ in (ids[0], ids[30], ids[-1]):
        answer = await waterfall(history.path, id_)
        shown = [row.run.id for row in answer.rows if row.run]
        assert id_ in shown
        assert len(answer.rows) < 200
        assert answer.earlier == (id_ != ids[0])
    assert any(row.kind == "more" and row.title == "1 more run" for row in (await waterfall(history.path, ids[0])).rows)


async def test_loop_of_runs_ends(new_history: NewHistory, now_us: int) -> None:
    with new_history() as history:
        history.session(now_us - HOUR)
        handler = history.listener("loop", "on_light", "state_changed.light.hall")
        ids = [
            history.run(
                handler, now_us - MINUTE + number, entity_id="light.hall", new_state=str(number),
                context_id=f"c{number}", user_id="me", calls=[call(f"c{1 - number}")],
            )
            for number in range(2)
        ]  # fmt: skip
    for id_ in ids:
        assert sorted(row.run.id for row in (await waterfall(history.path, id_)).rows if row.run) == ids


async def test_call_that_triggers_many_runs_shows_some_and_counts_the_others(
    new_history: NewHistory, now_us: int
) -> None:
    with new_history() as history:
        history.session(now_us - HOUR)
        (first,) = chained(history, now_us - MINUTE, 1)
        handler = history.listener("many", "on_light", "state_changed.light.*")
        effects = [
            history.run(
                handler,
                now_us - MINUTE + MS * (2 + number),
                entity_id=f"light.x{number}",
                old_state="off",
                new_state="on",
                context_id="c1",
                user_id="me",
            )
            for number in range(100)
        ]
    answer = await waterfall(history.path, first)
    assert len([row for row in answer.rows if row.run]) == 21
    assert [row.title for row in answer.rows if row.kind == "more"] == ["80 more runs"]
    last = await waterfall(history.path, effects[-1])
    assert effects[-1] in [row.run.id for row in last.rows if row.run]


async def test_many_log_lines_are_bounded_and_counted(new_history: NewHistory, now_us: int) -> None:
    with new_history() as history:
        history.session(now_us - HOUR)
        handler = history.listener("app", "on_change", "state_changed.light.a")
        run = history.run(handler, now_us - MINUTE, logs=[(20, str(number)) for number in range(90)])
        history.db.execute("INSERT INTO dropped_effects VALUES (?, 7, 2, 4)", (run,))
    answer = await waterfall(history.path, run)
    assert len([row for row in answer.rows if row.kind == "log"]) == 50
    assert answer.rows[-1].title == "47 more log lines, 2 more service calls, 4 more reads"


async def test_reads_lie_between_the_other_effects_and_many_are_one_row(new_history: NewHistory, now_us: int) -> None:
    few = [("sun.sun", "below_horizon"), ("light.gone", None), ("light.*", "12")]
    with new_history() as history:
        history.session(now_us - HOUR)
        history.db.execute("INSERT INTO home_names VALUES ('entity', 'sun.sun', 'The sun', NULL)")
        handler = history.listener("app", "on_change", "state_changed.light.a")
        short = history.run(handler, now_us - MINUTE, reads=few, logs=[(30, "dark"), (30, "on")])
        long = history.run(handler, now_us - MINUTE, reads=[(f"sensor.s{number}", str(number)) for number in range(60)])
    rows = (await waterfall(history.path, short)).rows
    assert [(row.kind, row.title) for row in rows[2:]] == [
        ("log", "dark"),
        ("read", "The sun was below_horizon, light.gone did not exist, light.* (12 entities)"),
        ("log", "on"),
    ]
    *_, row, more = (await waterfall(history.path, long)).rows
    assert (row.title, len(row.reads), more.title) == ("50 states", 50, "10 more reads")
    async with patient_data(history.path) as data:
        detail = await data.run(long)
    assert len(detail.state_reads) == 60
    assert detail.state_reads[7].title() == "sensor.s7 was 7"


async def test_run_is_compared_with_the_runs_of_its_week(new_history: NewHistory, now_us: int) -> None:
    with new_history() as history:
        history.session(now_us - HOUR)
        handler = history.listener("app", "on_change", "state_changed.light.a")
        other = history.listener("app", "on_other", "state_changed.light.b")
        ids = [history.run(handler, now_us - HOUR + number * SECOND, duration_us=2 * MS) for number in range(20)]
        slow = history.run(handler, now_us - 2 * SECOND, duration_us=900 * MS)
        failed = history.run(handler, now_us - SECOND, status="error", error=BOOM)
        few = history.run(other, now_us - SECOND)
    assert (await waterfall(history.path, ids[-1])).similar.verdict == "typical"
    similar = (await waterfall(history.path, slow)).similar
    assert (similar.verdict, similar.runs) == ("slow", 22)
    assert similar.sentence.endswith("This one took 900 ms: longer than 95 % of them.")
    assert (await waterfall(history.path, failed)).similar.sentence.endswith(
        "1 failed; p50 2.0 ms, p95 2.0 ms. Only this one failed."
    )
    assert (await waterfall(history.path, few)).similar.verdict == "too few"


async def test_job_begins_with_its_due_time(new_history: NewHistory, now_us: int) -> None:
    with new_history() as history:
        history.session(now_us - HOUR)
        job = history.job("energy", "report", "cron 0 * * * *")
        due = history.run(job, now_us - MINUTE, job=True, waited_us=3 * MS)
        manual = history.run(job, now_us - SECOND, job=True, manual=True, status="cancelled")
    answer = await waterfall(history.path, due)
    assert answer.rows[0].title.startswith("Due at ")
    assert answer.rows[0].cause == "scheduled"
    assert answer.rows[1].at_us - answer.rows[0].at_us == 3 * MS
    assert (await waterfall(history.path, manual)).sentence == (
        "Started by hand, energy.report ran for 900 µs and was cancelled."
    )


async def test_unknown_run_has_no_waterfall(data: DataSyncService) -> None:
    with pytest.raises(NotFoundError, match="no run with the id 1"):
        await data.waterfall(1)


async def test_damaged_target_of_a_call_is_left_out(new_history: NewHistory, now_us: int) -> None:
    with new_history() as history:
        history.session(now_us - HOUR)
        handler = history.listener("app", "on_change", "state_changed.light.a")
        targets = [
            '{"entity_id": ["light.a", "light',
            "[1, 2]",
            '{"entity_id": {"a": 1}}',
            '{"area_id": "kitchen, attic"}',
        ]
        run = history.run(handler, now_us, calls=[{"service": "light.turn_on", "target": text} for text in targets])
    rows = [row for row in (await waterfall(history.path, run)).rows if row.kind == "call"]
    assert [row.title for row in rows] == ["light.turn_on"] * 3 + ["light.turn_on → area kitchen, area attic"]


async def test_recorded_changes_of_a_call_are_rows_and_have_their_runs(new_history: NewHistory, now_us: int) -> None:
    with new_history() as history:
        session = history.session(now_us - HOUR)
        first, second = chained(history, now_us - MINUTE, 2)
        for entity, new_state, at_us in (
            ("light.l1", "on", now_us - MINUTE + 30 * MS),
            ("light.other", "on", now_us - MINUTE + 40 * MS),
        ):
            history.db.execute(
                "INSERT INTO home_changes (id, session_id, entity_id, old_state, new_state, context_id)"
                " VALUES (?, ?, ?, 'off', ?, 'c1')",
                ((at_us // 1000 << 21) + 7, session, history.name(entity), new_state),
            )
    answers = [await waterfall(history.path, id_) for id_ in (first, second)]
    assert answers[0].rows == answers[1].rows
    assert [row[1:] for row in shape(answers[0])][3:6] == [
        ("event", "light.l1 off → on"),
        ("run", "app1.on_change"),
        ("call", "light.turn_on → light.l2"),
    ]
    assert shape(answers[0])[6] == (3, "event", "light.other off → on"), "a change that triggered no run"


async def test_event_without_a_context_has_an_unknown_cause(new_history: NewHistory, now_us: int) -> None:
    with new_history() as history:
        history.session(now_us - HOUR)
        handler = history.listener("app", "on_change", "state_changed.light.a")
        alone = history.run(handler, now_us, entity_id="light.a", old_state="off", new_state="on")
        child = history.run(handler, now_us, entity_id="light.a", new_state="on", context_id="c", parent_id="p")
    rows = (await waterfall(history.path, alone)).rows
    assert (rows[0].kind, rows[0].cause) == ("event", "unknown")
    rows = (await waterfall(history.path, child)).rows
    assert (rows[0].kind, rows[0].title, rows[0].cause) == ("origin", "Unknown cause", "unknown")


async def test_persons_automations_and_entities_have_their_names(new_history: NewHistory, now_us: int) -> None:
    at_us = now_us - MINUTE
    with new_history() as history:
        session = history.session(now_us - HOUR)
        for kind, key, name, area in (
            ("entity", "light.hall", "Hall light", "Hallway"),
            ("entity", "switch.fan", "Fan", None),
            ("entity", "automation.evening", "Evening", None),
            ("user", "u1", "Anna", None),
        ):
            history.db.execute("INSERT INTO home_names VALUES (?, ?, ?, ?)", (kind, key, name, area))
        history.db.execute(
            "INSERT INTO home_causes (id, session_id, kind, entity_id, detail, context_id, item_id, trace_id)"
            " VALUES (?, ?, 'automation', ?, 'state of sun.sun', 'a1', '17', 't1')",
            ((at_us - SECOND) // 1000 << 21, session, history.name("automation.evening")),
        )
        handler = history.listener("app", "on_fan", "state_changed.switch.fan")
        by_person = history.run(
            handler, at_us, entity_id="switch.fan", old_state="off", new_state="on", context_id="p1", user_id="u1",
            calls=[call("c1")],
        )  # fmt: skip
        by_automation = history.run(
            handler, at_us + SECOND, entity_id="switch.fan", old_state="on", new_state="off", context_id="a1",
            parent_id="s1", calls=[call("c2")],
        )  # fmt: skip
    person, automation = [await waterfall(history.path, id_) for id_ in (by_person, by_automation)]
    assert shape(person) == [
        (0, "origin", "Anna"),
        (1, "event", "Fan off → on"),
        (2, "run", "app.on_fan"),
        (3, "call", "light.turn_on → Hall light"),
    ]
    assert person.sentence.startswith("Anna caused it: Fan changed from off to on, so app.on_fan ran")
    assert person.sentence.endswith("It called light.turn_on for Hall light.")
    assert (automation.rows[0].cause, automation.rows[0].title) == ("automation", "Automation Evening")
    assert automation.rows[0].trace_path == "/config/automation/trace/17?run_id=t1"
    assert automation.rows[0].detail == "state of sun.sun"
