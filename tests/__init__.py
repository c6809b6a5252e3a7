"""Tests; they mirror `euca/`."""
