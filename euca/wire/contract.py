"""A contract: what one WSDL file says about one service, ready to be used.

The authored files are the only description of the wire. From each of them come, when a process
starts: the operations, the readers and writers of their messages, and the validator. Everything
received passes the validator; of what is written, only what the compiled writer alone cannot
guarantee: a writer knows order, number and types, but not which fields exclude each other.
"""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from attrs import evolve, field, frozen
from lxml import etree

from euca.auth.wsse.names import XSI
from euca.wire.codec import Read, ReaderCompiler, WriterCompiler, is_nil
from euca.wire.lexical import UnreadableValue, UnwritableValue
from euca.wire.names import WSDL, WSDL_SOAP, XS
from euca.wire.schema import Compiler, Record, UnknownConstruct, qualified

WSDL_DIRECTORY = Path(__file__).resolve().parents[2] / "wsdl"

CLUSTER_NAMESPACE = "http://eucalyptus.ucsb.edu/"
INTERNAL_NAMESPACE = "http://msgs.eucalyptus.com"

# The prefix that peers know: 2.0's command line tools look for the letters "euca:".
_PREFIXES = {CLUSTER_NAMESPACE: "n", INTERNAL_NAMESPACE: "euca"}
# Services whose peers may be original 2.0 programs, which read ASCII only.
PLAIN_NAMESPACES = frozenset(_PREFIXES)

# What original peers send beside the contract and every receiver passes over: the cloud
# controller's DescribeInstances names its (empty) list as its own binding does.
_TOLERATED = {
    f"{{{CLUSTER_NAMESPACE}}}DescribeInstances": (f"{{{CLUSTER_NAMESPACE}}}instancesSet",)
}

_FOREIGN_INSTANCE = etree.XPath(
    "boolean(descendant-or-self::*/@xsi:*[local-name() != 'nil'])", namespaces={"xsi": XSI}
)


class ContractViolation(Exception):
    """A message does not fit the contract."""


@frozen
class Message:
    """One message of an operation: its root element and how its content is read and written."""

    element: str
    record: Record
    read: Read = field(repr=False)
    write: Callable[[Mapping[str, Any], str], str] = field(repr=False)
    write_failure: Callable[[Mapping[str, Any], str], str] | None = field(default=None, repr=False)
    """Writes a reply that says it failed and may lack what a success must have; None elsewhere."""
    exact: bool = False
    """Whether nothing that `write` can write breaks the schema."""


@frozen
class Operation:
    """One operation: its SOAPAction, and what goes each way."""

    name: str
    action: str
    request: Message
    reply: Message


@frozen
class Contract:
    """What two peers of one service agree on."""

    name: str
    namespace: str
    path: Path
    raw: bytes = field(repr=False)
    operations: Mapping[str, Operation] = field(repr=False)
    _validator: etree.XMLSchema = field(repr=False)
    _failure_validator: etree.XMLSchema = field(repr=False)
    _by_element: Mapping[str, Operation] = field(repr=False)

    @classmethod
    def load(cls, name: str, directory: Path = WSDL_DIRECTORY) -> "Contract":
        """Compile `name`.wsdl; raises UnknownConstruct for what our schema compiler lacks."""
        path = directory / f"{name}.wsdl"
        raw = path.read_bytes()
        root = etree.fromstring(raw, etree.XMLParser(no_network=True, remove_comments=True))
        (schema,) = root.findall(f"{{{WSDL}}}types/{{{XS}}}schema")
        namespace = str(root.get("targetNamespace"))
        operations = _Binder(root, schema, namespace).operations()
        return cls(
            name=str(root.get("name")),
            namespace=namespace,
            path=path,
            raw=raw,
            operations=operations,
            validator=_validator(schema),
            failure_validator=_failure_validator(schema, operations.values()),
            by_element={operation.request.element: operation for operation in operations.values()},
        )

    def operation_of(self, element: str) -> Operation | None:
        """Return the operation whose request has that qualified name, `{namespace}local`."""
        return self._by_element.get(element)

    def read(self, message: Message, element: etree._Element) -> dict[str, Any]:
        """Check an element against the schema and return its values; raises ContractViolation."""
        if element.tag != message.element:
            raise ContractViolation(f"{element.tag!s} came where {message.element} was due")
        for name in _TOLERATED.get(message.element, ()):
            for passed_over in element.findall(name):
                element.remove(passed_over)
        self._admit(message, element)
        if is_nil(element):
            raise ContractViolation(f"{message.element} is nil")
        try:
            values: dict[str, Any] = message.read(element)
        except UnreadableValue as error:
            raise ContractViolation(str(error)) from error
        return values

    def write(self, message: Message, values: Mapping[str, Any]) -> str:
        """Return the message's element as canonical text; raises ContractViolation."""
        failed = values.get("return") is False and message.write_failure is not None
        write = message.write_failure if failed and message.write_failure else message.write
        try:
            text = write(values, self.namespace)
        except UnwritableValue as error:
            raise ContractViolation(str(error)) from error
        if failed or not message.exact:
            self._admit(message, etree.fromstring(text))
        return text

    def check(self, element: etree._Element) -> None:
        """Raise ContractViolation unless the schema accepts the element."""
        self._validate(element, self._validator)

    def render_reply(
        self, operation: str, values: Mapping[str, Any], namespace: str | None = None
    ) -> bytes:
        """Return the reply's element alone, in another namespace if one is given.

        EC2's Query interface answers so; the values are checked against the contract's own.
        """
        reply = self.operations[operation].reply
        text = self.write(reply, values)
        if namespace is not None:
            # It is declared once, in the root's start tag.
            text = text.replace(f'="{self.namespace}"', f'="{namespace}"', 1)
        return text.encode("utf-8")

    def _failed(self, element: etree._Element) -> bool:
        return element.findtext(f"{{{self.namespace}}}return") in ("false", "0")

    def _admit(self, message: Message, element: etree._Element) -> None:
        """Raise ContractViolation unless the schema accepts a message, or a failure that it is."""
        try:
            self.check(element)
        except ContractViolation:
            if message.write_failure is None or not self._failed(element):
                raise
            self._validate(element, self._failure_validator)

    def _validate(self, element: etree._Element, validator: etree.XMLSchema) -> None:
        # xsi:type would choose another type, and a schema location would be fetched.
        if _FOREIGN_INSTANCE(element):
            raise ContractViolation("an xsi attribute other than nil is not taken")
        if not validator.validate(element):
            raise ContractViolation(_first_error(validator))


