"""Schedules: what cron, systemd and EventBridge each read of the same expression."""

from datetime import UTC, datetime, timedelta

import pytest
from cronsim import CronSim
from hypothesis import assume, given
from hypothesis import strategies as st
from ministack.services import eventbridge

from batch.cron import Cron
from batch.errors import BatchError

NOW = datetime(2026, 11, 24, 18, 30, 15, tzinfo=UTC)


def field(low, high, names=()):
    """A crontab field: stars, steps, ranges, lists and names."""
    number = st.integers(low, high).map(str)
    a_range = st.tuples(st.integers(low, high), st.integers(low, high)).map(
        lambda pair: f"{min(pair)}-{max(pair)}"
    )
    step = st.tuples(st.one_of(st.just("*"), a_range), st.integers(1, high)).map(
        lambda pair: f"{pair[0]}/{pair[1]}"
    )
    some = st.lists(st.one_of(number, a_range), min_size=1, max_size=3).map(",".join)
    return st.one_of(st.just("*"), step, some, *([st.sampled_from(names)] if names else []))


expressions = st.tuples(
    field(0, 59),
    field(0, 23),
    field(1, 28),
    field(1, 12, ("JAN", "dec")),
    field(0, 7, ("SUN", "mon")),
).map(" ".join)


def times(expression):
    simulation = CronSim(expression, NOW)
    return [next(simulation) for _ in range(4)]


def is_named(line, at):
    """Whether a line of OnCalendar, made of stars and lists alone, names the minute `at`."""
    *weekday, date, clock = line.split()
    _, month, day = date.split("-")
    hour, minute, second = clock.split(":")
    fields = [(month, at.month), (day, at.day), (hour, at.hour), (minute, at.minute)]
    return (
        second == "00"
        and (not weekday or f"{at:%a}" in weekday[0].split(","))
        and all(text == "*" or value in map(int, text.split(",")) for text, value in fields)
    )


@given(expressions, st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31)))  # noqa: DTZ001
def test_systemd_starts_the_job_when_cron_would(expression, at):
    """At cron's next four starts, and at any other minute if and only if cron does."""
    lines = Cron.parse(expression).on_calendar()
    at = at.replace(second=0, microsecond=0, tzinfo=UTC)
    starts_then = next(CronSim(expression, at - timedelta(seconds=1))) == at
    assert any(is_named(line, at) for line in lines) is starts_then
    for start in times(expression):
        assert any(is_named(line, start) for line in lines)


@given(expressions)
def test_eventbridge_starts_the_job_when_cron_would(expression):
    """Four starts in a row, by the local cloud's reader of EventBridge's expressions."""
    cron = Cron.parse(expression)
    assume(cron.days is None or cron.weekdays is None)
    fields = eventbridge._parse_cron_fields(cron.event_bridge())
    at, found = NOW, []
    for _ in range(4):
        at = eventbridge._cron_next_fire(fields, at)
        found.append(at)
    assert found == times(expression)


@pytest.mark.parametrize(
    ("expression", "systemd", "event_bridge"),
    [
        ("0 19 * * *", ("*-*-* 19:00:00",), "cron(0 19 * * ? *)"),
        ("*/30 2 * * 1-5", ("Mon,Tue,Wed,Thu,Fri *-*-* 02:00,30:00",), None),
        ("0 2 1 * *", ("*-*-1 02:00:00",), "cron(0 2 1 * ? *)"),
        ("5 4 * 1 sun", ("Sun *-1-* 04:05:00",), "cron(5 4 ? 1 SUN *)"),
        ("0 19 1-31 * mon", ("*-*-* 19:00:00",), "cron(0 19 * * ? *)"),
        ("0  19  *  *  0,7", ("Sun *-*-* 19:00:00",), "cron(0 19 ? * SUN *)"),
    ],
)
def test_common_schedules_are_as_a_person_would_write_them(expression, systemd, event_bridge):
    """Readable in a unit file and in a console."""
    cron = Cron.parse(expression)
    assert cron.on_calendar() == systemd
    assert cron.event_bridge() == (event_bridge or "cron(0,30 2 ? * MON,TUE,WED,THU,FRI *)")


def test_a_day_of_the_month_or_a_weekday_are_two_lines_of_systemd():
    """Cron means either where both are named."""
    lines = Cron.parse("0 19 1 * mon").on_calendar()
    assert lines == ("*-*-1 19:00:00", "Mon *-*-* 19:00:00")


@pytest.mark.parametrize("expression", ["0 19 1 * mon", "0 19 */2 * mon"])
def test_both_kinds_of_days_are_refused_for_eventbridge(expression):
    """It has a question mark for one of them; the way out is told."""
    with pytest.raises(BatchError, match="takes one of them") as caught:
        Cron.parse(expression).event_bridge()
    assert "a schedule of each" in caught.value.hint


@pytest.mark.parametrize(
    ("expression", "told"),
    [
        ("", "0 fields"),
        ("0 19 * *", "4 fields"),
        ("0 0 19 * * *", "6 fields"),
        ("60 19 * * *", "Bad minute"),
        ("0 24 * * *", "Bad hour"),
        ("0 19 0 * *", "Bad day-of-month"),
        ("0 19 * 13 *", "Bad month"),
        ("0 19 * * 8", "Bad day-of-week"),
        ("0 19 31 2 *", "Bad day-of-month"),
        ("0 19 L * *", "neither L nor #"),
        ("0 19 * * 1#2", "neither L nor #"),
        ("@daily", "1 fields"),
        ("0 seven * * *", "Bad hour"),
    ],
)
def test_what_cron_would_not_read_is_refused(expression, told):
    """With what is wrong, and an example."""
    with pytest.raises(BatchError, match=told) as caught:
        Cron.parse(expression)
    assert '"0 19 * * *"' in caught.value.hint


def test_the_next_starts_are_told():
    """In the time zone of the moment that is given."""
    assert [at.day for at in Cron.parse("0 19 * * *").upcoming(3, NOW)] == [24, 25, 26]
