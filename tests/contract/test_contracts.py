"""Our contracts say what the original's say, field by field."""

import json
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from euca.wire.contract import Contract, Message
from euca.wire.schema import Field, Record, Simple
from tests.contract.recordings import ABSENT, CONTRACTS

PAIRS = {
    "eucalyptus_nc": "eucalyptus_nc",
    "eucalyptus_cc": "eucalyptus_cc",
    "eucalyptus_gl": "eucalyptus_gl",
    "ec2-2009-11-30": "ec2-2009-11-30",
    "storage_internal": "internal-storage",
}


class ContractTests(SynchronousTestCase):
    """The compiled contracts against the reference's, which were read off the original."""

    if ABSENT:
        skip = ABSENT

    def test_same_operations_and_fields(self) -> None:
        """Every operation has its soapAction, its elements, and their fields in wire order."""
        for ours, theirs in PAIRS.items():
            contract = Contract.load(ours)
            reference = json.loads((CONTRACTS / f"{theirs}.json").read_text())
            self.assertEqual(contract.operations.keys(), reference["operations"].keys())
            for name, row in reference["operations"].items():
                operation = contract.operations[name]
                self.assertEqual(operation.action, row["soapAction"], name)
                for message, (part,) in (
                    (operation.request, row["input"]),
                    (operation.reply, row["output"]),
                ):
                    self.assertEqual(message.element, part["element"])
                    self._same(message, part["fields"], reference["types"])

    def _same(self, message: Message, fields: Any, types: Any) -> None:
        self.assertEqual(_ours(message.record), _theirs(fields, types), message.element)


def _ours(record: Record) -> list[Any]:
    rows = [_row(field) for field in record.fields]
    return [*rows, *([f"@{a.name}", f"xs:{a.kind.value}"] for a in record.attributes)]


def _row(field: Field) -> list[Any]:
    kind = f"xs:{field.kind.value}" if isinstance(field.kind, Simple) else _ours(field.kind)
    highest = -1 if field.maximum is None else field.maximum
    return [field.name, kind, field.minimum, highest, field.nillable]


def _theirs(fields: Any, types: Any, *, optional: bool = False) -> list[Any]:
    rows: list[Any] = []
    for row in fields:
        if row[0] == "choice":
            rows += _theirs(row[1], types, optional=len(row[1]) > 1)
        elif row[0].startswith("@"):
            rows.append([row[0], row[1]])
        else:
            name, kind, lowest, highest, nillable = row
            kind = kind if kind.startswith("xs:") else _theirs(types[kind], types)
            rows.append([name, kind, 0 if optional else lowest, highest, nillable])
    return rows