def _validator(schema: etree._Element) -> etree.XMLSchema:
    return etree.XMLSchema(etree.fromstring(etree.tostring(schema)))


def _failure_validator(schema: etree._Element, operations: Iterable[Operation]) -> etree.XMLSchema:
    """Return a validator to which nothing directly inside a reply is mandatory.

    Original nodes answer a failure with `return` false and little else, whatever the type demands.
    """
    relaxed = etree.fromstring(etree.tostring(schema))
    for operation in operations:
        if operation.reply.write_failure is not None:
            (node,) = relaxed.findall(f"{{{XS}}}complexType[@name='{operation.reply.record.name}']")
            for element in node.iter(f"{{{XS}}}element"):
                element.set("minOccurs", "0")
    return etree.XMLSchema(relaxed)


def _first_error(validator: etree.XMLSchema) -> str:
    for entry in validator.error_log:
        return str(entry.message)
    return "the message does not fit the schema"


class _Binder:
    """Reads the operations of a WSDL document with one schema, document/literal throughout."""

    def __init__(self, root: etree._Element, schema: etree._Element, namespace: str) -> None:
        self._root = root
        self._namespace = namespace
        self._compiler = Compiler(schema)
        self._reader = ReaderCompiler(namespace)
        self._writer = WriterCompiler(
            _PREFIXES.get(namespace, ""), plain=namespace in PLAIN_NAMESPACES
        )
        self._elements = {
            str(node.get("name")): qualified(node, str(node.get("type")))[1]
            for node in schema.findall(f"{{{XS}}}element")
        }

    def operations(self) -> dict[str, Operation]:
        """Return the operations by name; raises UnknownConstruct."""
        actions = self._actions()
        found: dict[str, Operation] = {}
        for node in self._root.findall(f"{{{WSDL}}}portType/{{{WSDL}}}operation"):
            name = str(node.get("name"))
            found[name] = Operation(
                name=name,
                action=actions[name],
                request=self._message(node, "input"),
                reply=self._message(node, "output"),
            )
        return found

    def _actions(self) -> dict[str, str]:
        actions: dict[str, str] = {}
        for binding in self._root.findall(f"{{{WSDL}}}binding"):
            for node in binding.findall(f"{{{WSDL}}}operation"):
                soap = node.find(f"{{{WSDL_SOAP}}}operation")
                if soap is None or soap.get("style", "document") != "document":
                    raise UnknownConstruct(f"operation {node.get('name')} is not document style")
                actions[str(node.get("name"))] = str(soap.get("soapAction", ""))
        return actions

    def _message(self, operation: etree._Element, side: str) -> Message:
        node = operation.find(f"{{{WSDL}}}{side}")
        if node is None:
            raise UnknownConstruct(f"operation {operation.get('name')} has no {side}")
        wanted = qualified(node, str(node.get("message")))[1]
        (part,) = self._root.findall(f"{{{WSDL}}}message[@name='{wanted}']/{{{WSDL}}}part")
        name = qualified(part, str(part.get("element")))[1]
        record = self._compiler.record(self._elements[name])
        may_fail = side == "output" and self._namespace == CLUSTER_NAMESPACE
        return Message(
            element=f"{{{self._namespace}}}{name}",
            record=record,
            read=self._reader.record(record),
            write=self._writer.message(name, record),
            write_failure=self._writer.message(name, _failure(record)) if may_fail else None,
            exact=record.exact,
        )


def _failure(record: Record) -> Record:
    """Return the record of a reply that failed: every field may be absent."""
    fields = tuple(evolve(one, minimum=0) for one in record.fields)
    return evolve(record, name=f"{record.name} that failed", fields=fields)
