"""HMAC-SHA256 over ``<ms><METHOD><path>``; the socket signs ``<ms>LOGIN``."""

import attrs

from tickwire.native import HmacSigner
from tickwire.plugin import Request


class KestrelSigner(HmacSigner):
    def sign(self, request: Request) -> Request:
        ms = self.millis()
        headers = {"K-KEY": self.key, "K-TIME": str(ms), "K-SIGN": self.digest(f"{ms}{request.method}{request.path}")}
        return attrs.evolve(request, headers={**request.headers, **headers})

    def login(self) -> dict[str, object]:
        ms = self.millis()
        return {"key": self.key, "ms": ms, "sign": self.digest(f"{ms}LOGIN")}
