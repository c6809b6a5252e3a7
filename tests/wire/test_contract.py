"""Tests of contracts: compiled from their files, and held against every message."""

from pathlib import Path
from typing import Any

from lxml import etree
from twisted.trial.unittest import SynchronousTestCase

from euca.wire.contract import WSDL_DIRECTORY, Contract, ContractViolation
from euca.wire.schema import Compiler, UnknownConstruct
from tests.wire.apis import NC, instance, resource_reply

CC = Contract.load("eucalyptus_cc")
EC2 = Contract.load("ec2-2009-11-30")
_XSI = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'


def element(name: str, content: str = "", attributes: str = "", contract: Contract = NC) -> Any:
    """Return an element of a contract's namespace."""
    return etree.fromstring(f'<{name} xmlns="{contract.namespace}" {attributes}>{content}</{name}>')


class CompilerTests(SynchronousTestCase):
    """The compiler keeps every field in its place, and refuses what it does not know."""

    def test_inherited_fields_come_first(self) -> None:
        """The base type's fields stand before the type's own, all in the file's order."""
        fields = [f.name for f in NC.operations["ncTerminateInstance"].request.record.fields]
        self.assertEqual(
            fields,
            ["correlationId", "userId", "return", "nodeName", "statusMessage", "instanceId"],
        )

    def test_unknown_constructs(self) -> None:
        """What the compiler does not know stops it, instead of being dropped."""
        for content in (
            "<xs:all><xs:element name='a' type='xs:string'/></xs:all>",
            "<xs:sequence><xs:any/></xs:sequence>",
            "<xs:sequence minOccurs='0'><xs:element name='a' type='xs:string'/></xs:sequence>",
            "<xs:sequence><xs:element ref='a'/></xs:sequence>",
            "<xs:sequence><xs:element name='a'><xs:complexType/></xs:element></xs:sequence>",
            "<xs:simpleContent><xs:extension base='xs:string'/></xs:simpleContent>",
            "<xs:complexContent><xs:restriction base='t'/></xs:complexContent>",
            "<xs:sequence><xs:element name='a' type='t'/></xs:sequence>",
        ):
            schema = etree.fromstring(
                "<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema'>"
                f"<xs:complexType name='t'>{content}</xs:complexType></xs:schema>"
            )
            with self.assertRaises(UnknownConstruct, msg=content):
                Compiler(schema).record("t")

    def test_other_declarations(self) -> None:
        """A schema with other global declarations is refused."""
        schema = etree.fromstring(
            "<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema'><xs:simpleType name='t'/>"
            "</xs:schema>"
        )
        with self.assertRaises(UnknownConstruct):
            Compiler(schema)

    def test_authored_file_is_kept(self) -> None:
        """The contract keeps the bytes of its file, to be served as they are."""
        self.assertEqual(NC.raw, Path(WSDL_DIRECTORY / "eucalyptus_nc.wsdl").read_bytes())


