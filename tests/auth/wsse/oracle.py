"""A second opinion on signatures: lxml's canonical form and `cryptography`, without xmlsec.

It knows nothing of policies: it says which elements the one signature of an envelope covers, and
whether it holds.
"""

import base64
import hashlib

from attrs import frozen
from lxml import etree

from euca.auth.keyring import Certificate
from euca.auth.wsse.names import DS, RSA_SHA1, SHA1, WSSE, WSU_ID


@frozen
class Opinion:
    """What the oracle found."""

    holds: bool
    signed: tuple[str, ...]
    certificate: Certificate


def judge(raw: bytes) -> Opinion:
    """Judge the signature of an envelope."""
    root = etree.fromstring(raw)
    signature = root.find(f".//{{{DS}}}Signature")
    token = root.find(f".//{{{WSSE}}}BinarySecurityToken")
    assert signature is not None
    assert token is not None
    certificate = Certificate.from_der(base64.b64decode(token.text or ""))
    by_id = {e.get(WSU_ID) or e.get("Id"): e for e in root.iter() if e.get(WSU_ID) or e.get("Id")}
    holds = True
    signed = []
    for reference in signature.iter(f"{{{DS}}}Reference"):
        element = by_id[reference.get("URI", "#")[1:]]
        signed.append(etree.QName(element).localname)
        method = reference.find(f"{{{DS}}}DigestMethod")
        assert method is not None
        digest = hashlib.sha1 if method.get("Algorithm") == SHA1 else hashlib.sha256
        found = base64.b64encode(digest(canonical(element)).digest()).decode()
        holds = holds and found == "".join(
            (reference.findtext(f"{{{DS}}}DigestValue") or "").split()
        )
    signed_info = signature.find(f"{{{DS}}}SignedInfo")
    assert signed_info is not None
    value = base64.b64decode(signature.findtext(f"{{{DS}}}SignatureValue") or "")
    method = signed_info.find(f"{{{DS}}}SignatureMethod")
    assert method is not None
    verify = (
        certificate.verify_pkcs1_sha1
        if method.get("Algorithm") == RSA_SHA1
        else certificate.verify_pkcs1_sha256
    )
    return Opinion(holds and verify(value, canonical(signed_info)), tuple(signed), certificate)


def canonical(element: etree._Element) -> bytes:
    """Return an element in exclusive canonical form."""
    return etree.tostring(element, method="c14n", exclusive=True)
