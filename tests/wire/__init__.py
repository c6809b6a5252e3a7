"""Tests of `euca.wire`."""
