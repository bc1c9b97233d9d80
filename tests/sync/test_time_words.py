"""Times in the words of an owner: the same in a question and in ``--at``."""

import re
from datetime import datetime
from itertools import product
from zoneinfo import ZoneInfo

import pytest

from hassette_sync import AskedTime, BadQuestionError
from hassette_sync.home_time import HomeTime
from hassette_sync.questions.asking.parsing import parse_words
from hassette_sync.time_range import HOUR_US, SECOND_US

BERLIN = HomeTime.named("Europe/Berlin")


def us(text: str) -> int:
    """Return a time of Berlin in microseconds."""
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Europe/Berlin")).timestamp()) * SECOND_US


NOW_US = us("2026-03-30T15:45:20")  # a Monday, the day after the clocks were set forward


def asked(text: str, now: str = "") -> AskedTime:
    return AskedTime.parse(text, now_us=us(now) if now else NOW_US, home=BERLIN)


def in_question(text: str) -> AskedTime:
    """Return the time that is read in a question with a text."""
    parsed = parse_words(f"why did the hall light turn on {text}?")
    assert (parsed.subject, parsed.state) == ("hall light", "on")
    return asked(parsed.at)


SPANS = (
    ("before 7 this morning", "2026-03-30T00:00", "2026-03-30T07:00"),
    ("before 7 yesterday evening", "2026-03-29T00:00", "2026-03-29T19:00"),
    ("yesterday evening before 7", "2026-03-29T18:00", "2026-03-29T19:00"),
    ("between two and three days ago", "2026-03-27T00:00", "2026-03-29T00:00"),
    ("2 to 3 days ago", "2026-03-27T00:00", "2026-03-29T00:00"),
    ("between 1 and 2 hours ago", "2026-03-30T13:45:20", "2026-03-30T14:45:20"),
    ("1st to 15th of November", "2025-11-01T00:00", "2025-11-16T00:00"),
    ("the morning of 28 Nov", "2025-11-28T05:00", "2025-11-28T12:00"),
    ("in the morning of 28 Nov", "2025-11-28T05:00", "2025-11-28T12:00"),
    ("on the evening of the 28th", "2026-03-28T18:00", "2026-03-29T00:00"),
    ("the night of 28 Nov", "2025-11-28T22:00", "2025-11-29T06:00"),
    ("from seven to eight pm", "2026-03-29T19:00", "2026-03-29T20:00"),
    ("2025-11-28 evening", "2025-11-28T18:00", "2025-11-29T00:00"),
    ("between 22:00 yesterday and 6 am", "2026-03-29T22:00", "2026-03-30T06:00"),
    ("shortly before 7", "2026-03-30T06:45", "2026-03-30T07:00"),
    ("just after 7", "2026-03-30T07:00", "2026-03-30T07:15"),
    ("shortly after 7", "2026-03-30T07:00", "2026-03-30T07:15"),
    ("this afternoon", "2026-03-30T12:00", "2026-03-30T18:00"),
    ("this evening", "2026-03-30T18:00", "2026-03-31T00:00"),
    ("yesterday", "2026-03-29T00:00", "2026-03-30T00:00"),
    ("yesterday morning", "2026-03-29T05:00", "2026-03-29T12:00"),
    ("yesterday evening", "2026-03-29T18:00", "2026-03-30T00:00"),
    ("yesterday night", "2026-03-29T22:00", "2026-03-30T06:00"),
    ("last evening", "2026-03-29T18:00", "2026-03-30T00:00"),
    ("late last night", "2026-03-29T22:00", "2026-03-30T06:00"),
    ("early this morning", "2026-03-30T05:00", "2026-03-30T12:00"),
    ("early yesterday", "2026-03-29T00:00", "2026-03-30T00:00"),
    ("the day before yesterday", "2026-03-28T00:00", "2026-03-29T00:00"),
    ("the day before yesterday in the evening", "2026-03-28T18:00", "2026-03-29T00:00"),
    ("the night before last", "2026-03-28T22:00", "2026-03-29T06:00"),
    ("on monday", "2026-03-30T00:00", "2026-03-31T00:00"),
    ("last monday", "2026-03-23T00:00", "2026-03-24T00:00"),
    ("friday last week", "2026-03-27T00:00", "2026-03-28T00:00"),
    ("on friday evening", "2026-03-27T18:00", "2026-03-28T00:00"),
    ("last friday night", "2026-03-27T22:00", "2026-03-28T06:00"),
    ("mon", "2026-03-30T00:00", "2026-03-31T00:00"),
    ("the week before last", "2026-03-16T00:00", "2026-03-23T00:00"),
    ("on the weekend", "2026-03-28T00:00", "2026-03-30T00:00"),
    ("at the weekend", "2026-03-28T00:00", "2026-03-30T00:00"),
    ("last year", "2025-01-01T00:00", "2026-01-01T00:00"),
    ("this year", "2026-01-01T00:00", "2027-01-01T00:00"),
    ("in november", "2025-11-01T00:00", "2025-12-01T00:00"),
    ("in March", "2026-03-01T00:00", "2026-04-01T00:00"),
    ("last november", "2025-11-01T00:00", "2025-12-01T00:00"),
    ("yesterday between 3 and 4", "2026-03-29T03:00", "2026-03-29T04:00"),
    ("two days ago", "2026-03-28T00:00", "2026-03-29T00:00"),
    ("3 weeks ago", "2026-03-09T00:00", "2026-03-10T00:00"),
    ("a week ago", "2026-03-23T00:00", "2026-03-24T00:00"),
    ("in the last 10 minutes", "2026-03-30T15:35:20", "2026-03-30T15:45:20"),
    ("in the last hour", "2026-03-30T14:45:20", "2026-03-30T15:45:20"),
    ("in the past 2 hours", "2026-03-30T13:45:20", "2026-03-30T15:45:20"),
    ("within the last 3 days", "2026-03-27T14:45:20", "2026-03-30T15:45:20"),
    ("over the last 24 hours", "2026-03-29T15:45:20", "2026-03-30T15:45:20"),
    ("during the last week", "2026-03-23T14:45:20", "2026-03-30T15:45:20"),
    ("last 90 minutes", "2026-03-30T14:15:20", "2026-03-30T15:45:20"),
    ("last three hours", "2026-03-30T12:45:20", "2026-03-30T15:45:20"),
    ("in the last half hour", "2026-03-30T15:15:20", "2026-03-30T15:45:20"),
    ("the last few minutes", "2026-03-30T15:42:20", "2026-03-30T15:45:20"),
    ("last few hours", "2026-03-30T12:45:20", "2026-03-30T15:45:20"),
    ("the past couple of days", "2026-03-28T14:45:20", "2026-03-30T15:45:20"),
    ("earlier today", "2026-03-30T00:00", "2026-03-31T00:00"),
    ("later today", "2026-03-30T00:00", "2026-03-31T00:00"),
    ("on the 3rd", "2026-03-03T00:00", "2026-03-04T00:00"),
    ("on the 28th", "2026-03-28T00:00", "2026-03-29T00:00"),
    ("on the 31st", "2026-01-31T00:00", "2026-02-01T00:00"),
    ("Nov 3", "2025-11-03T00:00", "2025-11-04T00:00"),
    ("3 Nov", "2025-11-03T00:00", "2025-11-04T00:00"),
    ("3. November", "2025-11-03T00:00", "2025-11-04T00:00"),
    ("3. November 2025", "2025-11-03T00:00", "2025-11-04T00:00"),
    ("3rd November", "2025-11-03T00:00", "2025-11-04T00:00"),
    ("November 3rd", "2025-11-03T00:00", "2025-11-04T00:00"),
    ("November 3rd, 2025", "2025-11-03T00:00", "2025-11-04T00:00"),
    ("Nov 2025", "2025-11-01T00:00", "2025-12-01T00:00"),
    ("28.11.2025", "2025-11-28T00:00", "2025-11-29T00:00"),
    ("28.11.25", "2025-11-28T00:00", "2025-11-29T00:00"),
    ("2025/11/28", "2025-11-28T00:00", "2025-11-29T00:00"),
    ("2025-11-28", "2025-11-28T00:00", "2025-11-29T00:00"),
    ("2025-11", "2025-11-01T00:00", "2025-12-01T00:00"),
    ("before 28 Nov", "2025-10-29T00:00", "2025-11-28T00:00"),
    ("before 7", "2026-03-30T00:00", "2026-03-30T07:00"),
    ("before 7am", "2026-03-30T00:00", "2026-03-30T07:00"),
    ("before 03:12", "2026-03-30T00:00", "2026-03-30T03:12"),
    ("before noon", "2026-03-30T00:00", "2026-03-30T12:00"),
    ("before midnight", "2026-03-29T00:00", "2026-03-30T00:00"),
    ("before monday", "2026-02-28T00:00", "2026-03-30T00:00"),
    ("before yesterday", "2026-02-27T00:00", "2026-03-29T00:00"),
    ("before last night", "2026-02-28T00:00", "2026-03-29T22:00"),
    ("before this morning", "2026-03-01T00:00", "2026-03-30T05:00"),
    ("until 7", "2026-03-30T00:00", "2026-03-30T07:00"),
    ("until 28 Nov", "2025-10-30T00:00", "2025-11-29T00:00"),
    ("until yesterday", "2026-02-28T00:00", "2026-03-30T00:00"),
    ("until noon", "2026-03-30T00:00", "2026-03-30T12:00"),
    ("until monday", "2026-03-01T00:00", "2026-03-31T00:00"),
    ("till 7", "2026-03-30T00:00", "2026-03-30T07:00"),
    ("by 7", "2026-03-30T00:00", "2026-03-30T07:00"),
    ("after 22:00", "2026-03-29T22:00", "2026-03-30T15:45:20"),
    ("after 28 Nov", "2025-11-29T00:00", "2026-03-30T15:45:20"),
    ("after yesterday", "2026-03-30T00:00", "2026-03-30T15:45:20"),
    ("after last night", "2026-03-30T06:00", "2026-03-30T15:45:20"),
    ("after midnight", "2026-03-30T00:00", "2026-03-30T15:45:20"),
    ("after noon", "2026-03-30T12:00", "2026-03-30T15:45:20"),
    ("since 22:00", "2026-03-29T22:00", "2026-03-30T15:45:20"),
    ("since 7", "2026-03-30T07:00", "2026-03-30T15:45:20"),
    ("since yesterday", "2026-03-29T00:00", "2026-03-30T15:45:20"),
    ("since monday", "2026-03-30T00:00", "2026-03-30T15:45:20"),
    ("since last night", "2026-03-29T22:00", "2026-03-30T15:45:20"),
    ("since this morning", "2026-03-30T05:00", "2026-03-30T15:45:20"),
    ("since 28 Nov", "2025-11-28T00:00", "2026-03-30T15:45:20"),
    ("since last week", "2026-03-23T00:00", "2026-03-30T15:45:20"),
    ("since 3 hours ago", "2026-03-30T12:45:20", "2026-03-30T15:45:20"),
    ("since noon", "2026-03-30T12:00", "2026-03-30T15:45:20"),
    ("since 2025-11-28", "2025-11-28T00:00", "2026-03-30T15:45:20"),
    ("from 3 to 4", "2026-03-30T03:00", "2026-03-30T04:00"),
    ("from 3pm to 5pm", "2026-03-30T15:00", "2026-03-30T17:00"),
    ("from 3 to 5 pm", "2026-03-30T15:00", "2026-03-30T17:00"),
    ("3 to 5 pm", "2026-03-30T15:00", "2026-03-30T17:00"),
    ("3-5pm", "2026-03-30T15:00", "2026-03-30T17:00"),
    ("3pm-5pm", "2026-03-30T15:00", "2026-03-30T17:00"),
    ("03:00-04:30", "2026-03-30T03:00", "2026-03-30T04:30"),
    ("03:00 - 04:30", "2026-03-30T03:00", "2026-03-30T04:30"),
    ("03:00–04:30", "2026-03-30T03:00", "2026-03-30T04:30"),
    ("from 22:00 to 6:00", "2026-03-29T22:00", "2026-03-30T06:00"),
    ("from 22:00 until 6:00", "2026-03-29T22:00", "2026-03-30T06:00"),
    ("from 22:00 till 6", "2026-03-29T22:00", "2026-03-30T06:00"),
    ("between 3 and 4", "2026-03-30T03:00", "2026-03-30T04:00"),
    ("between 3:00 and 4:30", "2026-03-30T03:00", "2026-03-30T04:30"),
    ("between 11 and 1 pm", "2026-03-30T11:00", "2026-03-30T13:00"),
    ("between noon and 3", "2026-03-30T12:00", "2026-03-30T15:00"),
    ("between noon and 3 pm", "2026-03-30T12:00", "2026-03-30T15:00"),
    ("between 11pm and 1am", "2026-03-29T23:00", "2026-03-30T01:00"),
    ("between 10 and 11 yesterday", "2026-03-29T10:00", "2026-03-29T11:00"),
    ("between half past six and seven", "2026-03-30T06:30", "2026-03-30T07:00"),
    ("between monday and wednesday", "2026-03-23T00:00", "2026-03-26T00:00"),
    ("from monday to wednesday", "2026-03-23T00:00", "2026-03-26T00:00"),
    ("from 3 to 5 november", "2025-11-03T00:00", "2025-11-06T00:00"),
    ("from 3 Nov to 5 Nov", "2025-11-03T00:00", "2025-11-06T00:00"),
    ("3 Nov to 5 Nov", "2025-11-03T00:00", "2025-11-06T00:00"),
    ("from Nov 3 to 5", "2025-11-03T00:00", "2025-11-06T00:00"),
    ("between 28 Nov and 30 Nov", "2025-11-28T00:00", "2025-12-01T00:00"),
    ("28.11. to 30.11.", "2025-11-28T00:00", "2025-12-01T00:00"),
    ("from 2025-11-28 to 2025-11-30", "2025-11-28T00:00", "2025-12-01T00:00"),
    ("between 2025-11-28T22:00 and 2025-11-29T06:00", "2025-11-28T22:00", "2025-11-29T06:00"),
    ("2025-11-28 22:00 to 2025-11-29 06:00", "2025-11-28T22:00", "2025-11-29T06:00"),
    ("from yesterday 22:00 to 7:00", "2026-03-29T22:00", "2026-03-30T07:00"),
    ("yesterday 22:00 to today 7:00", "2026-03-29T22:00", "2026-03-30T07:00"),
    ("yesterday from 22:00", "2026-03-29T22:00", "2026-03-30T15:45:20"),
    ("from 22:00", "2026-03-29T22:00", "2026-03-30T15:45:20"),
    ("from 7", "2026-03-30T07:00", "2026-03-30T15:45:20"),
    ("from yesterday", "2026-03-29T00:00", "2026-03-30T15:45:20"),
    ("from 22:00 yesterday", "2026-03-29T22:00", "2026-03-30T15:45:20"),
    ("from noon until midnight", "2026-03-30T12:00", "2026-03-31T00:00"),
    ("from 7 until now", "2026-03-30T07:00", "2026-03-30T15:45:20"),
    ("between 7 and now", "2026-03-30T07:00", "2026-03-30T15:45:20"),
    ("yesterday until now", "2026-03-29T00:00", "2026-03-30T15:45:20"),
    ("in the morning", "2026-03-30T05:00", "2026-03-30T12:00"),
    ("in the evening", "2026-03-30T18:00", "2026-03-31T00:00"),
    ("in the night", "2026-03-29T22:00", "2026-03-30T06:00"),
    ("at night", "2026-03-29T22:00", "2026-03-30T06:00"),
    ("overnight", "2026-03-29T22:00", "2026-03-30T06:00"),
    ("during the night", "2026-03-29T22:00", "2026-03-30T06:00"),
    ("all night", "2026-03-29T22:00", "2026-03-30T06:00"),
    ("yesterday evening between 7 and 8", "2026-03-29T19:00", "2026-03-29T20:00"),
    ("last night between 2 and 3", "2026-03-30T02:00", "2026-03-30T03:00"),
    ("last night from 23:00 to 01:00", "2026-03-29T23:00", "2026-03-30T01:00"),
    ("last night after 2", "2026-03-30T02:00", "2026-03-30T15:45:20"),
    ("last night before 2", "2026-03-29T22:00", "2026-03-30T02:00"),
    ("yesterday before 7", "2026-03-29T00:00", "2026-03-29T07:00"),
    ("yesterday after 22:00", "2026-03-29T22:00", "2026-03-30T15:45:20"),
    ("monday before 7", "2026-03-30T00:00", "2026-03-30T07:00"),
    ("on monday after 7", "2026-03-30T07:00", "2026-03-30T15:45:20"),
    ("before 7 yesterday", "2026-03-29T00:00", "2026-03-29T07:00"),
    ("after 7pm on monday", "2026-03-23T19:00", "2026-03-30T15:45:20"),
    ("28 nov before 7", "2025-11-28T00:00", "2025-11-28T07:00"),
    ("28 nov after 22:00", "2025-11-28T22:00", "2026-03-30T15:45:20"),
    ("before 7 on 28 nov", "2025-11-28T00:00", "2025-11-28T07:00"),
    ("since monday 7:00", "2026-03-30T07:00", "2026-03-30T15:45:20"),
    ("since yesterday 22:00", "2026-03-29T22:00", "2026-03-30T15:45:20"),
    ("until monday 7:00", "2026-03-30T00:00", "2026-03-30T07:00"),
    ("before monday 7:00", "2026-03-30T00:00", "2026-03-30T07:00"),
    ("after monday at 7", "2026-03-30T07:00", "2026-03-30T15:45:20"),
    ("before yesterday 7:00", "2026-03-29T00:00", "2026-03-29T07:00"),
    ("before 7 last night", "2026-03-29T18:00", "2026-03-29T19:00"),
    ("29 feb", "2024-02-29T00:00", "2024-03-01T00:00"),
    ("for the last 2 hours", "2026-03-30T13:45:20", "2026-03-30T15:45:20"),
    ("since 3 days", "2026-03-27T14:45:20", "2026-03-30T15:45:20"),
    ("since 2 hours", "2026-03-30T13:45:20", "2026-03-30T15:45:20"),
    ("since the 3rd", "2026-03-03T00:00", "2026-03-30T15:45:20"),
    ("until the 3rd", "2026-02-02T00:00", "2026-03-04T00:00"),
    ("before the 3rd", "2026-02-01T00:00", "2026-03-03T00:00"),
    ("between the 3rd and the 5th", "2026-03-03T00:00", "2026-03-06T00:00"),
    ("from the 3rd to the 5th", "2026-03-03T00:00", "2026-03-06T00:00"),
    ("the 3rd", "2026-03-03T00:00", "2026-03-04T00:00"),
    ("3rd", "2026-03-03T00:00", "2026-03-04T00:00"),
    ("first of november", "2025-11-01T00:00", "2025-11-02T00:00"),
    ("two nights ago", "2026-03-28T22:00", "2026-03-29T06:00"),
    ("since 7.30", "2026-03-30T07:30", "2026-03-30T15:45:20"),
    ("from half past six to quarter to eight", "2026-03-30T06:30", "2026-03-30T07:45"),
    ("between quarter past 3 and 4 pm yesterday", "2026-03-29T15:15", "2026-03-29T16:00"),
    ("between five and six", "2026-03-30T05:00", "2026-03-30T06:00"),
    ("from five to seven", "2026-03-30T05:00", "2026-03-30T07:00"),
    ("from 5 to 7", "2026-03-30T05:00", "2026-03-30T07:00"),
    ("from 5 to 7 pm", "2026-03-29T17:00", "2026-03-29T19:00"),
    ("yesterday from 10 to 11 pm", "2026-03-29T22:00", "2026-03-29T23:00"),
    ("on monday between 10 pm and 2 am", "2026-03-23T22:00", "2026-03-24T02:00"),
    ("between 22:00 yesterday and 6:00 today", "2026-03-29T22:00", "2026-03-30T06:00"),
    ("monday evening to tuesday morning", "2026-03-23T18:00", "2026-03-24T12:00"),
    ("between friday and sunday", "2026-03-27T00:00", "2026-03-30T00:00"),
    ("between friday 18:00 and sunday 23:00", "2026-03-27T18:00", "2026-03-29T23:00"),
    ("from friday evening to sunday evening", "2026-03-27T18:00", "2026-03-30T00:00"),
    ("friday to monday", "2026-03-27T00:00", "2026-03-31T00:00"),
    ("since friday evening", "2026-03-27T18:00", "2026-03-30T15:45:20"),
    ("since last friday", "2026-03-27T00:00", "2026-03-30T15:45:20"),
    ("since the day before yesterday", "2026-03-28T00:00", "2026-03-30T15:45:20"),
    ("since half past six", "2026-03-30T06:30", "2026-03-30T15:45:20"),
    ("since quarter to 7 this morning", "2026-03-30T06:45", "2026-03-30T15:45:20"),
    ("since yesterday evening", "2026-03-29T18:00", "2026-03-30T15:45:20"),
    ("until an hour ago", "2026-03-30T00:00", "2026-03-30T14:45:20"),
    ("before 3 hours ago", "2026-03-30T00:00", "2026-03-30T12:45:20"),
    ("between 3 hours ago and 2 hours ago", "2026-03-30T12:45:20", "2026-03-30T13:45:20"),
    ("from 3h ago to 1h ago", "2026-03-30T12:45:20", "2026-03-30T14:45:20"),
    ("Monday, November 3rd", "2025-11-03T00:00", "2025-11-04T00:00"),
    ("sunday 29 march", "2026-03-29T00:00", "2026-03-30T00:00"),
    ("28th", "2026-03-28T00:00", "2026-03-29T00:00"),
    ("today between 7 and 8", "2026-03-30T07:00", "2026-03-30T08:00"),
    ("today before 7", "2026-03-30T00:00", "2026-03-30T07:00"),
    ("today since 7", "2026-03-30T07:00", "2026-03-30T15:45:20"),
    ("this morning before 7", "2026-03-30T05:00", "2026-03-30T07:00"),
    ("this morning after 7", "2026-03-30T07:00", "2026-03-30T15:45:20"),
    ("yesterday morning before 7", "2026-03-29T05:00", "2026-03-29T07:00"),
    ("2026-03-29 01:59 to 2026-03-29 03:01", "2026-03-29T01:59", "2026-03-29T03:01"),
    ("29 mar 1:00 to 4:00", "2026-03-29T01:00", "2026-03-29T04:00"),
    ("26 oct between 2 and 3", "2025-10-26T02:00", "2025-10-26T03:00"),
    ("25 oct 22:00 to 26 oct 06:00", "2025-10-25T22:00", "2025-10-26T06:00"),
    ("in the early morning", "2026-03-30T05:00", "2026-03-30T12:00"),
    ("in the late evening", "2026-03-30T18:00", "2026-03-31T00:00"),
    ("early in the morning", "2026-03-30T05:00", "2026-03-30T12:00"),
    ("late in the evening", "2026-03-30T18:00", "2026-03-31T00:00"),
    ("late yesterday evening", "2026-03-29T18:00", "2026-03-30T00:00"),
    ("in the middle of the night", "2026-03-29T22:00", "2026-03-30T06:00"),
    ("the whole night", "2026-03-29T22:00", "2026-03-30T06:00"),
    ("throughout yesterday", "2026-03-29T00:00", "2026-03-30T00:00"),
    ("during yesterday", "2026-03-29T00:00", "2026-03-30T00:00"),
    ("during last night", "2026-03-29T22:00", "2026-03-30T06:00"),
    ("over the weekend", "2026-03-28T00:00", "2026-03-30T00:00"),
    ("last 7 days", "2026-03-23T14:45:20", "2026-03-30T15:45:20"),
    ("the last 7 days", "2026-03-23T14:45:20", "2026-03-30T15:45:20"),
    ("past 24h", "2026-03-29T15:45:20", "2026-03-30T15:45:20"),
    ("past week", "2026-03-23T14:45:20", "2026-03-30T15:45:20"),
    ("last 30 days", "2026-02-28T14:45:20", "2026-03-30T15:45:20"),
    ("last two weeks", "2026-03-16T14:45:20", "2026-03-30T15:45:20"),
    ("in the last couple of hours", "2026-03-30T13:45:20", "2026-03-30T15:45:20"),
    ("in the previous hour", "2026-03-30T14:45:20", "2026-03-30T15:45:20"),
    ("the previous day", "2026-03-29T00:00", "2026-03-30T00:00"),
    ("the previous night", "2026-03-29T22:00", "2026-03-30T06:00"),
    ("this past hour", "2026-03-30T14:45:20", "2026-03-30T15:45:20"),
    ("last hour", "2026-03-30T14:45:20", "2026-03-30T15:45:20"),
    ("31.12.", "2025-12-31T00:00", "2026-01-01T00:00"),
    ("1.1.", "2026-01-01T00:00", "2026-01-02T00:00"),
    ("5:00-6:00 pm", "2026-03-29T17:00", "2026-03-29T18:00"),
    ("5-6 pm yesterday", "2026-03-29T17:00", "2026-03-29T18:00"),
    ("yesterday 5-6 pm", "2026-03-29T17:00", "2026-03-29T18:00"),
    ("10pm-2am", "2026-03-29T22:00", "2026-03-30T02:00"),
    ("noon-3pm", "2026-03-30T12:00", "2026-03-30T15:00"),
    ("mon-fri", "2026-03-23T00:00", "2026-03-28T00:00"),
    ("monday-wednesday", "2026-03-23T00:00", "2026-03-26T00:00"),
    ("28.11.-30.11.", "2025-11-28T00:00", "2025-12-01T00:00"),
    ("28-30 Nov", "2025-11-28T00:00", "2025-12-01T00:00"),
    ("28 to 30 Nov", "2025-11-28T00:00", "2025-12-01T00:00"),
    ("2025-11-28 - 2025-11-30", "2025-11-28T00:00", "2025-12-01T00:00"),
    ("yesterday evening between 10 and 1", "2026-03-29T22:00", "2026-03-30T01:00"),
    ("yesterday evening from 10 to 2", "2026-03-29T22:00", "2026-03-30T02:00"),
    ("between 10 and 1 yesterday evening", "2026-03-29T22:00", "2026-03-30T01:00"),
    ("28 nov evening between 10 and 1", "2025-11-28T22:00", "2025-11-29T01:00"),
    ("yesterday evening between 10 pm and 1", "2026-03-29T22:00", "2026-03-30T01:00"),
    ("yesterday evening from 11 to 12", "2026-03-29T23:00", "2026-03-30T00:00"),
    ("yesterday evening between 22:00 and 1:00", "2026-03-29T22:00", "2026-03-30T01:00"),
    ("between 11 and 1 in the evening", "2026-03-29T23:00", "2026-03-30T01:00"),
    ("between 11 and 2 in the afternoon", "2026-03-30T11:00", "2026-03-30T14:00"),
    ("between 9 and 2 in the afternoon", "2026-03-30T09:00", "2026-03-30T14:00"),
    ("yesterday afternoon between 11 and 2", "2026-03-29T11:00", "2026-03-29T14:00"),
    ("between 12 and 2 in the afternoon", "2026-03-30T12:00", "2026-03-30T14:00"),
    ("yesterday afternoon from 5 to 7", "2026-03-29T17:00", "2026-03-29T19:00"),
    ("between 10 and 2 in the morning", "2026-03-29T22:00", "2026-03-30T02:00"),
    ("between 10 and 2 yesterday morning", "2026-03-28T22:00", "2026-03-29T03:00"),
    ("between 10 pm and 2 am this morning", "2026-03-29T22:00", "2026-03-30T02:00"),
    ("yesterday from 10 to 2 in the morning", "2026-03-29T22:00", "2026-03-30T02:00"),
    ("yesterday morning between 11 and 1", "2026-03-29T11:00", "2026-03-29T13:00"),
    ("this morning between 10 and 1", "2026-03-30T10:00", "2026-03-30T13:00"),
    ("between 11 and 12 in the morning", "2026-03-30T11:00", "2026-03-30T12:00"),
    ("yesterday morning between 12 and 1", "2026-03-29T00:00", "2026-03-29T01:00"),
    ("between 10 and 2 last night", "2026-03-29T22:00", "2026-03-30T02:00"),
    ("last night between 12 and 2", "2026-03-30T00:00", "2026-03-30T02:00"),
    ("last night between 4 and 6", "2026-03-30T04:00", "2026-03-30T06:00"),
    ("between 7 and 8 last night", "2026-03-29T19:00", "2026-03-29T20:00"),
    ("yesterday evening before 1", "2026-03-29T18:00", "2026-03-30T01:00"),
    ("before 1 yesterday evening", "2026-03-29T18:00", "2026-03-30T01:00"),
    ("shortly before midnight", "2026-03-29T23:45", "2026-03-30T00:00"),
    ("shortly before 0:10", "2026-03-29T23:55", "2026-03-30T00:10"),
    ("shortly after 23:50", "2026-03-29T23:50", "2026-03-30T00:05"),
    ("yesterday shortly after 23:50", "2026-03-29T23:50", "2026-03-30T00:05"),
    ("shortly before midnight yesterday", "2026-03-29T23:45", "2026-03-30T00:00"),
    ("shortly before 28 nov 0:05", "2025-11-27T23:50", "2025-11-28T00:05"),
    ("just before monday 0:05", "2026-03-29T23:50", "2026-03-30T00:05"),
    ("2025-11-28 shortly after 23:50", "2025-11-28T23:50", "2025-11-29T00:05"),
    ("yesterday evening shortly before 12", "2026-03-29T23:45", "2026-03-30T00:00"),
    ("in november 2024", "2024-11-01T00:00", "2024-12-01T00:00"),
    ("during nov, 2024", "2024-11-01T00:00", "2024-12-01T00:00"),
    ("last march", "2025-03-01T00:00", "2025-04-01T00:00"),
    ("last february", "2026-02-01T00:00", "2026-03-01T00:00"),
    ("in last march", "2025-03-01T00:00", "2025-04-01T00:00"),
    ("12 noon to 3 pm", "2026-03-30T12:00", "2026-03-30T15:00"),
)
MOMENTS = (
    ("10 minutes before midnight", "2026-03-29T23:50"),
    ("an hour before midnight", "2026-03-29T23:00"),
    ("half an hour before midnight", "2026-03-29T23:30"),
    ("two hours after 11 pm", "2026-03-30T01:00"),
    ("10 minutes before midnight yesterday", "2026-03-29T23:50"),
    ("an hour after 23:30 on saturday", "2026-03-29T00:30"),
    ("90 minutes before 1 am on 28 nov", "2025-11-27T23:30"),
    ("12 noon", "2026-03-30T12:00"),
    ("at 12 noon yesterday", "2026-03-29T12:00"),
    ("at 12 midnight", "2026-03-30T00:00"),
    ("twelve noon", "2026-03-30T12:00"),
    ("yesterday evening at 12", "2026-03-30T00:00"),
    ("yesterday evening at 12:30", "2026-03-30T00:30"),
    ("yesterday evening at 1", "2026-03-30T01:00"),
    ("yesterday evening at 5", "2026-03-29T17:00"),
    ("yesterday afternoon at 11", "2026-03-29T11:00"),
    ("28 nov at 2 at night", "2025-11-29T02:00"),
    ("28.11. at 2 at night", "2025-11-29T02:00"),
    ("the 27th at 2 at night", "2026-03-28T02:00"),
    ("2025-12-31 at 2 at night", "2026-01-01T02:00"),
    ("last monday at 2 at night", "2026-03-24T02:00"),
    ("friday last week at 2 at night", "2026-03-28T02:00"),
    ("the night of 28 nov at 2", "2025-11-29T02:00"),
    ("3.5 hours ago", "2026-03-30T12:15:20"),
    ("1,5h ago", "2026-03-30T14:15:20"),
    ("half past midnight", "2026-03-30T00:30"),
    ("quarter past noon", "2026-03-30T12:15"),
    ("ten minutes to midnight", "2026-03-29T23:50"),
    ("one minute to midnight", "2026-03-29T23:59"),
    ("a quarter of an hour ago", "2026-03-30T15:30:20"),
    ("three quarters of an hour ago", "2026-03-30T15:00:20"),
    ("Nov 28, 2025 at 7:00 AM", "2025-11-28T07:00"),
    ("28.11.2025, 7:00", "2025-11-28T07:00"),
    ("at 3:12", "2026-03-30T03:12"),
    ("at 03:12", "2026-03-30T03:12"),
    ("at 3", "2026-03-30T03:00"),
    ("at 3pm", "2026-03-30T15:00"),
    ("at 3 pm", "2026-03-30T15:00"),
    ("at 3 p.m.", "2026-03-30T15:00"),
    ("at 15", "2026-03-30T15:00"),
    ("at 15h", "2026-03-30T15:00"),
    ("at 15:30h", "2026-03-30T15:30"),
    ("at 7.30", "2026-03-30T07:30"),
    ("at 7.30 pm", "2026-03-29T19:30"),
    ("at 12 am", "2026-03-30T00:00"),
    ("at 12pm", "2026-03-30T12:00"),
    ("at 0:00", "2026-03-30T00:00"),
    ("at 3:12:05", "2026-03-30T03:12:05"),
    ("around 7", "2026-03-30T07:00"),
    ("around 7 pm", "2026-03-29T19:00"),
    ("about 10pm", "2026-03-29T22:00"),
    ("around noon", "2026-03-30T12:00"),
    ("around midnight", "2026-03-30T00:00"),
    ("around half past six", "2026-03-30T06:30"),
    ("around 3:12 yesterday", "2026-03-29T03:12"),
    ("at half past six", "2026-03-30T06:30"),
    ("half past six", "2026-03-30T06:30"),
    ("at half past 6 pm", "2026-03-29T18:30"),
    ("half past six in the evening", "2026-03-29T18:30"),
    ("quarter to 7", "2026-03-30T06:45"),
    ("quarter past seven", "2026-03-30T07:15"),
    ("a quarter to seven", "2026-03-30T06:45"),
    ("ten past seven", "2026-03-30T07:10"),
    ("ten to seven", "2026-03-30T06:50"),
    ("20 past 6", "2026-03-30T06:20"),
    ("twenty past six", "2026-03-30T06:20"),
    ("five minutes past 6", "2026-03-30T06:05"),
    ("at seven", "2026-03-30T07:00"),
    ("at seven pm", "2026-03-29T19:00"),
    ("at seven thirty", "2026-03-30T07:30"),
    ("at seven o'clock", "2026-03-30T07:00"),
    ("at eleven in the morning", "2026-03-30T11:00"),
    ("at noon", "2026-03-30T12:00"),
    ("midnight", "2026-03-30T00:00"),
    ("at midnight yesterday", "2026-03-29T00:00"),
    ("yesterday at midnight", "2026-03-29T00:00"),
    ("yesterday at noon", "2026-03-29T12:00"),
    ("day before yesterday at 7", "2026-03-28T07:00"),
    ("last friday at 7", "2026-03-27T07:00"),
    ("friday morning at 7", "2026-03-27T07:00"),
    ("on tue at 7", "2026-03-24T07:00"),
    ("3 hours ago", "2026-03-30T12:45:20"),
    ("three hours ago", "2026-03-30T12:45:20"),
    ("3h ago", "2026-03-30T12:45:20"),
    ("an hour ago", "2026-03-30T14:45:20"),
    ("half an hour ago", "2026-03-30T15:15:20"),
    ("15 minutes ago", "2026-03-30T15:30:20"),
    ("fifteen minutes ago", "2026-03-30T15:30:20"),
    ("20 min ago", "2026-03-30T15:25:20"),
    ("2 days ago at 7", "2026-03-28T07:00"),
    ("today at 7", "2026-03-30T07:00"),
    ("just now", "2026-03-30T15:45:20"),
    ("right now", "2026-03-30T15:45:20"),
    ("on the 3rd at 7pm", "2026-03-03T19:00"),
    ("Nov 3 at 7", "2025-11-03T07:00"),
    ("3rd of November at 22:15", "2025-11-03T22:15"),
    ("28.11. at 7", "2025-11-28T07:00"),
    ("2025-11-28 07:00", "2025-11-28T07:00"),
    ("2025-11-28T07:00", "2025-11-28T07:00"),
    ("2025-11-28T07:00:00", "2025-11-28T07:00"),
    ("2025-11-28T07:00Z", "2025-11-28T08:00"),
    ("2025-11-28T07:00:00Z", "2025-11-28T08:00"),
    ("2025-11-28T07:00+01:00", "2025-11-28T07:00"),
    ("at 23:00", "2026-03-29T23:00"),
    ("monday at 23:00", "2026-03-23T23:00"),
    ("yesterday at 2:30", "2026-03-29T03:30"),
    ("yesterday at 3:30", "2026-03-29T03:30"),
    ("2026-03-29 02:30", "2026-03-29T03:30"),
    ("2025-10-26 02:30", "2025-10-26T02:30"),
    ("at 7 oclock", "2026-03-30T07:00"),
    ("7 Uhr", "2026-03-30T07:00"),
    ("um 7 Uhr", "2026-03-30T07:00"),
    ("at 7 in the morning", "2026-03-30T07:00"),
    ("at 7 this morning", "2026-03-30T07:00"),
    ("at 7 last night", "2026-03-29T19:00"),
    ("at 2 last night", "2026-03-30T02:00"),
    ("at 7 tonight", "2026-03-30T19:00"),
    ("at 10 tonight", "2026-03-30T22:00"),
    ("7 in the evening yesterday", "2026-03-29T19:00"),
    ("yesterday evening at 7", "2026-03-29T19:00"),
    ("10 minutes before 7", "2026-03-30T06:50"),
    ("two hours after midnight", "2026-03-30T02:00"),
    ("half an hour after 7", "2026-03-30T07:30"),
    ("at 6.11", "2026-03-30T06:11"),
    ("on the 3rd of november at half past six in the evening", "2025-11-03T18:30"),
    ("yesterday around half past ten in the evening", "2026-03-29T22:30"),
    ("around 10 in the evening on monday", "2026-03-23T22:00"),
    ("at five to seven", "2026-03-30T06:55"),
    ("a couple of days ago at 7", "2026-03-28T07:00"),
    ("at about 7", "2026-03-30T07:00"),
    ("at around 7 pm on saturday", "2026-03-28T19:00"),
    ("at exactly 7:00", "2026-03-30T07:00"),
    ("exactly at 7:00", "2026-03-30T07:00"),
    ("precisely 03:12", "2026-03-30T03:12"),
    ("07:00:00", "2026-03-30T07:00"),
    ("7:00:00 pm", "2026-03-29T19:00"),
    ("12:00 am", "2026-03-30T00:00"),
    ("12:30 am", "2026-03-30T00:30"),
    ("7 p.m", "2026-03-29T19:00"),
    ("7 P.M.", "2026-03-29T19:00"),
    ("at 7 PM yesterday", "2026-03-29T19:00"),
    ("at 7 a.m. on monday", "2026-03-30T07:00"),
    ("Monday, 7am", "2026-03-30T07:00"),
    ("monday 3 nov at 7", "2025-11-03T07:00"),
    ("on friday, 28 Nov 2025, at 03:12", "2025-11-28T03:12"),
    ("28. Nov. 2025 03:12", "2025-11-28T03:12"),
    ("Nov. 28 at 3:12", "2025-11-28T03:12"),
    ("nov 28 2025 3:12 am", "2025-11-28T03:12"),
    ("the 28th at 3", "2026-03-28T03:00"),
    ("28th at 3:12", "2026-03-28T03:12"),
    ("this morning at 5", "2026-03-30T05:00"),
    ("this evening after 7", "2026-03-30T19:00"),
    ("yesterday night at 2", "2026-03-30T02:00"),
    ("yesterday night at 11", "2026-03-29T23:00"),
    ("on sunday night at 11", "2026-03-29T23:00"),
    ("monday night at 1", "2026-03-24T01:00"),
    ("friday at midnight", "2026-03-27T00:00"),
    ("saturday at noon", "2026-03-28T12:00"),
    ("sunday at 2:30", "2026-03-29T03:30"),
    ("2026-03-29T02:30:00", "2026-03-29T03:30"),
    ("26 oct 2:30", "2025-10-26T02:30"),
    ("last minute", "2026-03-30T15:44:20"),
    ("31.12.2025 23:59", "2025-12-31T23:59"),
    ("90 seconds ago", "2026-03-30T15:43:50"),
    ("two and a half hours ago", "2026-03-30T13:15:20"),
)
REFUSED = (
    ("at 24:00", "from 00:00 to 23:59"),
    ("at 25:00", "from 00:00 to 23:59"),
    ("5 to 7 pm", "Write 06:55"),
    ("half six", "half past six"),
    ("half seven", "half past six"),
    ("half 6", "half past six"),
    ("half 7 pm", "half past six"),
    ("a month ago", "first and the last day"),
    ("2 months ago", "first and the last day"),
    ("a year ago", "first and the last day"),
    ("on the 32nd", "no such day"),
    ("6/11", "either order"),
    ("6/11/2025", "either order"),
    ("06/11/25", "either order"),
    ("11/28", "either order"),
    ("11/28/2025", "either order"),
    ("28/11/2025", "either order"),
    ("2025-11-28 07:00 UTC", "another time zone"),
    ("07:00 UTC", "another time zone"),
    ("7am UTC", "another time zone"),
    ("7:00 CET", "another time zone"),
    ("28-11-2025", "either order"),
    ("2025-13-01", "no such day"),
    ("2026-02-30", "no such day"),
    ("before sunset", "in place of sunrise"),
    ("after monday", "must be in the past"),
    ("after sunset", "in place of sunrise"),
    ("after lunch", "time of day or the date"),
    ("since sunset", "in place of sunrise"),
    ("since 6/11", "either order"),
    ("since christmas", "time of day or the date"),
    ("20:00 to sunrise", "in place of sunrise"),
    ("from 20:00 to sunrise", "in place of sunrise"),
    ("from sunset to sunrise", "in place of sunrise"),
    ("between sunset and midnight", "in place of sunrise"),
    ("between sunset and sunrise", "in place of sunrise"),
    ("sunset to sunrise", "in place of sunrise"),
    ("sunset", "in place of sunrise"),
    ("at sunset", "in place of sunrise"),
    ("at sunrise", "in place of sunrise"),
    ("at dusk", "sunset or sunrise"),
    ("at dawn", "sunset or sunrise"),
    ("before sunrise", "in place of sunrise"),
    ("yesterday at sunset", "in place of sunrise"),
    ("after sunset yesterday", "in place of sunrise"),
    ("an hour after sunset", "in place of sunrise"),
    ("30 minutes before sunrise", "in place of sunrise"),
    ("sunset on monday", "in place of sunrise"),
    ("on 28 nov at sunset", "in place of sunrise"),
    ("an hour before sunset", "in place of sunrise"),
    ("tomorrow", "about the past"),
    ("tomorrow at 7", "about the past"),
    ("next week", "about the past"),
    ("next monday", "about the past"),
    ("in an hour", "about the past"),
    ("in 2 hours", "about the past"),
    ("yesterday at 25:00", "from 00:00 to 23:59"),
    ("at 7:75", "from 00:00 to 23:59"),
    ("at 13pm", "from 00:00 to 23:59"),
    ("at breakfast", "time of day or the date"),
    ("at lunch", "time of day or the date"),
    ("at dinner time", "time of day or the date"),
    ("at lunchtime", "time of day or the date"),
    ("at bedtime", "time of day or the date"),
    ("during the day", "time of day or the date"),
    ("every day", "one day"),
    ("31 april", "no such day"),
    ("0:60", "from 00:00 to 23:59"),
    ("week 48", "first and the last day"),
    ("cw 48", "first and the last day"),
    ("at 7 or 8", "Write one time"),
    ("at 7 and 8", "Write one time"),
    ("on monday and tuesday", "Write one day"),
    ("on weekdays", "one day"),
    ("on mondays", "one day"),
    ("since the last restart", "hassette uptime"),
    ("last 3 nights", "first and the last day"),
    ("the other day", "first and the last day"),
    ("the other night", "first and the last day"),
    ("at the same time", r"time of day\."),
    ("same time yesterday", r"time of day\."),
    ("this time yesterday", r"time of day\."),
    ("around this time", r"time of day\."),
    ("tomorrow evening", "about the past"),
    ("next monday at 7", "about the past"),
    ("half an hour before sunset", "in place of sunrise"),
    ("since 6.11", "a date or a time of day"),
    ("before 6.11", "a date or a time of day"),
    ("at 5 to 7", "Write 06:55"),
    ("last night until 6", "end after its start"),
    ("00:30 am", "from 00:00 to 23:59"),
    ("monday the 3rd", "no such day"),
    ("tuesday 30 march", "no such day"),
    ("32.1.", "no such day"),
    ("1.13.", "no such day"),
)


