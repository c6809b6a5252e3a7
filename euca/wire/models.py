"""Makes spyne's types and service class from a contract.

spyne dispatches by these declarations and keeps its contexts; the values themselves pass it by,
as plain dicts (see `euca.wire.protocol`). Inheritance is flattened, base fields first, which is
the same on the wire.
"""

import itertools
from collections.abc import Callable
from typing import Any

from spyne import Application, Service, rpc
from spyne.model import Boolean, DateTime, Double, Integer, Integer32, Integer64, Unicode
from spyne.model.complex import ComplexModel, ComplexModelMeta, XmlAttribute
from spyne.util.odict import odict

from euca.wire.contract import Contract, Operation
from euca.wire.protocol import In, Out
from euca.wire.schema import Record, Simple

_SIMPLE: dict[Simple, Any] = {
    Simple.STRING: Unicode,
    Simple.INT: Integer32,
    Simple.LONG: Integer64,
    Simple.INTEGER: Integer,
    Simple.BOOLEAN: Boolean,
    Simple.DATE_TIME: DateTime,
    Simple.DOUBLE: Double,
}

_SERIAL = itertools.count()

Method = Callable[[Any, Any], Any]


class Models:
    """The spyne types of one contract, each made once."""

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace
        self._done: dict[str, Any] = {}

    def record(self, record: Record) -> Any:
        """Return the spyne class of a record."""
        if record.name not in self._done:
            members = [(f.name, self._member(f)) for f in record.fields]
            members += [(a.name, XmlAttribute(_SIMPLE[a.kind])) for a in record.attributes]
            declaration = odict(
                [
                    ("__type_name__", record.name),
                    ("__namespace__", self._namespace),
                    ("_type_info", members),
                ]
            )
            self._done[record.name] = ComplexModelMeta(record.name, (ComplexModel,), declaration)
        return self._done[record.name]

    def _member(self, field: Any) -> Any:
        kind = field.kind
        model = _SIMPLE[kind] if isinstance(kind, Simple) else self.record(kind)
        return model.customize(
            min_occurs=field.minimum,
            max_occurs="unbounded" if field.maximum is None else field.maximum,
            nillable=field.nillable,
        )


def application(contract: Contract, method_of: Callable[[Operation], Method]) -> Application:
    """Return the spyne application of a contract, each operation bound to its method."""
    models = Models(contract.namespace)
    methods = {
        name: _method(models, operation, method_of(operation))
        for name, operation in contract.operations.items()
    }
    service = type(f"{contract.name}Service", (Service,), methods)
    return Application(
        [service],
        tns=contract.namespace,
        # spyne keeps a register by name and complains of equals; the name is not on the wire.
        name=f"{contract.name}-{next(_SERIAL)}",
        in_protocol=In(contract),
        out_protocol=Out(contract),
    )


def _method(models: Models, operation: Operation, bound: Method) -> Any:
    def method(context: Any, request: Any) -> Any:
        return bound(context, request)

    def method_without_fields(context: Any) -> Any:
        return bound(context, {})

    # spyne counts arguments: a message without fields must be no argument.
    record = operation.request.record
    function = method if record.fields else method_without_fields
    function.__name__ = operation.name
    return rpc(
        *([models.record(record)] if record.fields else []),
        _returns=models.record(operation.reply.record),
        _body_style="bare",
        _in_message_name=operation.request.element,
        _out_message_name=operation.reply.element,
    )(function)
