"""Turns the elements of a message into plain dicts and back, compiled from its record.

Reading walks an lxml tree that the schema has accepted. Writing makes text in exclusive canonical
form at once (end tags spelled out, no declarations below the root), so that what is signed, what
is sent and what was written are the same characters.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lxml import etree

from euca.auth.wsse.names import XSI
from euca.wire.lexical import READERS, UnwritableValue, writer
from euca.wire.quick import QuickWriters
from euca.wire.schema import Attribute, Field, Record, Simple

Read = Callable[[etree._Element], Any]
Convert = Callable[[str | None], Any]
Write = Callable[[Any, list[str]], None]

_NIL = f"{{{XSI}}}nil"


def is_nil(element: etree._Element) -> bool:
    """Whether the element says of itself that it has no value."""
    return element.get(_NIL) in ("true", "1")


class ReaderCompiler:
    """Compiles records of one namespace into functions from an element to its values."""

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace
        self._done: dict[str, Read] = {}

    def record(self, record: Record) -> Read:
        """Return the reader of a record: a dict with every field; absent is None or []."""
        if record.name not in self._done:
            self._done[record.name] = self._compile(record)
        return self._done[record.name]

    def _compile(self, record: Record) -> Read:
        table = {
            f"{{{self._namespace}}}{f.name}": (f.name, *self._field(f), f.repeated)
            for f in record.fields
        }
        blank = {f.name: None for f in record.fields}
        lists = tuple(f.name for f in record.fields if f.repeated)
        attributes = record.attributes

        def read(element: etree._Element) -> dict[str, Any]:
            values: dict[str, Any] = blank.copy()
            for name in lists:
                values[name] = []
            for child in element:
                name, inner, convert, repeated = table[child.tag]  # type: ignore[index]  # names are text
                # Most fields are plain text: a call for each is what lists would cost.
                if inner:
                    value = inner(child)
                elif convert:
                    value = convert(child.text)
                else:
                    value = child.text or ""
                if not repeated:
                    values[name] = value
                elif value is not None:
                    values[name].append(value)
            for attribute in attributes:
                values[f"@{attribute.name}"] = _read_attribute(element, attribute)
            return values

        return read

    def _field(self, field: Field) -> tuple[Read | None, Convert | None]:
        """Return what reads a field's element or else its text, neither where that is the value."""
        if not isinstance(field.kind, Simple):
            read = self.record(field.kind)
            return (_unless_nil(read) if field.nillable else read), None
        convert = READERS[field.kind]
        if field.nillable:
            return _unless_nil(lambda element: convert(element.text)), None
        return None, None if field.kind is Simple.STRING else convert


def _unless_nil(read: Read) -> Read:
    def read_nillable(element: etree._Element) -> Any:
        return None if is_nil(element) else read(element)

    return read_nillable


def _read_attribute(element: etree._Element, attribute: Attribute) -> Any:
    text = element.get(attribute.name)
    return None if text is None else READERS[attribute.kind](text)


class WriterCompiler:
    """Compiles records into functions that append the text of their values to a list."""

    def __init__(self, prefix: str, *, plain: bool) -> None:
        self._prefix = f"{prefix}:" if prefix else ""
        self._plain = plain
        self._quick = QuickWriters(self._prefix, plain=plain)
        self._done: dict[str, Write] = {}

    def message(self, name: str, record: Record) -> Callable[[Mapping[str, Any], str], str]:
        """Return the writer of a whole message: values and root namespace to its text."""
        content = self.record(record)
        tag = f"{self._prefix}{name}"
        declaration = f"xmlns:{self._prefix[:-1]}" if self._prefix else "xmlns"

        quick = self._quick.record(record)

        def write(values: Mapping[str, Any], namespace: str) -> str:
            start, end = f'<{tag} {declaration}="{namespace}"', f"</{tag}>"
            text = self._quick.text(quick, values, f"{start}>", end)
            if text is not None:
                return text
            out = [start]
            try:
                content(values, out)
            except UnwritableValue as error:
                raise error.within(name) from error
            return f"{''.join(out)}{end}"

        return write

    def record(self, record: Record) -> Write:
        """Return the writer of a record; it begins inside the start tag, before its end."""
        if record.name not in self._done:
            self._done[record.name] = self._compile(record)
        return self._done[record.name]

    def _compile(self, record: Record) -> Write:
        fields = [(f.name, self._field(f)) for f in record.fields]
        attributes = [(a, writer(a.kind, plain=self._plain)) for a in record.attributes]
        known = {f.name for f in record.fields} | {f"@{a.name}" for a in record.attributes}

        def write(values: Any, out: list[str]) -> None:
            if not isinstance(values, Mapping):
                raise UnwritableValue(f"a mapping is needed, not {type(values).__name__}")
            if not known.issuperset(values):
                raise UnwritableValue(f"there is no field {_first(set(values) - known)}")
            for attribute, convert in attributes:
                _write_attribute(attribute, convert, values, out)
            out.append(">")
            name = ""
            try:
                for name, append in fields:
                    append(values.get(name), out)
            except UnwritableValue as error:
                raise error.within(name) from error

        return write

    def _field(self, field: Field) -> Write:
        one = self._one(field)
        if field.repeated:
            return _each(one, field)
        nil = f'<{self._prefix}{field.name} xmlns:xsi="{XSI}" xsi:nil="true">'
        nil += f"</{self._prefix}{field.name}>"

        def write(value: Any, out: list[str]) -> None:
            if value is not None:
                one(value, out)
            elif field.minimum > 0:
                if not field.nillable:
                    raise UnwritableValue("is required")
                out.append(nil)

        return write

    def _one(self, field: Field) -> Write:
        start, end = f"<{self._prefix}{field.name}", f"</{self._prefix}{field.name}>"
        if isinstance(field.kind, Simple):
            convert = writer(field.kind, plain=self._plain)

            def write_simple(value: Any, out: list[str]) -> None:
                out.append(f"{start}>{convert(value)}{end}")

            return write_simple
        content = self.record(field.kind)

        def write_record(value: Any, out: list[str]) -> None:
            out.append(start)
            content(value, out)
            out.append(end)

        return write_record


def _each(one: Write, field: Field) -> Write:
    required, most = field.minimum > 0, field.maximum or sys.maxsize

    def write(value: Any, out: list[str]) -> None:
        if value is None:
            value = ()
        if not isinstance(value, Sequence) or isinstance(value, str):
            raise UnwritableValue(f"a list is needed, not {type(value).__name__}")
        if required and not value:
            raise UnwritableValue("needs one member or more")
        if len(value) > most:
            raise UnwritableValue(f"takes {most} members at most")
        for member in value:
            one(member, out)

    return write


def _write_attribute(
    attribute: Attribute, convert: Callable[[Any], str], values: Mapping[str, Any], out: list[str]
) -> None:
    value = values.get(f"@{attribute.name}")
    if value is not None:
        text = convert(value).replace("&gt;", ">").replace('"', "&quot;")
        if "\t" in text or "\n" in text:
            raise UnwritableValue("an attribute cannot hold tabs or lines", f"@{attribute.name}")
        out.append(f' {attribute.name}="{text}"')
    elif attribute.required:
        raise UnwritableValue("is required", f"@{attribute.name}")


def _first(names: set[Any]) -> str:
    return repr(min(map(str, names)))
