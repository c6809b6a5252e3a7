"""Tests of `euca.telemetry`."""
