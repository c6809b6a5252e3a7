"""Tests of the contracts against what the original programs put on the wire."""
