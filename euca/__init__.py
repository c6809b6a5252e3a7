"""A private cloud that speaks Eucalyptus 2.0 on the wire."""
