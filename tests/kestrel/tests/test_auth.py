"""What Kestrel signs: requests in three headers, and the login of the private socket only."""

from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path

import pytest

from tickwire import Instruments, ManualClock
from tickwire.plugin import ConnectionInfo, Control, Located, Request, Send, Signer
from tickwire_kestrel.auth import KestrelSigner
from tickwire_kestrel.routing import KestrelRouting

README = (Path(__file__).parents[1] / "README.md").read_text()
CLOCK = ManualClock(1_788_361_471_034_824_000)
SIGNER = KestrelSigner("kestrel-key", "kestrel-secret", CLOCK)


def digest(text: str) -> str:
    return hmac.new(b"kestrel-secret", text.encode(), hashlib.sha256).hexdigest()


def opened(endpoint: str, signer: KestrelSigner | None) -> list[Control]:
    routing = KestrelRouting(Instruments(), signer)
    return list(routing.router(ConnectionInfo("x", endpoint, Located("wss://x"))).opened())


def test_a_request_carries_key_time_and_digest_beside_its_own_headers() -> None:
    request = Request("GET", "/v1/fills", {"limit": 5}, headers={"Accept": "x"}, signed=True)
    assert SIGNER.sign(request) == Request(
        "GET",
        "/v1/fills",
        {"limit": 5},
        headers={
            "Accept": "x",
            "K-KEY": "kestrel-key",
            "K-TIME": "1788361471034",
            "K-SIGN": digest("1788361471034GET/v1/fills"),
        },
        signed=True,
    )
    assert isinstance(SIGNER, Signer)


def test_the_private_socket_begins_with_a_login() -> None:
    (send,) = opened("private", SIGNER)
    assert isinstance(send, Send)
    assert json.loads(send.payload) == {
        "op": "login",
        "id": 0,
        "key": "kestrel-key",
        "ms": 1788361471034,
        "sign": digest("1788361471034LOGIN"),
    }
    assert f"\n{send.payload.decode()}\n" in README


@pytest.mark.parametrize(("endpoint", "signer"), [("public", SIGNER), ("public", None), ("private", None)])
def test_nobody_logs_in_on_the_public_socket_or_without_a_key(endpoint: str, signer: KestrelSigner | None) -> None:
    assert opened(endpoint, signer) == []