class ReadingTests(SynchronousTestCase):
    """What comes in is checked, then becomes plain values."""

    def read(self, found: etree._Element, operation: str = "ncTerminateInstance") -> Any:
        """Read a request."""
        return NC.read(NC.operations[operation].request, found)

    def violates(self, found: etree._Element, why: str) -> None:
        """Assert that a request is refused."""
        with self.assertRaisesRegex(ContractViolation, why):
            self.read(found)

    def test_values(self) -> None:
        """Present fields have their types, absent ones are None, lists are always there."""
        values = CC.read(
            CC.operations["DescribeNetworks"].reply,
            element(
                "DescribeNetworksResponse",
                "<return>true</return><mode>1</mode><addrsPerNet>32</addrsPerNet>"
                "<activeNetworks><vlan>10</vlan><netName>default</netName>"
                "<userName>admin</userName><activeAddrs>9</activeAddrs>"
                "<activeAddrs>10</activeAddrs></activeNetworks>",
            ),
        )
        self.assertIs(values["return"], True)
        self.assertEqual((values["mode"], values["userId"]), (1, None))
        self.assertEqual(values["activeNetworks"][0]["activeAddrs"], [9, 10])
        empty = element("DescribeInstances")
        self.assertEqual(
            CC.read(CC.operations["DescribeInstances"].request, empty)["instanceIds"], []
        )

    def test_empty_text(self) -> None:
        """An empty element is the empty text, not an absent one."""
        self.assertEqual(
            self.read(element("ncTerminateInstance", "<instanceId/>"))["instanceId"], ""
        )

    def test_nil_field(self) -> None:
        """A nil field has no value."""
        content = f'<correlationId {_XSI} xsi:nil="true"/><instanceId>i</instanceId>'
        self.assertIsNone(self.read(element("ncTerminateInstance", content))["correlationId"])

    def test_nil_message(self) -> None:
        """A message that is itself nil is refused."""
        self.violates(element("ncTerminateInstance", "", f'{_XSI} xsi:nil="true"'), "is nil")

    def test_other_order_and_names(self) -> None:
        """Fields out of order, unknown, missing, repeated or of another namespace are refused."""
        for content in (
            "<instanceId>i</instanceId><userId>u</userId>",
            "<instanceId>i</instanceId><other>x</other>",
            "",
            "<instanceId>i</instanceId><instanceId>j</instanceId>",
            '<instanceId xmlns="http://other/">i</instanceId>',
            "<instanceId><b/></instanceId>",
            '<instanceId x="y">i</instanceId>',
            "text<instanceId>i</instanceId>",
        ):
            with self.assertRaises(ContractViolation, msg=content):
                self.read(element("ncTerminateInstance", content))

    def test_other_types(self) -> None:
        """xsi:type and schema locations, which would choose other rules, are refused."""
        content = "<instanceId>i</instanceId>"
        for attribute in (
            'xsi:type="ncPowerDownType"',
            'xsi:schemaLocation="http://evil/ http://evil/x.xsd"',
            'xsi:noNamespaceSchemaLocation="file:///etc/passwd"',
        ):
            self.violates(
                element("ncTerminateInstance", content, f"{_XSI} {attribute}"), "xsi attribute"
            )

    def test_other_message(self) -> None:
        """The element of another message is refused."""
        self.violates(element("ncPowerDown"), "came where")

    def test_instances_set_is_passed_over(self) -> None:
        """The list that the original CLC sends under another name is passed over."""
        for content in ("<instancesSet/>", "<userId>u</userId><instancesSet>i</instancesSet>"):
            found = element("DescribeInstances", content)
            CC.read(CC.operations["DescribeInstances"].request, found)
        with self.assertRaises(ContractViolation):
            CC.read(
                CC.operations["RebootInstances"].request,
                element("RebootInstances", "<instancesSet/>"),
            )

    def test_failed_reply(self) -> None:
        """A reply that says it failed may lack what a success must have; no other may."""
        message = NC.operations["ncDescribeResource"].reply
        values = NC.read(message, element("ncDescribeResourceResponse", "<return>false</return>"))
        self.assertEqual((values["return"], values["nodeStatus"]), (False, None))
        for content in ("", "<return>true</return>"):
            with self.assertRaises(ContractViolation):
                NC.read(message, element("ncDescribeResourceResponse", content))


