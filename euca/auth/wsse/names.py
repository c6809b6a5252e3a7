"""The namespaces and algorithm names of SOAP, WS-Addressing, WS-Security and XML Signature."""

from attrs import frozen

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
WSA = "http://www.w3.org/2005/08/addressing"
_OASIS = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-"
WSSE = _OASIS + "wssecurity-secext-1.0.xsd"
WSU = _OASIS + "wssecurity-utility-1.0.xsd"
X509_V3 = _OASIS + "x509-token-profile-1.0#X509v3"
BASE64 = _OASIS + "soap-message-security-1.0#Base64Binary"
DS = "http://www.w3.org/2000/09/xmldsig#"
XSI = "http://www.w3.org/2001/XMLSchema-instance"

EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"
SHA1 = DS + "sha1"
SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256"
RSA_SHA1 = DS + "rsa-sha1"
RSA_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"

SECURITY = f"{{{WSSE}}}Security"
WSU_ID = f"{{{WSU}}}Id"


@frozen
class Soap:
    """A version of SOAP: its namespace, the names in it, and the media type of its messages."""

    namespace: str
    media: str
    envelope: str
    header: str
    body: str
    fault: str
    must_understand: str

    @classmethod
    def of(cls, namespace: str, media: str) -> "Soap":
        """Return the version that has this namespace."""
        names = ("Envelope", "Header", "Body", "Fault", "mustUnderstand")
        return cls(namespace, media, *(f"{{{namespace}}}{name}" for name in names))


SOAP_11 = Soap.of(SOAP, "text/xml")
SOAP_12 = Soap.of("http://www.w3.org/2003/05/soap-envelope", "application/soap+xml")
BY_ENVELOPE = {version.envelope: version for version in (SOAP_11, SOAP_12)}