@pytest.mark.parametrize(("text", "since", "until"), SPANS)
def test_span_in_words_is_the_same_in_a_question(text: str, since: str, until: str) -> None:
    found = asked(text)

    assert found.is_span
    assert (found.at_us, found.at_us + found.length_us) == (us(since), us(until))
    assert in_question(text) == found


@pytest.mark.parametrize(("text", "moment"), MOMENTS)
def test_moment_in_words_is_the_same_in_a_question(text: str, moment: str) -> None:
    found = asked(text)

    assert (found.at_us, found.is_span) == (us(moment), False)
    assert in_question(text) == found


@pytest.mark.parametrize(("text", "hint"), REFUSED)
def test_unclear_time_is_refused_with_what_to_write_in_its_place(text: str, hint: str) -> None:
    with pytest.raises(BadQuestionError, match=hint):
        asked(text)
    if re.search("sun(?:set|rise)", text) is None:  # a question looks these up
        with pytest.raises(BadQuestionError, match=hint):
            in_question(text)


def test_date_without_a_year_is_never_in_the_future() -> None:
    for now in ("2026-01-01T00:05", "2026-03-01T12:00", "2026-12-31T23:59"):
        for text in ("3rd", "31st", "28 nov", "last friday", "in november", "before the 3rd", "friday to sunday"):
            assert asked(text, now).at_us <= us(now), (text, now)


