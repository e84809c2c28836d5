"""Contrib's own test-suites, run with our stand-ins in the place of contrib's classes."""
