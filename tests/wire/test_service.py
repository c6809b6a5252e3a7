"""Tests of the binding between api objects and contracts."""

import gc
import weakref
from collections.abc import Mapping
from typing import Any

from lxml import etree
from twisted.trial.unittest import SynchronousTestCase

from euca.model.errors import Unsupported
from euca.telemetry import trace
from euca.wire.contract import Contract, ContractViolation
from euca.wire.service import (
    BoundService,
    BrokenReply,
    Call,
    Caller,
    ContractBroken,
    UnknownOperation,
    operation,
)
from tests.auth.wsse.messages import at_once
from tests.wire.apis import NC, NodeApi

NOBODY = Caller(None, "")


class Values(dict[str, Any]):
    """Values that can be watched."""


def answered(
    service: BoundService, element: etree._Element, caller: Caller = NOBODY, given: str = "c-0"
) -> str:
    """Return the text of the reply to an element."""
    return at_once(service.answer(service.asked(element, caller), given, str))


def request(name: str, content: str = "", namespace: str = NC.namespace) -> etree._Element:
    """Return a request's element."""
    return etree.fromstring(f'<{name} xmlns="{namespace}">{content}</{name}>')


class BindingTests(SynchronousTestCase):
    """An api object fits its contract exactly, or the process stops."""

    def test_missing_operation(self) -> None:
        """An operation without a method stops the process, by name."""

        class Api(NodeApi):
            unbuilt = NodeApi.unbuilt[1:]

        with self.assertRaisesRegex(ContractBroken, f"missing: {NodeApi.unbuilt[0]}"):
            BoundService(NC, Api())

    def test_surplus_operation(self) -> None:
        """A method without an operation stops the process, by name."""

        class Api(NodeApi):
            @operation("ncFly")
            async def fly(self, call: Call) -> Mapping[str, Any]:
                """Fly."""
                return {}

        with self.assertRaisesRegex(ContractBroken, "surplus: ncFly"):
            BoundService(NC, Api())

    def test_doubled_operation(self) -> None:
        """Two methods for one operation, or one both built and unbuilt, stop the process."""

        class Twice(NodeApi):
            @operation("ncPowerDown")
            async def again(self, call: Call) -> Mapping[str, Any]:
                """Do it again."""
                return {}

        class Both(NodeApi):
            unbuilt = (*NodeApi.unbuilt, "ncPowerDown")

        for api in (Twice(), Both()):
            with self.assertRaisesRegex(ContractBroken, "doubled: ncPowerDown"):
                BoundService(NC, api)

    def test_every_contract_can_be_served(self) -> None:
        """Each of the files makes a spyne application whose operations all dispatch."""
        for name in ("eucalyptus_cc", "eucalyptus_gl", "ec2-2009-11-30", "storage_internal"):
            contract = Contract.load(name)

            class Api:
                unbuilt = tuple(contract.operations)

            service = BoundService(contract, Api())
            for described in contract.operations.values():
                with self.assertRaises((Unsupported, ContractViolation)):
                    answered(service, etree.Element(described.request.element))


class DispatchTests(SynchronousTestCase):
    """A verified element becomes a call, and values become a reply."""

    def setUp(self) -> None:
        """Bind an api."""
        self.api = NodeApi()
        self.service = BoundService(NC, self.api)

    def answer(self, element: etree._Element, caller: Caller = NOBODY) -> str:
        """Return the reply's text."""
        return answered(self.service, element, caller)

    def test_call_and_reply(self) -> None:
        """The method gets the values and the caller; its values come back as text."""
        text = self.answer(
            request("ncDescribeResource", "<userId>eucalyptus</userId>"), Caller(None, "urn:1")
        )
        (call,) = self.api.calls
        self.assertEqual(call.operation, "ncDescribeResource")
        self.assertEqual(call.body["userId"], "eucalyptus")
        self.assertIsNone(call.body["nodeName"])
        self.assertEqual(call.message_id, "urn:1")
        self.assertEqual(etree.fromstring(text).findtext(f"{{{NC.namespace}}}userId"), "eucalyptus")

    def test_unbuilt(self) -> None:
        """An operation that is not built says so."""
        with self.assertRaisesRegex(Unsupported, "ncRebootInstance is not available"):
            self.answer(request("ncRebootInstance", "<instanceId>i</instanceId>"))

    def test_unknown_operation(self) -> None:
        """An element that is no request is refused, also one of another namespace."""
        for element in (
            request("ncFly"),
            request("ncDescribeResourceResponse"),
            request("ncDescribeResource", namespace="http://other/"),
        ):
            with self.assertRaises(UnknownOperation):
                self.answer(element)

    def test_broken_reply(self) -> None:
        """Values that break the contract are our fault, and named so."""
        with self.assertRaisesRegex(BrokenReply, "consoleOutput: a string is needed"):
            self.answer(request("ncGetConsoleOutput", "<instanceId>i</instanceId>"))

    def test_correlation(self) -> None:
        """The method works under the correlation id of the message, or under one given."""
        seen: list[str] = []

        class Api(NodeApi):
            unbuilt = (*NodeApi.unbuilt, "ncDescribeResource")
            describe_resource = None  # type: ignore[assignment]

            @operation("ncPowerDown")
            async def power_down(self, call: Call) -> Mapping[str, Any]:
                """Look at the id."""
                seen.append(trace.current())
                return {"return": True}

        service = BoundService(NC, Api())
        for content in ("<correlationId>c-1</correlationId>", ""):
            answered(service, request("ncPowerDown", content))
        self.assertEqual(seen, ["c-1", "c-0"])

    def test_nothing_stays(self) -> None:
        """What a call held is freed with it, also where the method failed: no garbage is left."""
        made: list[weakref.ref[Values]] = []

        class Api(NodeApi):
            unbuilt = (*NodeApi.unbuilt, "ncDescribeResource")
            describe_resource = None  # type: ignore[assignment]

            @operation("ncPowerDown")
            async def power_down(self, call: Call) -> Mapping[str, Any]:
                """Make values, and fail if it is asked to."""
                values = Values({"return": True})
                made.append(weakref.ref(values))
                if call.body["userId"] == "fail":
                    raise Unsupported("as asked")
                return values

        service = BoundService(NC, Api())
        gc.disable()
        self.addCleanup(gc.enable)
        answered(service, request("ncPowerDown"))
        with self.assertRaises(Unsupported):
            answered(service, request("ncPowerDown", "<userId>fail</userId>"))
        self.assertEqual([each() for each in made], [None, None])

    def test_nested_correlation(self) -> None:
        """Where inherited fields are nested the correlation id is found in there."""
        contract = Contract.load("storage_internal")
        seen: list[str] = []

        class Api:
            unbuilt = tuple(contract.operations.keys() - {"DeleteStorageVolume"})

            @operation("DeleteStorageVolume")
            async def delete(self, call: Call) -> Mapping[str, Any]:
                """Look at the id."""
                seen.append(trace.current())
                return {"StorageResponseType": {"EucalyptusMessage": {"_return": True}}}

        element = request(
            "DeleteStorageVolumeType",
            "<StorageRequestType><EucalyptusMessage><correlationId>c-9</correlationId>"
            "</EucalyptusMessage></StorageRequestType><volumeId>vol-1</volumeId>",
            contract.namespace,
        )
        text = answered(BoundService(contract, Api()), element, given="-")
        self.assertEqual(seen, ["c-9"])
        self.assertTrue(text.startswith('<euca:DeleteStorageVolumeResponseType xmlns:euca="'))
