"""A crontab expression, checked by cronsim, and the same times for systemd and EventBridge."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING

from cronsim import CronSim, CronSimError

from batch.errors import BatchError

if TYPE_CHECKING:
    from collections.abc import Collection

_FIELDS = 5
_HINT = 'for example "0 19 * * *": every day at 19:00'
_WEEKDAYS = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat")


@dataclass(frozen=True, slots=True)
class Cron:
    """When a job starts: crontab(5)'s five fields as sorted numbers.

    Attributes:
        expression: as it was given, with single spaces.
        minutes, hours: 0..59, 0..23.
        days: of the month, 1..31; None for any.
        months: 1..12; None for any.
        weekdays: 0 (Sunday) to 6; None for any.
        either: whether a day of the month or a weekday is enough, as crontab has it where neither
            field begins with a star.
    """

    expression: str
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: tuple[int, ...] | None
    months: tuple[int, ...] | None
    weekdays: tuple[int, ...] | None
    either: bool

    @classmethod
    def parse(cls, expression: str) -> Cron:
        """Read five fields.

        Raises:
            BatchError: they are not as Debian's cron reads them, or the time never comes.
        """
        fields = expression.split()
        if len(fields) != _FIELDS:
            raise BatchError(
                f"schedule {expression!r} has {len(fields)} fields: expected {_FIELDS}"
                " (minute hour day-of-month month day-of-week)",
                hint=_HINT,
            )
        try:
            found = CronSim(expression, datetime.now(UTC))
            next(found)
        except (CronSimError, StopIteration) as error:
            raise BatchError(f"schedule {expression!r}: {error or 'never'}", hint=_HINT) from error
        if set("L#").intersection(fields[2].upper()) or set("L#").intersection(fields[4].upper()):
            raise BatchError(
                f"schedule {expression!r}: cron itself knows neither L nor #", hint=_HINT
            )
        days = _some(found.days, 31)
        weekdays = _some({int(day) % 7 for day in found.weekdays}, len(_WEEKDAYS))  # type: ignore[arg-type]  # tuples are those of # and L
        either = not found.day_and
        if either and None in (days, weekdays):  # such as "0 19 1-31 * mon": cron starts it daily
            days = weekdays = None
        return cls(
            " ".join(fields),
            tuple(sorted(found.minutes)),
            tuple(sorted(found.hours)),
            days,
            _some(found.months, 12),
            weekdays,
            either and days is not None,
        )

    def upcoming(self, count: int, now: datetime) -> list[datetime]:
        """The next times behind `now`, in its time zone."""
        return list(islice(CronSim(self.expression, now), count))

    def on_calendar(self) -> tuple[str, ...]:
        """The same times as OnCalendar= of systemd.time(7), in one line or two that add up."""
        if not self.either:
            return (self._on_calendar(self.weekdays, self.days),)
        return self._on_calendar(None, self.days), self._on_calendar(self.weekdays, None)

    def event_bridge(self) -> str:
        """The same times as EventBridge Scheduler's cron(minutes hours day month weekday year).

        Source: EventBridge Scheduler user guide, *Schedule types*.

        Raises:
            BatchError: both a day of the month and a weekday are named, of which it takes one.
        """
        if self.days is not None and self.weekdays is not None:
            raise BatchError(
                f"schedule {self.expression!r} names days of the month and weekdays: EventBridge"
                " takes one of them",
                hint="make a schedule of each, with another --name",
            )
        days = "?" if self.weekdays is not None else _numbers(self.days)
        named = self.weekdays and ",".join(_WEEKDAYS[day].upper() for day in self.weekdays)
        minutes = _numbers(_some(self.minutes, 60))
        hours = _numbers(_some(self.hours, 24))
        return f"cron({minutes} {hours} {days} {_numbers(self.months)} {named or '?'} *)"

    def _on_calendar(self, weekdays: tuple[int, ...] | None, days: tuple[int, ...] | None) -> str:
        named = "" if weekdays is None else ",".join(_WEEKDAYS[day] for day in weekdays) + " "
        date = f"*-{_numbers(self.months)}-{_numbers(days)}"
        return f"{named}{date} {_two(_some(self.hours, 24))}:{_two(_some(self.minutes, 60))}:00"


def _some(values: Collection[int], all_of_them: int) -> tuple[int, ...] | None:
    return None if len(values) == all_of_them else tuple(sorted(values))


def _numbers(values: tuple[int, ...] | None) -> str:
    return "*" if values is None else ",".join(map(str, values))


def _two(values: tuple[int, ...] | None) -> str:
    return "*" if values is None else ",".join(f"{value:02d}" for value in values)
