{% if cookiecutter.auth == "hmac" %}
"""HMAC-SHA256, hexadecimal, over ``<ms><METHOD><path>``; the private socket signs ``<ms>LOGIN``."""

import attrs
from tickwire.native import HmacSigner
from tickwire.plugin import Request


class {{ cookiecutter.__class }}Signer(HmacSigner):
    """Signs requests in three headers, and the login."""

    def sign(self, request: Request) -> Request:
        """Add key, time and signature to the headers."""
        ms = self.millis()
        signature = self.digest(f"{ms}{request.method}{request.path}")
        headers = {"X-KEY": self.key, "X-TIME": str(ms), "X-SIGNATURE": signature}
        return attrs.evolve(request, headers={**request.headers, **headers})

    def login(self) -> dict[str, object]:
        """Give what the private socket wants to be told first."""
        ms = self.millis()
        return {"op": "login", "key": self.key, "ms": ms, "signature": self.digest(f"{ms}LOGIN")}
{% else %}
"""Ed25519, base64, over ``<ms><METHOD><path>``; the private socket signs ``<ms>LOGIN``."""

from tickwire.native import Ed25519Signer, SignatureHeaders
from tickwire.plugin import Request


class {{ cookiecutter.__class }}Signer(Ed25519Signer):
    """Signs requests in four headers, and the login."""

    headers = SignatureHeaders("X-KEY", "X-TIME", "X-WINDOW", "X-SIGNATURE")

    def signing_text(self, request: Request, timestamp: int) -> str:
        """Say which text signs a request."""
        return f"{timestamp}{request.method}{request.path}"

    def login(self) -> dict[str, object]:
        """Give what the private socket wants to be told first."""
        ms = self.millis()
        return {"op": "login", "key": self.key, "ms": ms, "signature": self.signature(f"{ms}LOGIN")}
{% endif %}
