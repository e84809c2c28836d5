"""OpenTelemetry for FastAPI, SQLAlchemy and Redis."""

from otelier.version import __version__

__all__ = ["__version__"]
