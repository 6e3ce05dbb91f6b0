"""Whom to trust: the system's authorities, or those of one file."""

from __future__ import annotations

import ssl

from tickwire.model.errors import ConfigError

__all__ = ["tls_context"]


def tls_context(ca_file: str | None = None, *, setting: str = "tls.ca_file") -> ssl.SSLContext:
    """Make the context of a transport's connections, HTTP and WebSocket alike.

    Args:
        ca_file: PEM; only the authorities in it are trusted. ``None``: the system's, or those of ``SSL_CERT_FILE``.
        setting: Where it is configured, for messages.

    Raises:
        ConfigError: The file cannot be read, or holds no certificate.
    """
    try:
        return ssl.create_default_context(cafile=ca_file)
    except ssl.SSLError as error:
        raise ConfigError(
            f"{ca_file!r} holds no certificate ({error.reason or 'no PEM'})",
            hint="name a PEM file with the certificates of the authorities to trust",
            path=setting,
        ) from error
    except OSError as error:
        raise ConfigError(
            f"{ca_file!r} cannot be read ({(error.strerror or str(error)).lower()})",
            hint="name a PEM file with the certificates of the authorities to trust",
            path=setting,
        ) from error
