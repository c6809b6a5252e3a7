"""The spyne protocols that read and write bodies, compiled from the contract over lxml.

spyne's own Soap11 is not used for bodies: it follows href attributes out of the verified body,
lets xsi:type choose another class, checks neither order nor namespace, and costs a quarter of a
millisecond for each instance of a list. These two hand over what the contract's reader and writer
make: one dict in, one text out.
"""

from typing import Any

from spyne import MethodContext, ResourceNotFoundError
from spyne.protocol.soap import Soap11

from euca.wire.contract import Contract


class In(Soap11):  # type: ignore[misc]  # spyne is untyped
    """Reads the one element that was verified; `ctx.in_document` is that element."""

    def __init__(self, contract: Contract) -> None:
        super().__init__()
        self._contract = contract

    def create_in_document(self, ctx: MethodContext, charset: Any = None) -> None:
        """Do nothing: the document was parsed before it was verified."""

    def decompose_incoming_envelope(self, ctx: MethodContext, message: str = "request") -> None:
        """Name the operation by the qualified name of the verified element."""
        ctx.in_header_doc = None
        ctx.in_body_doc = ctx.in_document
        ctx.method_request_string = ctx.in_document.tag

    def generate_method_contexts(self, ctx: MethodContext) -> list[MethodContext]:
        """Return the context itself: an operation has one method, so no copies are needed."""
        found = self.get_call_handles(ctx)
        if not found:
            raise ResourceNotFoundError(ctx.method_request_string)
        (ctx.descriptor,) = found
        return [ctx]

    def deserialize(self, ctx: MethodContext, message: str) -> None:
        """Set the arguments to the element's values; raises ContractViolation."""
        operation = self._contract.operation_of(ctx.method_request_string)
        assert operation is not None
        ctx.in_object = self._contract.read(operation.request, ctx.in_body_doc)


class Out(Soap11):  # type: ignore[misc]  # spyne is untyped
    """Writes the reply's element as canonical text; the resource puts the envelope around it."""

    def __init__(self, contract: Contract) -> None:
        super().__init__()
        self._contract = contract

    def serialize(self, ctx: MethodContext, message: str) -> None:
        """Set `ctx.out_document` to the text of the reply; raises ContractViolation."""
        operation = self._contract.operation_of(ctx.method_request_string)
        assert operation is not None
        ctx.out_document = self._contract.write(operation.reply, ctx.out_object[0])

    def create_out_string(self, ctx: MethodContext, charset: Any = None) -> None:
        """Do nothing: the text is made by `serialize`."""