class WritingTests(SynchronousTestCase):
    """What goes out is checked, and in canonical form."""

    def violates(self, values: Any, why: str, operation: str = "ncDescribeResource") -> None:
        """Assert that values are refused."""
        with self.assertRaisesRegex(ContractViolation, why):
            NC.render_reply(operation, values)

    def test_canonical(self) -> None:
        """The text is in exclusive canonical form already."""
        values = {"return": True, "instances": [instance(1), instance(2)]}
        raw = NC.render_reply("ncDescribeInstances", values)
        self.assertEqual(etree.tostring(etree.fromstring(raw), method="c14n", exclusive=True), raw)

    def test_written_and_read(self) -> None:
        """What is written reads as the same values."""
        raw = NC.render_reply("ncDescribeInstances", {"return": True, "instances": [instance(7)]})
        values = NC.read(NC.operations["ncDescribeInstances"].reply, etree.fromstring(raw))
        (found,) = values["instances"]
        found["instanceType"].pop("deviceMapping")
        found.pop("serviceTag")
        self.assertEqual(found, instance(7))

    def test_missing(self) -> None:
        """A missing mandatory field is named, with the way to it."""
        values = resource_reply()
        del values["nodeStatus"]
        self.violates(values, "ncDescribeResourceResponse/nodeStatus: is required")
        broken = instance(1)
        del broken["netParams"]["vlan"]
        self.violates(
            {"return": True, "instances": [broken]},
            "ncDescribeInstancesResponse/instances/netParams/vlan: is required",
            "ncDescribeInstances",
        )

    def test_unknown(self) -> None:
        """An unknown field is named."""
        self.violates(resource_reply(nodeStatu="x"), "there is no field 'nodeStatu'")

    def test_wrong_types(self) -> None:
        """A value of another type is refused, never converted."""
        self.violates(resource_reply(memorySizeMax="4096"), "memorySizeMax: a number is needed")
        self.violates(resource_reply(nodeStatus=5), "nodeStatus: a string is needed")
        self.violates(resource_reply(nodeStatus="\xe9"), "nodeStatus: has a character beyond ASCII")
        self.violates({"instances": instance(1)}, "a list is needed", "ncDescribeInstances")
        self.violates({"instances": ["x"]}, "a mapping is needed", "ncDescribeInstances")

    def test_failure(self) -> None:
        """A reply that says it failed may be short, as an original node's."""
        self.assertIn(b"<n:return>false<", NC.render_reply("ncDescribeResource", {"return": False}))
        self.violates({"return": True}, "is required")

    def test_prefixes(self) -> None:
        """Internal messages have the prefix that 2.0's tools look for."""
        contract = Contract.load("storage_internal")
        base = {"EucalyptusMessage": {"_return": True, "userId": "eucalyptus"}}
        raw = contract.render_reply(
            "DescribeStorageVolumes",
            {"StorageResponseType": base, "volumeSet": {"item": [{"volumeId": "vol-1"}]}},
        )
        self.assertIn(b"<euca:volumeSet><euca:item><euca:volumeId>vol-1</euca:volumeId>", raw)

    def test_another_namespace(self) -> None:
        """EC2's Query interface answers in the namespace of the version asked for."""
        raw = EC2.render_reply(
            "CreateKeyPair",
            {"requestId": "r", "keyName": "k\xe9", "keyFingerprint": "f", "keyMaterial": "m"},
            "http://ec2.amazonaws.com/doc/2008-12-01/",
        )
        root = etree.fromstring(raw)
        self.assertEqual(
            root.tag, "{http://ec2.amazonaws.com/doc/2008-12-01/}CreateKeyPairResponse"
        )
        self.assertEqual(root[1].text, "k\xe9")
        self.assertIn(b"<requestId>r</requestId>", raw)

    def test_attributes(self) -> None:
        """Attributes are values whose names begin with an @."""
        message = EC2.operations["RunInstances"].request
        values: dict[str, Any] = {
            "imageId": "emi-1",
            "minCount": 1,
            "maxCount": 1,
            "instanceType": "m1.small",
            "groupSet": {"item": []},
            "userData": {"data": "eA==", "@version": "1.0", "@encoding": 'base"64'},
        }
        text = EC2.write(message, values)
        read = EC2.read(message, etree.fromstring(text))
        self.assertEqual(read["userData"], values["userData"])
        del values["userData"]["@version"]
        with self.assertRaisesRegex(ContractViolation, "@version: is required"):
            EC2.write(message, values)

    def test_choice(self) -> None:
        """Of a choice one is given; none, or two, are refused."""
        message = EC2.operations["DescribeImageAttribute"].request
        one: dict[str, Any] = {"imageId": "emi-1", "launchPermission": {}}
        self.assertEqual(
            EC2.read(message, etree.fromstring(EC2.write(message, one)))["launchPermission"], {}
        )
        for bad in ({"imageId": "emi-1"}, {**one, "kernel": {}}):
            with self.assertRaises(ContractViolation):
                EC2.write(message, bad)