@pytest.mark.parametrize(("now", "day"), [("2026-04-04T12:00", "2026-04-04"), ("2026-04-03T12:00", "2026-03-28")])
def test_weekend_is_never_in_the_future(now: str, day: str) -> None:
    assert asked("at the weekend", now).at_us == us(f"{day}T00:00")


@pytest.mark.parametrize("text", ["recently", "a while ago", "for 2 hours", "earlier"])
def test_words_without_a_time_leave_it_open(text: str) -> None:
    parsed = parse_words(f"why did the hall light turn on {text}?")

    assert (parsed.subject, parsed.at) == ("hall light", "")


@pytest.mark.parametrize(
    ("words", "at"),
    [
        ("on monday, did the hall light turn on at 7", "monday 07:00"),
        ("yesterday the hall light turned on at 7", "yesterday 07:00"),
        ("hall light at 20:00 to sunrise", "20:00 to sunrise"),
        ("hall light from sunset to sunrise", "sunset to sunrise"),
        ("hall light an hour after sunset", "sunset + 1h"),
        ("hall light half an hour before sunrise", "sunrise - 30m"),
        ("hall light before sunset", "before sunset"),
        ("hall light after sundown", "since sunset"),
    ],
)
def test_time_at_two_places_or_of_the_sun_is_read(words: str, at: str) -> None:
    assert parse_words(words).at == at


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("7 to 8", r"Write from 7 to 8, or 07:00 to 08:00\."),
        ("mid november", r"Write november, or a span such as 10 Nov to 20 Nov\."),
        ("year to date", r"Parts of a day have names"),
        ("1.5 minutes", r"Parts of a day have names"),
        ("28 nov foo", r".*other words are next to it"),
    ],
)
def test_hint_fits_the_text(text: str, hint: str) -> None:
    with pytest.raises(BadQuestionError, match=f"got {text!r}\\. {hint}"):
        asked(text)


