"""Reads requests by the table in `ec2`: from Query parameters and from SOAP elements."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, assert_never

from euca.clc.ec2 import Field, Form, Operation
from euca.model.errors import InvalidParameter, MissingParameter, UnknownParameter, Unsupported

_LISTED = re.compile(r"(?P<name>.+)\.(?P<index>[0-9]{1,9})")
_NUMBER = re.compile(r"[+-]?[0-9]{1,9}")

# Parts of EC2 that came after 2009, and that would change the meaning of a request.
_NOT_YET = ("Filter", "MaxResults", "NextToken", "TagSpecification", "KeyType", "KeyFormat")
_DEFAULTS = {"KeyType": "rsa", "KeyFormat": "pem", "DryRun": "false"}


def from_query(operation: Operation, parameters: Mapping[str, str]) -> Any:
    """Return the request that Query parameters make, those of the signature taken out.

    Raises MissingParameter, InvalidParameter, UnknownParameter, and Unsupported for parameters
    of EC2 that would change what is asked and are not available.
    """
    left = dict(parameters)
    values = {}
    for field in operation.fields:
        texts = _take(field, left)
        if texts:
            values[field.name] = _value(field, texts, field.query[0])
        elif field.required:
            raise MissingParameter(f"The request must contain the parameter {field.query[0]}")
    for name, text in left.items():
        _check_left(operation, name, text)
    return operation.request(**values)


def _take(field: Field, left: dict[str, str]) -> list[str]:
    """Take the field's parameters out of `left`; those of a list in the order of their numbers."""
    texts = [left.pop(name) for name in field.query if name in left]
    if field.form is not Form.TEXTS:
        return [text for text in texts if text]
    listed = [
        (int(match["index"]), name)
        for name in left
        if (match := _LISTED.fullmatch(name)) and match["name"] in field.query
    ]
    return texts + [left.pop(name) for _, name in sorted(listed)]


def _check_left(operation: Operation, name: str, text: str) -> None:
    head = name.partition(".")[0]
    if _DEFAULTS.get(name) == text.lower():
        return
    if any(name == known or name.startswith(known + ".") for known in operation.passed_over):
        return
    if head in _NOT_YET or head == "DryRun":
        raise Unsupported(f"The parameter {name} is not available in this cloud yet.")
    raise UnknownParameter(f"The parameter {name} is not recognized")


def from_soap(operation: Operation, body: Mapping[str, Any]) -> Any:
    """Return the request that the elements of a SOAP body make, already checked by the schema."""
    values = {}
    for field in operation.fields:
        texts = _at(body, field.soap.split("/")) if field.soap else []
        if texts:
            values[field.name] = _value(field, texts, field.soap)
        elif field.required:
            raise MissingParameter(f"The request must contain the parameter {field.soap}")
    return operation.request(**values)


def _at(value: Any, path: Sequence[str]) -> list[str]:
    """Return the texts at a path of names, through lists."""
    if value is None or value == "":
        return []
    if isinstance(value, list):
        return [text for item in value for text in _at(item, path)]
    if not path:
        return [str(value)]
    return _at(value.get(path[0]), path[1:])


def _value(field: Field, texts: Sequence[str], name: str) -> Any:
    match field.form:
        case Form.TEXT:
            return texts[0]
        case Form.TEXTS:
            return tuple(texts)
        case Form.NUMBER:
            if not _NUMBER.fullmatch(texts[0].strip()):
                raise InvalidParameter(f"The value {texts[0]!r} for {name} is not a number.")
            return int(texts[0])
        case _:
            assert_never(field.form)
