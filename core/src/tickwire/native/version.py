"""The installed version, as the transport introduces itself."""

from importlib.metadata import version

__all__ = ["USER_AGENT"]

USER_AGENT = f"tickwire/{version('tickwire')}"
