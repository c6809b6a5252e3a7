"""The wire: SOAP contracts, services and clients made from them, and how they are mounted."""
