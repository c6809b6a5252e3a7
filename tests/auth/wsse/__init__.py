"""Tests of euca.auth.wsse."""
