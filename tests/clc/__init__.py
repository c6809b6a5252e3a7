"""Tests of the cloud controller."""
