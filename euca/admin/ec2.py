"""A small EC2 client for the administrator's commands: Query, signature version 2."""

from __future__ import annotations

import time
import urllib.error
import urllib.parse
import urllib.request
from xml.etree import ElementTree

from attrs import frozen

from euca.auth import query
from euca.store.accounts import AccessKey

VERSION = "2009-11-30"
LIMIT = 60.0  # seconds for one request


class Refused(Exception):
    """The cloud answered with an error, or not at all; the message says which and why.

    `code` is the protocol's own word for it, empty when there was no answer.
    """

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code


@frozen
class Item:
    """An element of a reply; children are found by their path, without namespaces."""

    element: ElementTree.Element

    def text(self, path: str) -> str:
        """Return the text at the path, empty when there is none."""
        found = self.element.find(_qualified(path))
        return "" if found is None else (found.text or "")

    def items(self, path: str) -> list[Item]:
        """Return all elements at the path."""
        return [Item(element) for element in self.element.findall(_qualified(path))]


def _qualified(path: str) -> str:
    return "/".join("{*}" + step for step in path.split("/"))


@frozen
class Ec2:
    """The EC2 endpoint of a cloud, used with one access key."""

    url: str
    key: AccessKey

    def call(self, action: str, **parameters: str) -> Item:
        """Call an operation; raises Refused."""
        target = urllib.parse.urlsplit(self.url)
        signed = query.sign(
            {"Action": action, "Version": VERSION, **parameters},
            self.key.identifier,
            self.key.secret,
            target.netloc,
            target.path,
            "POST",
            time.time(),
        )
        request = urllib.request.Request(
            self.url, urllib.parse.urlencode(signed).encode(), method="POST"
        )
        try:
            with urllib.request.urlopen(request, timeout=LIMIT) as answer:
                return Item(ElementTree.fromstring(answer.read()))
        except urllib.error.HTTPError as error:
            code, reason = _reason(error.read(), error.code)
            raise Refused(f"{action}: {reason}", code) from error
        except OSError as error:
            raise Refused(f"{action}: {self.url} does not answer: {error}") from error


def _reason(body: bytes, status: int) -> tuple[str, str]:
    """Return the code of an error, and what a reader should see of it."""
    try:
        item = Item(ElementTree.fromstring(body))
    except ElementTree.ParseError:
        return "", f"HTTP {status}: {body[:300].decode(errors='replace')}"
    code = item.text("Errors/Error/Code") or item.text("Code")
    message = item.text("Errors/Error/Message") or item.text("Message")
    return code, f"{code}: {message.strip()}"
