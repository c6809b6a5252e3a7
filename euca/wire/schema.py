"""Compiles the part of XML Schema that our contracts use into plain values.

A complex type becomes a `Record`: its fields in wire order, inherited ones first. Anything that
is not understood here raises `UnknownConstruct` instead of being passed over, because a dropped
field would be noticed only on the wire.
"""

import enum

from attrs import field, frozen
from lxml import etree

from euca.wire.names import XS

_IGNORED = frozenset({f"{{{XS}}}annotation"})


class UnknownConstruct(Exception):
    """A contract uses a part of XML Schema that the compiler does not know."""


class Simple(enum.Enum):
    """The built-in simple types that the contracts use."""

    STRING = "string"
    INT = "int"
    LONG = "long"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    DATE_TIME = "dateTime"
    DOUBLE = "double"


@frozen
class Field:
    """One element inside a record; maximum None is unbounded."""

    name: str
    kind: "Simple | Record"
    minimum: int = 1
    maximum: int | None = 1
    nillable: bool = False

    @property
    def repeated(self) -> bool:
        """Whether the field's value is a list."""
        return self.maximum is None or self.maximum > 1


@frozen
class Attribute:
    """One attribute of a record's element; in values its name begins with an @."""

    name: str
    kind: Simple
    required: bool


@frozen
class Record:
    """A complex type: fields in wire order."""

    name: str
    fields: tuple[Field, ...] = field(repr=False)
    attributes: tuple[Attribute, ...] = field(default=(), repr=False)
    choices: bool = field(default=False, repr=False)
    """Whether the schema lets only one of some fields be there."""

    @property
    def exact(self) -> bool:
        """Whether what keeps order, number and types of the fields keeps the whole schema."""
        return not self.choices and all(_exact(one) for one in self.fields)


def _exact(one: Field) -> bool:
    if one.minimum > 1 or one.kind is Simple.DOUBLE:
        return False
    return isinstance(one.kind, Simple) or one.kind.exact


class Compiler:
    """Compiles the types of one schema element, each of them once."""

    def __init__(self, schema: etree._Element) -> None:
        self._types = {
            str(node.get("name")): node for node in schema.findall(f"{{{XS}}}complexType")
        }
        self._done: dict[str, Record] = {}
        self._open: set[str] = set()
        for node in _children(schema):
            if _local(node) not in ("complexType", "element"):
                raise UnknownConstruct(f"{_local(node)} in the schema")

    def record(self, name: str) -> Record:
        """Return the compiled complex type; raises UnknownConstruct."""
        if name not in self._done:
            if name in self._open:
                raise UnknownConstruct(f"{name} contains itself")
            self._open.add(name)
            fields, attributes = self._content(self._types[name], name)
            choices = self._choices(self._types[name])
            self._done[name] = Record(name, tuple(fields), tuple(attributes), choices)
            self._open.discard(name)
        return self._done[name]

    def _choices(self, node: etree._Element) -> bool:
        """Whether a type, or one that it extends, has a choice."""
        bases = [_type_name(one, "base")[1] for one in node.iter(f"{{{XS}}}extension")]
        own = any(_is_choice(one) for one in node.iter(f"{{{XS}}}choice"))
        return own or any(self.record(base).choices for base in bases)

    def _content(self, node: etree._Element, where: str) -> tuple[list[Field], list[Attribute]]:
        fields: list[Field] = []
        attributes: list[Attribute] = []
        for child in _children(node):
            match _local(child):
                case "complexContent":
                    inherited = self._extension(child, where)
                    fields += inherited[0]
                    attributes += inherited[1]
                case "sequence" | "choice":
                    fields += self._particles(child, where, optional=False)
                case "attribute":
                    attributes.append(self._attribute(child))
                case other:
                    raise UnknownConstruct(f"{other} in {where}")
        return fields, attributes

    def _extension(self, node: etree._Element, where: str) -> tuple[list[Field], list[Attribute]]:
        (extension,) = _children(node)
        if _local(extension) != "extension":
            raise UnknownConstruct(f"{_local(extension)} in {where}")
        base = self.record(_type_name(extension, "base")[1])
        fields, attributes = self._content(extension, where)
        return [*base.fields, *fields], [*base.attributes, *attributes]

    def _particles(self, group: etree._Element, where: str, *, optional: bool) -> list[Field]:
        """Return the fields of a sequence or choice; those of a choice may each be absent."""
        if set(group.attrib):
            raise UnknownConstruct(f"a {_local(group)} with attributes in {where}")
        optional = optional or _is_choice(group)
        fields: list[Field] = []
        for child in _children(group):
            match _local(child):
                case "element":
                    fields.append(self._field(child, where, optional=optional))
                case "sequence" | "choice":
                    fields += self._particles(child, where, optional=optional)
                case other:
                    raise UnknownConstruct(f"{other} in {where}")
        return fields

    def _field(self, node: etree._Element, where: str, *, optional: bool) -> Field:
        known = {"name", "type", "minOccurs", "maxOccurs", "nillable"}
        if set(map(str, node.attrib)) - known or _children(node):
            raise UnknownConstruct(f"element {node.get('name')} in {where}")
        highest = node.get("maxOccurs", "1")
        return Field(
            name=str(node.get("name")),
            kind=self._kind(node),
            minimum=0 if optional else int(node.get("minOccurs", "1")),
            maximum=None if highest == "unbounded" else int(highest),
            nillable=node.get("nillable") in ("true", "1"),
        )

    def _kind(self, node: etree._Element) -> Simple | Record:
        namespace, name = _type_name(node, "type")
        return Simple(name) if namespace == XS else self.record(name)

    def _attribute(self, node: etree._Element) -> Attribute:
        namespace, name = _type_name(node, "type")
        if namespace != XS or set(map(str, node.attrib)) - {"name", "type", "use"}:
            raise UnknownConstruct(f"attribute {node.get('name')} of type {name}")
        return Attribute(str(node.get("name")), Simple(name), node.get("use") == "required")


def qualified(node: etree._Element, text: str) -> tuple[str | None, str]:
    """Return namespace and local name of a prefixed name by the prefixes in scope at node."""
    prefix, _, local = text.rpartition(":")
    return node.nsmap.get(prefix or None), local


def _type_name(node: etree._Element, attribute: str) -> tuple[str | None, str]:
    return qualified(node, str(node.get(attribute)))


def _children(node: etree._Element) -> list[etree._Element]:
    return [child for child in node if isinstance(child.tag, str) and child.tag not in _IGNORED]


def _is_choice(group: etree._Element) -> bool:
    """Whether some of a group's members exclude each other: a choice of one is none."""
    return _local(group) == "choice" and len(_children(group)) > 1


def _local(node: etree._Element) -> str:
    return etree.QName(node).localname
