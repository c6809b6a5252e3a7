"""The quick writer: for messages whose values need no escaping, which is nearly all of them.

Looking at every value of a long list costs more than writing it. This writer looks at nothing
while it writes: it keeps the texts that it wrote and judges them all at once afterwards. Where one
of them needs escaping, or anything else is out of the ordinary, it gives up, and the careful
writer does the message again and names what does not fit. Both write the same characters.
"""

import sys
from collections.abc import Callable, Mapping
from typing import Any

from euca.wire.lexical import UnwritableValue, writer
from euca.wire.schema import Field, Record, Simple

Quick = Callable[[Any, list[str], list[str]], None]
_Row = tuple[str, str, str, Quick | None, bool]


class NeedsCare(Exception):
    """A message is not for the quick writer."""


class QuickWriters:
    """Compiles records into functions that append their text, and the values in it."""

    def __init__(self, prefix: str, *, plain: bool) -> None:
        self._prefix = prefix
        self._plain = plain
        self._done: dict[str, Quick] = {}

    def record(self, record: Record) -> Quick:
        """Return the quick writer of what stands inside a record's element."""
        if record.name not in self._done:
            self._done[record.name] = self._compile(record)
        return self._done[record.name]

    def text(self, quick: Quick, values: Mapping[str, Any], start: str, end: str) -> str | None:
        """Return what a quick writer makes of the values between two tags, None to take care."""
        out = [start]
        texts: list[str] = []
        try:
            quick(values, out, texts)
            together = " ".join(texts)
        except (NeedsCare, UnwritableValue, TypeError, AttributeError):
            return None
        if not together.isprintable() or (self._plain and not together.isascii()):
            return None
        if "&" in together or "<" in together or ">" in together:
            return None
        out.append(end)
        return "".join(out)

    def _compile(self, record: Record) -> Quick:
        rows = tuple(self._row(field) for field in record.fields)
        known = frozenset(field.name for field in record.fields)
        attributes = bool(record.attributes)

        def write(values: Any, out: list[str], texts: list[str]) -> None:
            if attributes or not known.issuperset(values):
                raise NeedsCare
            get = values.get
            for name, start, end, content, required in rows:
                value = get(name)
                if value is None:
                    if required:
                        raise NeedsCare
                elif content is None:
                    texts.append(value)
                    out.append(start + value + end)
                else:
                    content(value, out, texts)

        return write

    def _row(self, field: Field) -> _Row:
        start, end = f"<{self._prefix}{field.name}>", f"</{self._prefix}{field.name}>"
        content = self._content(field, start, end)
        if field.repeated:
            content = _each(content or _text(start, end), field)
        return field.name, start, end, content, field.minimum > 0

    def _content(self, field: Field, start: str, end: str) -> Quick | None:
        """Return what writes one element of a field, None where that is plain text."""
        if field.kind is Simple.STRING:
            return None
        if isinstance(field.kind, Simple):
            convert = writer(field.kind, plain=self._plain)

            def write_simple(value: Any, out: list[str], _texts: list[str]) -> None:
                out.append(start + convert(value) + end)

            return write_simple
        inner = self.record(field.kind)

        def write_record(value: Any, out: list[str], texts: list[str]) -> None:
            out.append(start)
            inner(value, out, texts)
            out.append(end)

        return write_record


def _text(start: str, end: str) -> Quick:
    def write(value: Any, out: list[str], texts: list[str]) -> None:
        texts.append(value)
        out.append(start + value + end)

    return write


def _each(one: Quick, field: Field) -> Quick:
    required, most = field.minimum > 0, field.maximum or sys.maxsize

    def write(value: Any, out: list[str], texts: list[str]) -> None:
        if not isinstance(value, (list, tuple)) or (required and not value) or len(value) > most:
            raise NeedsCare
        for member in value:
            one(member, out, texts)

    return write
