"""The errors of S3: a code, its HTTP status, and a message that says what was wrong."""

from __future__ import annotations

STATUS = {
    "AccessDenied": 403,
    "BadDigest": 400,
    "BucketAlreadyExists": 409,
    "BucketAlreadyOwnedByYou": 409,
    "BucketNotEmpty": 409,
    "DecryptionFailed": 417,
    "InternalError": 500,
    "InvalidAccessKeyId": 403,
    "InvalidArgument": 400,
    "InvalidBucketName": 400,
    "InvalidDigest": 400,
    "InvalidRange": 416,
    "InvalidURI": 400,
    "KeyTooLongError": 400,
    "MalformedXML": 400,
    "MaxMessageLengthExceeded": 400,
    "MethodNotAllowed": 405,
    "MissingContentLength": 411,
    "NoSuchBucket": 404,
    "NoSuchKey": 404,
    "NotImplemented": 501,
    "RequestTimeTooSkewed": 403,
    "ServiceUnavailable": 503,
    "SignatureDoesNotMatch": 403,
    "Unauthorized": 401,
}


class WalrusError(Exception):
    """A request was refused; `code` is one of S3's."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = STATUS[code]


def no_such_bucket(name: str) -> WalrusError:
    """Return the error for a bucket that does not exist."""
    return WalrusError("NoSuchBucket", f"The bucket {name!r} does not exist.")


def no_such_key(key: str) -> WalrusError:
    """Return the error for an object that does not exist."""
    return WalrusError("NoSuchKey", f"The key {key!r} does not exist.")


def access_denied() -> WalrusError:
    """Return the error for what the caller may not do."""
    return WalrusError("AccessDenied", "You may not do this.")


def not_available(what: str) -> WalrusError:
    """Return the error for a part of S3 that is not built."""
    return WalrusError("NotImplemented", f"{what} is not available in this cloud yet.")
