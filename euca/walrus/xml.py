"""The XML documents of S3's REST interface."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from urllib.parse import quote

from attrs import frozen
from lxml import etree

from euca.walrus.acl import GRANTS
from euca.walrus.errors import WalrusError
from euca.walrus.listing import Listing, Query
from euca.walrus.tables import Bucket, StoredObject

S3 = "http://s3.amazonaws.com/doc/2006-03-01/"
_XSI = "http://www.w3.org/2001/XMLSchema-instance"
_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@frozen
class Owner:
    """An account as S3 shows it: an access key's identifier, and the account's name."""

    identifier: str
    name: str


def _element(parent: etree._Element, name: str, text: str | None = None) -> etree._Element:
    namespace = etree.QName(parent).namespace
    child = etree.SubElement(parent, f"{{{namespace}}}{name}" if namespace else name)
    if text is not None:
        child.text = _NOT_IN_XML.sub("\ufffd", text)
    return child


def _root(name: str) -> etree._Element:
    return etree.Element(f"{{{S3}}}{name}", nsmap={None: S3})


def _document(root: etree._Element) -> bytes:
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8")


def _owner(parent: etree._Element, owner: Owner, name: str = "Owner") -> etree._Element:
    element = _element(parent, name)
    _element(element, "ID", owner.identifier)
    _element(element, "DisplayName", owner.name)
    return element


def timestamp(seconds: int) -> str:
    """Return a time as S3 writes it in XML."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def error_document(error: WalrusError, resource: str, request_id: str) -> bytes:
    """Return the document of an error."""
    root = etree.Element("Error")  # which has no namespace at Amazon either
    for name, text in (
        ("Code", error.code),
        ("Message", error.message),
        ("Resource", resource),
        ("RequestId", request_id),
    ):
        _element(root, name, text)
    return _document(root)


def buckets_document(owner: Owner, buckets: Sequence[Bucket]) -> bytes:
    """Return the answer to ListAllMyBuckets."""
    root = _root("ListAllMyBucketsResult")
    _owner(root, owner)
    listed = _element(root, "Buckets")
    for bucket in buckets:
        element = _element(listed, "Bucket")
        _element(element, "Name", bucket.name)
        _element(element, "CreationDate", timestamp(bucket.created))
    return _document(root)


def location_document(location: str) -> bytes:
    """Return the answer to GetBucketLocation."""
    root = _root("LocationConstraint")
    root.text = location
    return _document(root)


def acl_document(owner: Owner, acl: str) -> bytes:
    """Return the access control policy that a canned list stands for."""
    root = _root("AccessControlPolicy")
    _owner(root, owner)
    grants = _element(root, "AccessControlList")
    grant = _element(grants, "Grant")
    grantee = _owner(grant, owner, "Grantee")
    grantee.set(etree.QName(_XSI, "type"), "CanonicalUser")
    _element(grant, "Permission", "FULL_CONTROL")
    for group, permission in GRANTS[acl]:
        grant = _element(grants, "Grant")
        grantee = _element(grant, "Grantee")
        grantee.set(etree.QName(_XSI, "type"), "Group")
        _element(grantee, "URI", group)
        _element(grant, "Permission", permission.value)
    return _document(root)


def listing_document(
    bucket: str, query: Query, listing: Listing, owners: dict[str, Owner], *, encoded: bool
) -> bytes:
    """Return the answer to ListBucket; `encoded` keys are percent-encoded, as was asked."""

    def shown(text: str) -> str:
        return quote(text, safe="/") if encoded else text

    root = _root("ListBucketResult")
    _element(root, "Name", bucket)
    _element(root, "Prefix", shown(query.prefix))
    _element(root, "Marker", shown(query.marker))
    if listing.truncated and query.delimiter:
        _element(root, "NextMarker", shown(listing.next_marker or ""))
    _element(root, "MaxKeys", str(query.max_keys))
    if query.delimiter:
        _element(root, "Delimiter", shown(query.delimiter))
    if encoded:
        _element(root, "EncodingType", "url")
    _element(root, "IsTruncated", "true" if listing.truncated else "false")
    for stored in listing.contents:
        _contents(root, stored, shown(stored.key), owners[stored.owner])
    for prefix in listing.prefixes:
        _element(_element(root, "CommonPrefixes"), "Prefix", shown(prefix))
    return _document(root)


def _contents(root: etree._Element, stored: StoredObject, key: str, owner: Owner) -> None:
    element = _element(root, "Contents")
    _element(element, "Key", key)
    _element(element, "LastModified", timestamp(stored.modified))
    _element(element, "ETag", f'"{stored.etag}"')
    _element(element, "Size", str(stored.size))
    _owner(element, owner)
    _element(element, "StorageClass", "STANDARD")


def location_of(body: bytes) -> str:
    """Return the location that a CreateBucket asks for, "" for none; raises WalrusError."""
    if not body.strip():
        return ""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False)
    try:
        root = etree.fromstring(body, parser)
    except etree.XMLSyntaxError as error:
        raise WalrusError("MalformedXML", f"The XML is not well formed: {error.msg}") from error
    if etree.QName(root).localname != "CreateBucketConfiguration":
        raise WalrusError("MalformedXML", "The XML is not a CreateBucketConfiguration.")
    return (root.findtext("{*}LocationConstraint") or "").strip()[:255]
