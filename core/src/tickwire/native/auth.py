"""Ed25519 and HMAC signing; keys are checked when a feed is assembled, not at its first request."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Mapping
from typing import ClassVar

import attrs

from tickwire.model.errors import CredentialsError
from tickwire.plugin.protocols import Clock, Request

__all__ = ["Ed25519Signer", "HmacSigner", "SignatureHeaders"]

_SEED_BYTES = 32
_BLANKS = " \t\r\n"


@attrs.frozen
class SignatureHeaders:
    """What an exchange calls the headers of a signed request."""

    key: str
    timestamp: str
    window: str
    signature: str


class _KeySigner:
    def __init__(self, key: str, clock: Clock) -> None:
        self.key = key
        self._clock = clock

    def millis(self) -> int:
        """Give the exchange's time in ms."""
        return self._clock.now() // 1_000_000

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.key[:4]}…>"


class HmacSigner(_KeySigner):
    """Holds a key and its secret and digests texts; a plugin's subclass says which text a request or a login signs.

    Class attributes:
        hash_name: Name of the hash function, as ``hashlib`` knows it.
        is_base64: Digests are base64 text, not hexadecimal.

    Attributes:
        key: What names the secret to the exchange.
    """

    hash_name: ClassVar[str] = "sha256"
    is_base64: ClassVar[bool] = False

    def __init__(self, key: str, secret: str, clock: Clock) -> None:
        """Take over the pair; blanks around a pasted text do no harm.

        Args:
            key: As the exchange gave it.
            secret: Text; its UTF-8 bytes are the HMAC's key.
            clock: The exchange's time.

        Raises:
            CredentialsError: One of them is empty.
        """
        key, secret = key.strip(_BLANKS), secret.strip(_BLANKS)
        for name, text in (("api_key", key), ("api_secret", secret)):
            if not text:
                raise CredentialsError(f"{name} is empty", hint="copy it again")
        super().__init__(key, clock)
        # keyed once: the secret itself is not kept, and a digest costs a copy
        self._keyed = hmac.new(secret.encode(), digestmod=self.hash_name)

    def digest(self, text: str) -> str:
        """Digest the UTF-8 bytes of a text."""
        keyed = self._keyed.copy()
        keyed.update(text.encode())
        return base64.b64encode(keyed.digest()).decode() if self.is_base64 else keyed.hexdigest()


class Ed25519Signer(_KeySigner):
    """Holds a key pair and signs texts; a plugin's subclass says which text a request or a subscription signs.

    Class attributes:
        headers: Names of the headers.
    """

    headers = SignatureHeaders("X-API-Key", "X-Timestamp", "X-Window", "X-Signature")

    def __init__(self, key: str, secret: str, clock: Clock, *, window: int = 5000) -> None:
        """Check the pair.

        Args:
            key: Base64 of the 32-byte verifying key.
            secret: Base64 of the 32-byte seed.
            clock: The exchange's time.
            window: For how long a signature is valid, ms.

        Raises:
            CredentialsError: A key is malformed, or they do not belong together.
        """
        from nacl.signing import SigningKey

        verifying = _bytes("api_key", key)
        self._signing = SigningKey(_bytes("api_secret", secret))
        if bytes(self._signing.verify_key) != verifying:
            raise CredentialsError(
                f"api_key {key[:4]}… does not belong to api_secret",
                hint="api_secret must be the base64 seed that belongs to api_key; copy both again from one key pair",
            )
        super().__init__(key, clock)
        self.window = window

    def signature(self, text: str) -> str:
        """Sign a text; gives base64 of the 64 bytes."""
        return base64.b64encode(self._signing.sign(text.encode()).signature).decode()

    def signed_headers(self, timestamp: int, signature: str) -> Mapping[str, str]:
        """Give the headers that carry a signature."""
        names = self.headers
        return {
            names.key: self.key,
            names.timestamp: str(timestamp),
            names.window: str(self.window),
            names.signature: signature,
        }

    def sign(self, request: Request) -> Request:
        """Add the signature's headers to a request.

        The text signed comes from ``signing_text``, which a plugin overrides.
        """
        timestamp = self.millis()
        signature = self.signature(self.signing_text(request, timestamp))
        return attrs.evolve(request, headers={**request.headers, **self.signed_headers(timestamp, signature)})

    def signing_text(self, request: Request, timestamp: int) -> str:
        """Say which text signs a request; ``timestamp`` in ms."""
        return f"{timestamp}{request.method}{request.path}"


def _bytes(name: str, text: str) -> bytes:
    try:
        raw = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != _SEED_BYTES:
        raise CredentialsError(
            f"{name} is not the base64 text of {_SEED_BYTES} bytes", hint="copy it again: 44 characters ending in '='"
        )
    return raw
