"""Measures what the promises about speed are about; `./cloud bench` runs all of it."""