_DAYS = ("", "yesterday ", "monday ", "28 nov ", "last friday ")
_CLOCKS = ("1", "6", "11", "12", "noon", "midnight", "0:10", "23:50", "7 pm")


def _combined() -> list[str]:
    """Return many combinations of days, parts of them, times of day and words between them."""
    parts = ("", "morning ", "afternoon ", "evening ", "night ")
    after = ("", " in the morning", " in the afternoon", " in the evening", " at night")
    texts = [f"{day}{part if day else ''}at {clock}" for day in _DAYS for part in parts for clock in _CLOCKS]
    texts += [f"{day}at {clock}{part}" for day in _DAYS for part in after for clock in _CLOCKS]
    texts += [f"{word} {clock}{part}" for word in _NEAR for part in after for clock in _CLOCKS]
    texts += [f"{day}{word} {clock}" for day in ("yesterday ", "31 dec ") for word in _NEAR for clock in _CLOCKS]
    return texts


_NEAR = ("shortly before", "just after", "an hour before", "90 minutes after", "before", "after", "since", "until")


@pytest.mark.parametrize("now", ["2026-03-30T00:05", "2026-03-30T15:45:20", "2026-10-25T02:30", "2026-12-31T23:59"])
def test_each_time_has_a_length_and_has_begun_by_the_end_of_the_day(now: str) -> None:
    for text in _combined():
        found = _asked_or_refused(text, now)
        if found is not None:
            assert found.length_us > 0, text
            # An hour after the end of this day is a time of the next day.
            assert found.at_us < us(f"{now[:10]}T23:59:59") + 3 * HOUR_US, text


