"""ccxt signs for itself: what core calls a signer only carries the keys to it."""

from __future__ import annotations

from tickwire.plugin import Credentials, Request

__all__ = ["CcxtSigner"]


class CcxtSigner:
    """Carries credentials, and signs nothing."""

    def __init__(self, credentials: Credentials) -> None:
        """Take them over, masked."""
        self.credentials = credentials

    def sign(self, request: Request) -> Request:
        """Give the request back: ccxt signs what it sends."""
        return request
