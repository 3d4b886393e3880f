"""What became of a photo: the API's answer, or the reason why there is none."""

from __future__ import annotations

from dataclasses import dataclass

GONE = "gone"
EMPTY_FILE = "empty_file"
UNREADABLE_FILE = "unreadable_file"
TOO_LARGE = "photo_too_large"
SERVER_FAULT = "server_fault"
"""Codes of reasons that are the job's own; all others are the API's."""

_EXPORT = "is it a photo, and whole? Open it, and export it again as JPEG"
_SMALLER = "make it smaller, and give it to the next run"
_MENDS = {
    "unreadable_photo": _EXPORT,
    "bad_request": _EXPORT,
    "unsupported_media_type": "export it as JPEG; phones call that 'most compatible'",
    TOO_LARGE: _SMALLER,
    "payload_too_large": _SMALLER,
}
"""By the API's code, what whoever has the photo can do; its own hints are for who calls it."""

PASSING_CODES = frozenset(
    {
        *("endpoint", "endpoint_busy", "endpoint_timeout", "endpoint_unavailable"),
        *("internal", "batch_failed", "storage", SERVER_FAULT, GONE, UNREADABLE_FILE),
    }
)
"""Reasons that may have passed by the next run, which therefore sends such a photo again."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One photo's row.

    Attributes:
        prediction: the class's number; None where there is no answer.
        label: the class's name; empty where the API tells none.
        confidence: the class's probability, 0..1, or None likewise.
        verdict: the class's name, or "none" where the model is not sure enough.
        error: the reason why there is no prediction; empty where there is one.
        code: the reason's stable word.
    """

    prediction: int | None = None
    label: str = ""
    confidence: float | None = None
    verdict: str = ""
    error: str = ""
    code: str = ""

    @property
    def is_passing(self) -> bool:
        """Whether asking again may help."""
        return self.prediction is None and self.code in PASSING_CODES


def refused_photo(message: str, hint: str, code: str) -> Outcome:
    """The outcome of a photo that the API refuses, in words for whoever reads the table.

    Args:
        message: the API's, which says what is wrong.
        hint: the API's, told where there is no mend of ours for the code.
        code: the API's.
    """
    mend = _MENDS.get(code, hint)
    return Outcome(error=f"{message} ({mend})" if mend else message, code=code)
