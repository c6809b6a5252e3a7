"""Every known way to make a signature say what its signer did not, each refused."""

import base64
import copy
from typing import Any

from lxml import etree
from twisted.trial.unittest import SynchronousTestCase

from euca.auth.wsse import CLUSTER, INTERNAL, USER, Policy, SecurityRefused, verify_request
from euca.auth.wsse.names import DS, SOAP, SOAP_11, SOAP_12, WSA, WSSE, WSU, WSU_ID
from tests.auth.wsse.messages import (
    ALICE,
    MALLORY,
    NOW,
    PAYLOAD,
    at_once,
    edited,
    security,
    signed,
    verified,
)

EVIL = PAYLOAD.replace("i-11111111", "i-66666666")
_DS = {"ds": DS, "wsse": WSSE, "wsu": WSU, "wsa": WSA, "s": SOAP}


def _one(root: etree._Element, path: str) -> etree._Element:
    (found,) = root.findall(path, _DS)
    return found


def _evil_body() -> etree._Element:
    body = etree.Element(SOAP_11.body)
    body.append(etree.fromstring(EVIL))
    return body


class ForgeryTests(SynchronousTestCase):
    """No forgery of a cluster message is accepted, in strict mode nor in compatible mode."""

    def refused(self, edit: Any, why: str = "", policy: Policy = CLUSTER) -> None:
        """Assert that an edited message is refused in both modes, and the unedited one is not."""
        for strict in (True, False):
            raw = signed(policy)
            verified(raw, security(policy, strict=strict))
            forged = edited(raw, edit)
            with self.assertRaises(SecurityRefused) as caught:
                verified(forged, security(policy, strict=strict))
            self.assertIn(why, str(caught.exception))

    def test_body_tampered(self) -> None:
        """Another instance in the signed Body."""

        def edit(root: etree._Element) -> None:
            root[1][0][0].text = "i-66666666"

        for policy in (CLUSTER, INTERNAL, USER):
            self.refused(edit, "signature does not hold", policy)

    def test_body_attribute_added(self) -> None:
        """An attribute put on the signed Body."""
        self.refused(lambda root: root[1].set("more", "x"), "does not hold")

    def test_body_moved_under_a_header(self) -> None:
        """The signed Body under a header of another name, another Body in its place."""

        def edit(root: etree._Element) -> None:
            wrapper = etree.SubElement(root[0], "{http://evil/}Wrapper")
            wrapper.append(root[1])
            root.append(_evil_body())

        for policy in (CLUSTER, INTERNAL, USER):
            self.refused(edit, "leads to no part", policy)

    def test_body_moved_with_its_identifier_kept(self) -> None:
        """The same, the new Body bearing the identifier of the signed one."""

        def edit(root: etree._Element) -> None:
            wrapper = etree.SubElement(root[0], "{http://evil/}Wrapper")
            identifier = root[1].get(WSU_ID)
            wrapper.append(root[1])
            root.append(_evil_body())
            root[1].set(WSU_ID, str(identifier))

        self.refused(edit, "used twice")

    def test_body_moved_into_object(self) -> None:
        """The signed Body inside a ds:Object of the Signature."""

        def edit(root: etree._Element) -> None:
            holder = etree.SubElement(_one(root, ".//ds:Signature"), f"{{{DS}}}Object")
            holder.append(root[1])
            root.append(_evil_body())

        self.refused(edit, "does not hold what it should")

    def test_two_bodies(self) -> None:
        """A second Body, before or after the signed one."""
        self.refused(lambda root: root.insert(1, _evil_body()), "exactly a Header and a Body")
        self.refused(lambda root: root.append(_evil_body()), "exactly a Header and a Body")

    def test_two_elements_in_the_body(self) -> None:
        """A second element in an unsigned or signed Body."""
        self.refused(lambda root: root[1].append(etree.fromstring(EVIL)))

    def test_duplicate_identifiers_of_every_kind(self) -> None:
        """An identifier repeated by wsu:Id, Id, ID, id, xml:id or AssertionID elsewhere."""
        xml_id = "{http://www.w3.org/XML/1998/namespace}id"
        for attribute in (WSU_ID, "Id", "ID", "id", "iD", "AssertionID", xml_id, "{http://e/}Id"):

            def edit(root: etree._Element, attribute: str = attribute) -> None:
                extra = etree.SubElement(root[0], "{http://evil/}Extra")
                extra.set(attribute, str(root[1].get(WSU_ID)))

            self.refused(edit, "used twice")

    def test_signed_header_moved_and_replaced(self) -> None:
        """The signed To elsewhere in the Header, an unsigned To in its place."""

        def edit(root: etree._Element) -> None:
            wrapper = etree.SubElement(root[0], "{http://evil/}Wrapper")
            wrapper.append(root[0][0])
            to = etree.Element(f"{{{WSA}}}To")
            to.text = "http://evil/"
            root[0].insert(0, to)

        self.refused(edit, "leads to no part")

    def test_signed_header_in_the_place_of_another(self) -> None:
        """The Action where the Body's element stands, or a header left out."""

        def moved(root: etree._Element) -> None:
            root[1].insert(0, root[0][1])

        self.refused(moved)
        self.refused(lambda root: root[0].remove(root[0][0]), "leads to no part")

    def test_extra_unsigned_addressing_header(self) -> None:
        """A ReplyTo that nobody signed."""

        def edit(root: etree._Element) -> None:
            etree.SubElement(root[0], f"{{{WSA}}}ReplyTo").text = "http://evil/"

        self.refused(edit, "ReplyTo is not signed")

    def test_unknown_addressing_header(self) -> None:
        """A header of the addressing namespace that it does not have."""

        def edit(root: etree._Element) -> None:
            etree.SubElement(root[0], f"{{{WSA}}}Other").text = "x"

        self.refused(edit, "surplus")

    def test_second_header_of_a_kind(self) -> None:
        """A second Action beside the signed one."""

        def edit(root: etree._Element) -> None:
            etree.SubElement(root[0], f"{{{WSA}}}Action").text = "EucalyptusNC#ncPowerDown"

        self.refused(edit, "surplus")

    def test_extra_transform(self) -> None:
        """An XPath, XSLT or enveloped-signature transform before the canonicalisation."""
        for algorithm in (
            "http://www.w3.org/TR/1999/REC-xpath-19991116",
            "http://www.w3.org/2002/06/xmldsig-filter2",
            "http://www.w3.org/TR/1999/REC-xslt-19991116",
            DS + "enveloped-signature",
            DS + "base64",
        ):

            def edit(root: etree._Element, algorithm: str = algorithm) -> None:
                transforms = root.findall(".//ds:Transforms", _DS)[-1]
                transforms.insert(
                    0, transforms.makeelement(f"{{{DS}}}Transform", {"Algorithm": algorithm})
                )

            self.refused(edit, "does not hold what it should")

    def test_replaced_transform(self) -> None:
        """Another algorithm in the one transform, inclusive canonicalisation among them."""
        for algorithm in (
            "http://www.w3.org/TR/2001/REC-xml-c14n-20010315",
            "http://www.w3.org/2001/10/xml-exc-c14n#WithComments",
            "http://www.w3.org/TR/1999/REC-xpath-19991116",
        ):

            def edit(root: etree._Element, algorithm: str = algorithm) -> None:
                root.findall(".//ds:Transform", _DS)[0].set("Algorithm", algorithm)

            self.refused(edit, "is not taken")

    def test_transform_parameters(self) -> None:
        """Parameters in a transform: a prefix list for clusters, an XPath for everybody."""

        def listed(root: etree._Element) -> None:
            transform = root.findall(".//ds:Transform", _DS)[0]
            etree.SubElement(
                transform, "{http://www.w3.org/2001/10/xml-exc-c14n#}InclusiveNamespaces"
            ).set("PrefixList", "wsa")

        def selected(root: etree._Element) -> None:
            transform = root.findall(".//ds:Transform", _DS)[0]
            etree.SubElement(transform, f"{{{DS}}}XPath").text = "self::evil"

        self.refused(listed, "has parameters")
        self.refused(selected, "has parameters")
        self.refused(selected, "has parameters", USER)

    def test_reference_to_another_document(self) -> None:
        """References that lead out of the message, or to the whole of it."""
        for uri in ("http://evil/body.xml", "file:///etc/passwd", "", "#xpointer(/)", "#nobody"):

            def edit(root: etree._Element, uri: str = uri) -> None:
                root.findall(".//ds:Reference", _DS)[-1].set("URI", uri)

            self.refused(edit, "leads to no part")

    def test_reference_without_address(self) -> None:
        """A reference that leaves its target to the application."""

        def edit(root: etree._Element) -> None:
            del root.findall(".//ds:Reference", _DS)[-1].attrib["URI"]

        self.refused(edit, "leads to no part")

    def test_reference_left_out(self) -> None:
        """The reference to the Body taken out of SignedInfo."""

        def edit(root: etree._Element) -> None:
            info = _one(root, ".//ds:SignedInfo")
            info.remove(info[-1])

        self.refused(edit)

    def test_reference_twice(self) -> None:
        """A reference repeated."""

        def edit(root: etree._Element) -> None:
            info = _one(root, ".//ds:SignedInfo")
            info.append(copy.deepcopy(info[-1]))

        self.refused(edit, "signed twice")

    def test_hmac_with_the_public_key(self) -> None:
        """An HMAC whose secret is the certificate that everybody has."""

        def edit(root: etree._Element) -> None:
            _one(root, ".//ds:SignatureMethod").set("Algorithm", DS + "hmac-sha1")

        for policy in (CLUSTER, INTERNAL, USER):
            self.refused(edit, "is not taken", policy)

    def test_other_algorithms(self) -> None:
        """Other signatures and digests than the policy's."""

        def other_signature(root: etree._Element) -> None:
            _one(root, ".//ds:SignatureMethod").set(
                "Algorithm", "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
            )

        def other_digest(root: etree._Element) -> None:
            root.findall(".//ds:DigestMethod", _DS)[0].set(
                "Algorithm", "http://www.w3.org/2001/04/xmlenc#sha256"
            )

        self.refused(other_signature, "is not taken")
        self.refused(other_digest, "is not taken")
        self.refused(other_signature, "does not hold", USER)
        self.refused(other_digest, "does not hold", USER)

    def test_digest_changed(self) -> None:
        """A digest value that fits a tampered Body, under the old signature."""

        def edit(root: etree._Element) -> None:
            root.findall(".//ds:DigestValue", _DS)[-1].text = "AAAAAAAAAAAAAAAAAAAAAAAAAAA="

        self.refused(edit, "does not hold")

    def test_token_swapped(self) -> None:
        """The certificate of somebody else who is trusted, or of a stranger, in the token."""

        def edit(root: etree._Element) -> None:
            token = _one(root, ".//wsse:BinarySecurityToken")
            token.text = base64.b64encode(MALLORY.certificate.der).decode()

        self.refused(edit, "not one that is trusted")

    def test_second_token(self) -> None:
        """A second token beside the one that signed."""

        def edit(root: etree._Element) -> None:
            token = copy.deepcopy(_one(root, ".//wsse:BinarySecurityToken"))
            token.set(WSU_ID, "another")
            _one(root, ".//wsse:Security").append(token)

        self.refused(edit, "surplus")

    def test_certificate_in_another_form(self) -> None:
        """Other kinds of key reference: an embedded certificate, a key value, a key name."""
        for form in ("X509Data", "KeyValue", "KeyName"):

            def edit(root: etree._Element, form: str = form) -> None:
                info = _one(root, ".//ds:KeyInfo")
                info[:] = [info.makeelement(f"{{{DS}}}{form}")]

            self.refused(edit, "does not hold what it should")

    def test_key_reference_elsewhere(self) -> None:
        """A key reference that leads to something other than the token."""

        def edit(root: etree._Element) -> None:
            _one(root, ".//wsse:SecurityTokenReference/wsse:Reference").set("URI", "#other")

        self.refused(edit, "does not lead to the token")

    def test_rubbish_token(self) -> None:
        """A token that is no base64, or no certificate."""

        def rubbish(root: etree._Element) -> None:
            _one(root, ".//wsse:BinarySecurityToken").text = "$$$"

        def empty(root: etree._Element) -> None:
            _one(root, ".//wsse:BinarySecurityToken").text = ""

        self.refused(rubbish, "is not base64")
        self.refused(empty, "not one that is trusted")

    def test_repeated_security(self) -> None:
        """A second Security header, empty or a copy."""

        def empty(root: etree._Element) -> None:
            etree.SubElement(root[0], f"{{{WSSE}}}Security")

        def first(root: etree._Element) -> None:
            root[0].insert(0, root[0].makeelement(f"{{{WSSE}}}Security"))

        self.refused(empty, "exactly one Security header")
        self.refused(first, "exactly one Security header")

    def test_nested_security(self) -> None:
        """The Security header inside another header, in the Body, or one inside the other."""

        def wrapped(root: etree._Element) -> None:
            wrapper = etree.SubElement(root[0], "{http://evil/}Wrapper")
            wrapper.append(_one(root, "s:Header/wsse:Security"))

        def in_body(root: etree._Element) -> None:
            root[1].insert(0, _one(root, "s:Header/wsse:Security"))

        def inside(root: etree._Element) -> None:
            etree.SubElement(_one(root, ".//wsse:Security"), f"{{{WSSE}}}Security")

        self.refused(wrapped, "not in the Header")
        self.refused(in_body, "not in the Header")
        self.refused(inside, "exactly one Security header")

    def test_second_signature(self) -> None:
        """A second Signature in Security, in the Body, or inside the first."""

        def beside(root: etree._Element) -> None:
            _one(root, ".//wsse:Security").append(root.makeelement(f"{{{DS}}}Signature"))

        def in_body(root: etree._Element) -> None:
            root[1][0].append(root.makeelement(f"{{{DS}}}Signature"))

        self.refused(beside, "exactly one Signature")
        self.refused(in_body, "exactly one Signature")

    def test_no_security(self) -> None:
        """No Security header, or no Header at all."""
        self.refused(lambda root: root[0].remove(root[0][-1]), "exactly one", CLUSTER)
        self.refused(lambda root: root.remove(root[0]), "exactly a Header and a Body")

    def test_security_for_another_actor(self) -> None:
        """A Security header that is addressed to somebody else."""

        def edit(root: etree._Element) -> None:
            _one(root, ".//wsse:Security").set(f"{{{SOAP}}}actor", "http://other/")

        self.refused(edit, "addressed to somebody else")

    def test_timestamp_tampered(self) -> None:
        """Another Expires in a signed Timestamp."""

        def edit(root: etree._Element) -> None:
            _one(root, ".//wsu:Expires").text = "2099-01-01T00:00:00.000Z"

        for policy in (INTERNAL, USER):
            self.refused(edit, "does not hold", policy)

    def test_timestamp_moved(self) -> None:
        """The signed Timestamp outside Security, a new one inside."""

        def edit(root: etree._Element) -> None:
            stamp = _one(root, ".//wsu:Timestamp")
            fresh = copy.deepcopy(stamp)
            del fresh.attrib[WSU_ID]
            holder = stamp.getparent()
            assert holder is not None
            holder.insert(0, fresh)
            etree.SubElement(root[0], "{http://evil/}Wrapper").append(stamp)

        self.refused(edit, "leads to no part", INTERNAL)

    def test_unsigned_timestamp_added(self) -> None:
        """A Timestamp that nobody signed, where one may be absent."""

        def edit(root: etree._Element) -> None:
            stamp = etree.SubElement(_one(root, ".//wsse:Security"), f"{{{WSU}}}Timestamp")
            etree.SubElement(stamp, f"{{{WSU}}}Created").text = "2026-11-21T11:00:00Z"
            etree.SubElement(stamp, f"{{{WSU}}}Expires").text = "2099-11-21T11:00:00Z"

        with self.assertRaisesRegex(SecurityRefused, "Timestamp is not signed"):
            verified(edited(signed(CLUSTER), edit), security(USER, strict=False))
        with self.assertRaisesRegex(SecurityRefused, "Timestamp is not taken"):
            verified(edited(signed(CLUSTER), edit), security(CLUSTER))

    def test_element_in_signed_text(self) -> None:
        """An element put into the text of a signed header."""

        def edit(root: etree._Element) -> None:
            etree.SubElement(root[0][0], "{http://evil/}x")

        self.refused(edit)

    def test_comment_in_signed_text(self) -> None:
        """A comment, which canonicalisation drops, splitting the text of a signed header."""

        def edit(root: etree._Element) -> None:
            root[0][0].text = "http://node"
            comment = etree.Comment("x")
            comment.tail = ":8775/axis2/services/EucalyptusNC"
            root[0][0].append(comment)

        self.refused(edit, "holds more than text")

    def test_other_envelopes(self) -> None:
        """A signed Envelope made one of SOAP 1.2, in whole or in part; a Header after the Body."""

        def reversed_(root: etree._Element) -> None:
            root.append(root[0])

        self.refused(reversed_, "exactly a Header and a Body")
        other = signed().replace(SOAP.encode(), SOAP_12.namespace.encode())
        with self.assertRaisesRegex(SecurityRefused, "does not hold"):
            verified(other)

        def mixed(root: etree._Element) -> None:
            root[1].tag = SOAP_12.body

        self.refused(mixed, "exactly a Header and a Body")

    def test_name_that_is_none(self) -> None:
        """A name with a prefix and no namespace, should a parser let it pass, is refused as any."""
        end = b"</wsse:Security>"
        raw = signed().replace(end, b"<sse:BinarySecurityToken/>" + end)
        root = etree.fromstring(raw, etree.XMLParser(recover=True))
        with self.assertRaisesRegex(SecurityRefused, "sse:BinarySecurityToken is surplus"):
            at_once(verify_request(root, security(), NOW))

    def test_unsigned_body_in_strict_mode(self) -> None:
        """A cluster message as 2.0 signed it, without the Body, is for compatible mode alone."""
        raw = _without_body_signature()
        with self.assertRaisesRegex(SecurityRefused, "Body is not signed"):
            verified(raw, security())
        self.assertEqual(verified(raw, security(strict=False)).signer.name, "alice")


def _without_body_signature() -> bytes:
    """Return a message whose signature covers the addressing headers alone."""
    from tests.auth.wsse.oracle import canonical

    root = etree.fromstring(signed())
    info = _one(root, ".//ds:SignedInfo")
    info.remove(info[-1])
    value = base64.b64encode(ALICE.sign_pkcs1_sha1(canonical(info))).decode()
    _one(root, ".//ds:SignatureValue").text = value
    return etree.tostring(root)
