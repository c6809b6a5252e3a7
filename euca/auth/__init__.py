"""Who sent it, and was it changed: keys, certificates and the signatures of every protocol."""