def _asked_or_refused(text: str, now: str) -> AskedTime | None:
    """Return the time of a text; None if an error that quotes the text refuses it."""
    try:
        return asked(text, now)
    except BadQuestionError as error:
        if f"got {text[:40]!r}" not in str(error):
            raise
        return None


_PARTS = {"in the morning": (0, 12), "in the afternoon": (12, 18), "in the evening": (18, 24), "at night": (18, 30)}


@pytest.mark.parametrize("part", _PARTS)
def test_span_with_a_part_of_the_day_touches_this_part(part: str) -> None:
    first, last = _PARTS[part]
    for start, end in product(range(1, 13), repeat=2):
        hours = (end - start) % 12
        if not hours:
            continue

        def touches(begin: int, hours: int = hours) -> bool:
            return any(one <= last and one + hours >= first for one in (begin - 24, begin, begin + 24))

        for text in (f"between {start} and {end} {part}", f"yesterday {part.split()[-1]} between {start} and {end}"):
            found = asked(text, "2026-06-10T23:58")
            begin = datetime.fromtimestamp(found.at_us / SECOND_US, ZoneInfo("Europe/Berlin")).hour
            assert (begin - start) % 12 == 0, text
            assert found.length_us == hours * HOUR_US, text
            # No hours from 7 to 8 are in the afternoon.
            assert touches(begin) or not touches(begin + 12), text
