"""Tests of what the composition roots put together, for all components alike."""
