"""What the compiled writers guarantee by themselves, with the schema as the oracle."""

from datetime import UTC, datetime
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree
from twisted.trial.unittest import SynchronousTestCase

from euca.wire.contract import WSDL_DIRECTORY, Contract, ContractViolation, Message
from euca.wire.schema import Field, Record, Simple

_CONTRACTS = tuple(Contract.load(path.stem) for path in sorted(WSDL_DIRECTORY.glob("*.wsdl")))
_MESSAGES = tuple(
    (contract, message)
    for contract in _CONTRACTS
    for operation in contract.operations.values()
    for message in (operation.request, operation.reply)
)
_SIMPLE: dict[Simple, Any] = {
    Simple.STRING: st.text(max_size=6) | st.sampled_from(["<&>\"'", "]]>", "\t\n", "\x00"]),
    Simple.INT: st.integers(),
    Simple.LONG: st.integers(),
    Simple.INTEGER: st.integers(),
    Simple.BOOLEAN: st.booleans(),
    Simple.DATE_TIME: st.datetimes(timezones=st.just(UTC)),
    Simple.DOUBLE: st.floats(),
}


def _values(draw: Any, record: Record, odd: bool) -> dict[str, Any]:
    """Return values for a record, of which some may not fit when they are to be odd."""
    values = {one.name: _value(draw, one, odd) for one in record.fields}
    for one in record.attributes:
        values[f"@{one.name}"] = draw(_SIMPLE[one.kind])
    absent = [one.name for one in record.fields if (odd or one.minimum == 0) and draw(_RARE)]
    return {name: value for name, value in values.items() if name not in absent}


def _value(draw: Any, one: Field, odd: bool) -> Any:
    if odd and draw(_RARE):
        return draw(st.sampled_from([None, 1, "x", True, 1.5, [], {}, datetime(2026, 1, 1)]))
    if one.repeated:
        return [_one(draw, one, odd)] * draw(st.sampled_from([0, 1, 2, 64, 65]))
    return _one(draw, one, odd)


def _one(draw: Any, one: Field, odd: bool) -> Any:
    if isinstance(one.kind, Simple):
        return draw(_SIMPLE[one.kind])
    return _values(draw, one.kind, odd)


_RARE = st.sampled_from([False] * 9 + [True])


@st.composite
def _messages(draw: Any) -> tuple[Contract, Message, dict[str, Any]]:
    contract, message = draw(st.sampled_from(_MESSAGES))
    return contract, message, _values(draw, message.record, draw(st.booleans()))


class ExactTests(SynchronousTestCase):
    """The schema is asked about everything that was written without asking it."""

    @settings(max_examples=600, deadline=None, suppress_health_check=list(HealthCheck))
    @given(_messages())
    def test_nothing_is_written_that_the_schema_refuses(
        self, made: tuple[Contract, Message, dict[str, Any]]
    ) -> None:
        """Whatever the values are, they are refused or make a message that the schema accepts."""
        contract, message, values = made
        try:
            text = contract.write(message, values)
        except (ContractViolation, OverflowError):
            return
        contract.read(message, etree.fromstring(text))

    def test_a_writer_is_trusted_only_where_it_knows_all(self) -> None:
        """Messages with a choice are asked about; the calls of nodes and clusters are exact."""
        for contract, message in _MESSAGES:
            if contract.name.startswith("Eucalyptus"):
                self.assertTrue(message.exact, message.element)
        inexact = {message.record.name for _, message in _MESSAGES if not message.exact}
        self.assertIn("ModifyImageAttributeType", inexact)
        self.assertNotIn("DescribeInstancesResponseType", inexact)  # its choice is of one
