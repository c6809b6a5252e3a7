"""Takes an envelope in, with limits that come before any cost.

SOAP forbids document types and processing instructions, and no peer sends comments or CDATA
sections, with which a signed text can be made to read otherwise than it was signed. All of them
begin with two characters that a message has no other use for, so one search of the bytes refuses
them before anything is parsed. The parser itself takes UTF-8 only, expands nothing and fetches
nothing.
"""

import re
import threading
from contextlib import AbstractAsyncContextManager

from attrs import frozen
from lxml import etree

from euca.auth.wsse.names import BY_ENVELOPE, SECURITY, WSA, Soap
from euca.threads import Immediate, Offload, Offloads

_DECLARATION = re.compile(
    rb"<\?xml version=['\"]1\.0['\"]"
    rb"(?: encoding=['\"](?i:utf-8|us-ascii)['\"])?(?: standalone=['\"](?:yes|no)['\"])?\s*\?>\s*"
)
_WSA = f"{{{WSA}"
_DEEPEST = 32
_LONGEST_ATTRIBUTE = 4096
_LONG_MESSAGE = 1 << 16
_TOO_DEEP = etree.XPath(f"boolean({'/*' * (_DEEPEST + 1)})")
_TOO_LONG = etree.XPath(f"boolean(//@*[string-length(.) > {_LONGEST_ATTRIBUTE}])")


class _Parsers(threading.local):
    """A parser for each thread: it serves one at a time."""

    def __init__(self) -> None:
        self.own = etree.XMLParser(
            encoding="UTF-8",
            resolve_entities=False,
            no_network=True,
            load_dtd=False,
            huge_tree=False,
        )


_PARSERS = _Parsers()
_HERE = Immediate()


class MalformedEnvelope(Exception):
    """The bytes are no SOAP envelope that could be dispatched."""


@frozen
class Envelope:
    """A parsed envelope: exactly an optional Header and a Body with one element."""

    soap: Soap
    root: etree._Element
    header: etree._Element | None
    payload: etree._Element

    def addressing(self) -> dict[str, str]:
        """Return the texts of the WS-Addressing headers by local name, the first of each.

        They are unproven: for what was signed ask the verifier.
        """
        texts: dict[str, str] = {}
        for block in self.header if self.header is not None else ():
            namespace, _, name = str(block.tag).rpartition("}")
            if namespace == _WSA and name not in texts:
                texts[name] = block.text or ""
        return texts


def parse(raw: bytes) -> Envelope:
    """Parse an envelope; raises MalformedEnvelope. The tree belongs to the calling thread."""
    root = _root(_without_declaration(raw))
    soap = BY_ENVELOPE.get(str(root.tag))
    if soap is None:
        raise MalformedEnvelope("this is no Envelope of SOAP 1.1 or 1.2")
    children = list(root)
    header = children.pop(0) if children and children[0].tag == soap.header else None
    if [child.tag for child in children] != [soap.body]:
        raise MalformedEnvelope("an Envelope holds a Header, if any, and one Body")
    (body,) = children
    if len(body) != 1:
        raise MalformedEnvelope("the Body must hold exactly one element")
    if header is not None:
        _understood(header, soap)
    return Envelope(soap, root, header, body[0])


def _without_declaration(raw: bytes) -> bytes:
    declaration = _DECLARATION.match(raw)
    rest = raw[declaration.end() :] if declaration else raw
    if b"<!" in rest or b"<?" in rest:
        raise MalformedEnvelope("document types, comments, CDATA and instructions are not taken")
    return rest


def _root(raw: bytes) -> etree._Element:
    try:
        root = etree.fromstring(raw, _PARSERS.own)
    except etree.XMLSyntaxError as error:
        raise MalformedEnvelope(f"not well-formed: {error.msg}") from error
    if _TOO_DEEP(root):
        raise MalformedEnvelope(f"elements stand more than {_DEEPEST} deep")
    if _TOO_LONG(root):
        raise MalformedEnvelope(f"an attribute is longer than {_LONGEST_ATTRIBUTE}")
    return root


def _understood(header: etree._Element, soap: Soap) -> None:
    for block in header:
        tag = str(block.tag)
        if tag == SECURITY or tag.startswith(f"{{{WSA}}}"):
            continue
        if block.get(soap.must_understand, "0").strip() in ("1", "true"):
            raise MalformedEnvelope(f"the header {tag.rpartition('}')[2]} is not understood")


def workplace(
    raw: bytes, apart: Offloads, *, wary: bool = False
) -> AbstractAsyncContextManager[Offload]:
    """Return where to parse, judge and read a message: here, or `apart` in a thread of its own.

    Apart goes what is long, for which others need not wait, and all that is met warily: libxml2
    keeps the names that it reads for as long as their thread lives, so that strangers could fill
    the memory.
    """
    return (apart if wary or len(raw) >= _LONG_MESSAGE else _HERE).one()
