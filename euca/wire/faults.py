"""How errors look on the wire: the one table from facts to codes, and the fault's envelope."""

from attrs import frozen

from euca.auth.wsse import fault_envelope
from euca.auth.wsse.names import SOAP_11, Soap
from euca.model import errors
from euca.wire.lexical import escape


@frozen
class Answer:
    """How one error is told: HTTP status for EC2 Query, its code, the SOAP faultcode, the text."""

    status: int
    ec2_code: str
    fault_code: str
    message: str


@frozen
class SoapFault(Exception):
    """A fault as it stands in a Body."""

    code: str
    text: str


# Status and code of EC2's Query interface; the SOAP faultcode is "Client." or "Server." before it.
_CODES: dict[type[errors.CloudError], tuple[int, str]] = {
    errors.InvalidParameter: (400, "InvalidParameterValue"),
    errors.MissingParameter: (400, "MissingParameter"),
    errors.Unsupported: (400, "UnsupportedOperation"),
    errors.UnknownParameter: (400, "UnknownParameter"),
    errors.InvalidAction: (400, "InvalidAction"),
    errors.NotAuthenticated: (401, "AuthFailure"),
    errors.SignatureMismatch: (403, "SignatureDoesNotMatch"),
    errors.RequestExpired: (403, "RequestExpired"),
    errors.NotPermitted: (403, "UnauthorizedOperation"),
    errors.UnknownInstance: (400, "InvalidInstanceID.NotFound"),
    errors.UnknownReservation: (400, "InvalidReservationID.NotFound"),
    errors.UnknownImage: (400, "InvalidAMIID.NotFound"),
    errors.InvalidImage: (400, "InvalidManifest"),
    errors.UnknownKeyPair: (400, "InvalidKeyPair.NotFound"),
    errors.KeyPairExists: (400, "InvalidKeyPair.Duplicate"),
    errors.UnknownVmType: (400, "InvalidParameterValue"),
    errors.UnknownGroup: (400, "InvalidGroup.NotFound"),
    errors.UnknownZone: (400, "InvalidZone.NotFound"),
    errors.UnknownVolume: (400, "InvalidVolume.NotFound"),
    errors.VolumeExists: (400, "InvalidVolume.Duplicate"),
    errors.VolumeLimitExceeded: (400, "VolumeLimitExceeded"),
    errors.NoCapacity: (500, "InsufficientInstanceCapacity"),
    errors.InstanceNotRunning: (400, "IncorrectInstanceState"),
    errors.IncorrectState: (400, "IncorrectState"),
    errors.Unavailable: (503, "Unavailable"),
}


def answer(error: errors.CloudError) -> Answer:
    """Return how an error is told; one that the table lacks is told as the nearest it derives of.

    Every fact is a CloudError, which itself is told as an internal error.
    """
    for kind in type(error).__mro__:
        if kind in _CODES:
            status, code = _CODES[kind]
            side = "Client" if status < 500 else "Server"
            return Answer(status, code, f"{side}.{code}", error.message)
    return Answer(500, "InternalError", "Server.InternalError", error.message)


def rendered(fault: SoapFault, soap: Soap = SOAP_11, *, plain: bool) -> bytes:
    """Return the envelope of a fault; for plain peers what is beyond ASCII becomes a ?."""
    text = "".join(c if c.isprintable() or c == "\n" else "?" for c in fault.text)
    if plain:
        text = text.encode("ascii", "replace").decode("ascii")
    return fault_envelope(escape(fault.code), escape(text), soap)
