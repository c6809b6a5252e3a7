"""Binds the methods of an api object to the operations of a contract, and calls them.

    class NodeApi:
        unbuilt = ("ncBundleInstance",)

        @operation("ncDescribeResource")
        async def describe_resource(self, call: Call) -> Mapping[str, Any]: ...

Every operation of the contract must have exactly one method, or stand in `unbuilt` and be
answered with a clear fault; a method must have an operation. What does not fit stops the process
before it listens.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from attrs import field, frozen
from lxml import etree
from spyne import MethodContext
from spyne.server import ServerBase

from euca.auth.wsse import Signer
from euca.model.errors import Unsupported
from euca.telemetry.trace import correlated
from euca.threads import Immediate, Offload
from euca.wire.contract import Contract, ContractViolation, Operation
from euca.wire.models import application

Method = TypeVar("Method", bound=Callable[..., Awaitable[Mapping[str, Any]]])
T = TypeVar("T")
_OPERATION = "wire_operation"
_HERE = Immediate()


class ContractBroken(Exception):
    """An api object and its contract do not fit each other."""


class UnknownOperation(Exception):
    """The element is no request of the contract."""


@frozen
class Call:
    """One request: its values, who signed it (None where nothing is signed), its MessageID."""

    operation: str
    body: dict[str, Any] = field(repr=False)
    signer: Signer | None
    message_id: str


def operation(name: str) -> Callable[[Method], Method]:
    """Bind a method to the operation of that name."""

    def mark(method: Method) -> Method:
        setattr(method, _OPERATION, name)
        return method

    return mark


@frozen
class Caller:
    """Who calls: proven by the signature, or nobody."""

    signer: Signer | None
    message_id: str


class BoundService:
    """An api object behind its contract: verified element in, reply text out."""

    def __init__(self, contract: Contract, api: object, threads: Offload = _HERE) -> None:
        self._threads = threads
        self._methods = _bound(contract, api)
        self._contract = contract
        self._server = ServerBase(application(contract, self._method))

    def _method(self, operation: Operation) -> Callable[[Any, Any], Any]:
        method = self._methods.get(operation.name)
        name = operation.name

        async def answer(context: Any, request: dict[str, Any]) -> Any:
            if method is None:
                raise Unsupported(f"{name} is not available in this cloud yet")
            caller: Caller = context.udc
            return await method(Call(name, request, caller.signer, caller.message_id))

        return answer

    def asked(self, element: etree._Element, caller: Caller) -> MethodContext:
        """Return what an element asks for, read; raises UnknownOperation, ContractViolation."""
        initial = MethodContext(self._server, MethodContext.SERVER)
        initial.in_document = element
        initial.udc = caller
        context = self._server.generate_contexts(initial)[0]
        if context.in_error is not None:
            raise UnknownOperation(f"{element.tag!s} is no operation of {self._contract.name}")
        context.in_protocol.deserialize(context, "request")
        return context

    async def answer(self, context: MethodContext, correlation: str, seal: Callable[[str], T]) -> T:
        """Run the operation that was asked for; return what `seal` makes of the reply's text.

        The text, canonical, is written and sealed in the threads. Raises BrokenReply for a reply
        of ours that breaks the contract, and what the method raises.
        """
        correlation = _correlation(context.in_object) or correlation
        try:
            # spyne calls a coroutine function here, which cannot raise before it is awaited.
            self._server.get_out_object(context)
            with correlated(correlation):
                context.out_object = [await context.out_object[0]]
            return await self._threads.run(lambda: seal(_written(context)))
        finally:
            # To close it would be to collect garbage, for tens of milliseconds. Its parts refer
            # to it: emptied, it is freed at once, and with it the long lists that it holds.
            vars(context).clear()


class BrokenReply(Exception):
    """A method returned values that its contract does not allow."""


def _written(context: MethodContext) -> str:
    try:
        context.out_protocol.serialize(context, "response")
    except ContractViolation as error:
        raise BrokenReply(str(error)) from error
    text: str = context.out_document
    return text


def _correlation(values: Any) -> str:
    """Return the correlationId of a message, which inherited wrappers may hold."""
    while isinstance(values, Mapping):
        if values.get("correlationId"):
            return str(values["correlationId"])
        values = next((v for v in values.values() if isinstance(v, Mapping)), None)
    return ""


def _bound(contract: Contract, api: object) -> dict[str, Callable[[Call], Any]]:
    """Return the methods by operation; raises ContractBroken naming all that does not fit."""
    methods = _methods(api)
    unbuilt = list(getattr(api, "unbuilt", ()))
    said = Counter([name for name, _ in methods] + unbuilt)
    wrong = {
        "missing": sorted(contract.operations.keys() - said.keys()),
        "surplus": sorted(said.keys() - contract.operations.keys()),
        "doubled": sorted(name for name, times in said.items() if times > 1),
    }
    if any(wrong.values()):
        parts = [f"{what}: {', '.join(names)}" for what, names in wrong.items() if names]
        raise ContractBroken(f"{type(api).__name__} and {contract.name}: {'; '.join(parts)}")
    return dict(methods)


def _methods(api: object) -> list[tuple[str, Callable[[Call], Any]]]:
    found = []
    for attribute in dir(type(api)):
        name = getattr(getattr(type(api), attribute), _OPERATION, None)
        if isinstance(name, str):
            found.append((name, getattr(api, attribute)))
    return found
