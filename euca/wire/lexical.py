"""How single values look on the wire, in both directions.

Original 2.0 peers stumble over any byte beyond ASCII and over numeric character references, so
what is written for them is *plain*: ASCII without control characters. A value that cannot be
written so raises `UnwritableValue`; nothing is replaced in silence.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from euca.wire.schema import Simple


class UnwritableValue(ValueError):
    """A value cannot stand on the wire; `path` says where in the message it was."""

    def __init__(self, why: str, path: str = "") -> None:
        super().__init__(f"{path}: {why}" if path else why)
        self.why = why
        self.path = path

    def within(self, name: str) -> "UnwritableValue":
        """Return the same fact, seen from the record around it."""
        return UnwritableValue(self.why, f"{name}/{self.path}" if self.path else name)


class UnreadableValue(ValueError):
    """A text fits the schema and still stands for no value that we can hold."""


def escape(text: str) -> str:
    """Escape text in canonical form: &, < and > only."""
    if "&" in text:
        text = text.replace("&", "&amp;")
    if "<" in text:
        text = text.replace("<", "&lt;")
    if ">" in text:
        text = text.replace(">", "&gt;")
    return text


def plain_text(value: Any) -> str:
    """Write a string for every peer: ASCII, with tab and line feed as the only controls."""
    if not isinstance(value, str):
        raise UnwritableValue(f"a string is needed, not {type(value).__name__}")
    if not value.isascii():
        raise UnwritableValue("has a character beyond ASCII, which old peers cannot read")
    if not value.isprintable():
        _refuse_controls(value)
    return escape(value)


def any_text(value: Any) -> str:
    """Write a string for peers that read all of Unicode."""
    if not isinstance(value, str):
        raise UnwritableValue(f"a string is needed, not {type(value).__name__}")
    if not value.isprintable():
        _refuse_controls(value)
    return escape(value)


def _refuse_controls(value: str) -> None:
    for character in value:
        code = ord(character)
        if (code < 0x20 and character not in "\t\n") or 0x7F <= code < 0xA0:
            raise UnwritableValue(f"has the control character {code:#04x}")
        if 0xD800 <= code < 0xE000 or code in (0xFFFE, 0xFFFF):
            raise UnwritableValue(f"has {code:#06x}, which XML cannot carry")


def _bounded(low: int | None, high: int | None) -> Callable[[Any], str]:
    def write(value: Any) -> str:
        if not isinstance(value, int) or isinstance(value, bool):
            raise UnwritableValue(f"a number is needed, not {type(value).__name__}")
        if (low is not None and value < low) or (high is not None and value > high):
            raise UnwritableValue(f"{value} does not fit the type")
        return str(value)

    return write


def _write_boolean(value: Any) -> str:
    if not isinstance(value, bool):
        raise UnwritableValue(f"true or false is needed, not {type(value).__name__}")
    return "true" if value else "false"


def date_time(value: Any) -> str:
    """Write a time in UTC with milliseconds and a Z, as every 2.0 component does."""
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise UnwritableValue("a time with its zone is needed")
    utc = value if value.tzinfo is UTC else value.astimezone(UTC)
    return f"{utc.isoformat(timespec='milliseconds')[:-6]}Z"


def _write_double(value: Any) -> str:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise UnwritableValue(f"a number is needed, not {type(value).__name__}")
    return repr(float(value))


def writer(kind: Simple, *, plain: bool) -> Callable[[Any], str]:
    """Return the function that writes values of a simple type; it raises UnwritableValue."""
    return {
        Simple.STRING: plain_text if plain else any_text,
        Simple.INT: _bounded(-(1 << 31), (1 << 31) - 1),
        Simple.LONG: _bounded(-(1 << 63), (1 << 63) - 1),
        Simple.INTEGER: _bounded(None, None),
        Simple.BOOLEAN: _write_boolean,
        Simple.DATE_TIME: date_time,
        Simple.DOUBLE: _write_double,
    }[kind]


def _read_string(text: str | None) -> str:
    return text or ""


def _read_number(text: str | None) -> int:
    try:
        return int(text or "")
    except ValueError as error:
        raise UnreadableValue("a number has too many digits") from error


def _read_boolean(text: str | None) -> bool:
    return (text or "").strip() in ("true", "1")


def read_date_time(text: str | None) -> datetime:
    """Read a time; one without a zone is taken as UTC. Raises UnreadableValue."""
    try:
        value = datetime.fromisoformat((text or "").strip())
    except ValueError as error:
        raise UnreadableValue(f"{text!r} is no time of our calendar") from error
    if value.tzinfo is UTC:
        return value
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _read_double(text: str | None) -> float:
    return float((text or "").strip().replace("INF", "inf"))


READERS: dict[Simple, Callable[[str | None], Any]] = {
    Simple.STRING: _read_string,
    Simple.INT: _read_number,
    Simple.LONG: _read_number,
    Simple.INTEGER: _read_number,
    Simple.BOOLEAN: _read_boolean,
    Simple.DATE_TIME: read_date_time,
    Simple.DOUBLE: _read_double,
}
