"""Dresses the simulated market as {{ cookiecutter.title }}; faults and truth are the simulation's."""

{% if cookiecutter.auth == "ed25519" %}
import base64
{% elif cookiecutter.auth == "hmac" %}
import hashlib
import hmac
{% endif %}
{% if cookiecutter.checksum %}
import zlib
{% endif %}
{% if cookiecutter.auth != "none" %}
from collections.abc import Mapping
{% endif %}
from decimal import Decimal
{% if cookiecutter.auth != "none" %}
from typing import Any
from weakref import WeakSet
{% endif %}

import msgspec
from tickwire import Channel, Instrument, SymbolParts
from tickwire.plugin import Request
{% if cookiecutter.auth != "none" %}
from tickwire.testing import SimBook, SimClient, SimMarket, SimOrder, SimTrade
{% else %}
from tickwire.testing import SimBook, SimClient, SimMarket, SimTrade
{% endif %}

CHANNELS = {
    "trades": Channel.TRADES,
    "book": Channel.L2_BOOK,
{% if cookiecutter.auth != "none" %}
    "orders": Channel.ORDERS,
{% endif %}
}
STEPS = {"BTC": ("0.1", "0.00001"), "ETH": ("0.01", "0.0001"), "SOL": ("0.01", "0.01")}


class {{ cookiecutter.__class }}Simulator:
{% if cookiecutter.auth != "none" %}
    """Knows one account: ``key`` and ``secret``. Public and private socket are one: what counts is the login."""

{% if cookiecutter.auth == "hmac" %}
    key, secret = "made-up-key", "made-up-secret"
{% else %}
    key = "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg="
    secret = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
{% endif %}
{% else %}
    """Lists three markets."""

{% endif %}
{% if cookiecutter.book == "rest" %}
    snapshot_on_join = False
{% endif %}
    instruments = tuple(
        Instrument.of(
            "{{ cookiecutter.exchange }}",
            f"{base}_USD",
            SymbolParts(base, "USD"),
            tick_size=Decimal(tick),
            lot_size=Decimal(lot),
        )
        for base, (tick, lot) in STEPS.items()
    )

{% if cookiecutter.auth != "none" %}
    def __init__(self) -> None:
        self._members: WeakSet[SimClient] = WeakSet()

{% endif %}
    def rest(self, request: Request, market: SimMarket) -> object:
        """Answer over HTTP."""
        if request.path == "/v1/markets":
            return {"markets": [self.market(one) for one in market.instruments]}
        p = request.params
{% if cookiecutter.book == "rest" %}
        if request.path == "/v1/book":
            whole = market.book(str(p["symbol"]), 5_000)
            return {"sequence": whole.sequence, "time": whole.ts // 1_000, "bids": whole.bids, "asks": whole.asks}
{% endif %}
        return [self.row(one) for one in market.trades(str(p["symbol"]), int(p["after"]), int(p["limit"]))]

    def received(self, payload: bytes, client: SimClient) -> None:
        """Understand a frame of a client."""
        m = msgspec.json.decode(payload)
        if m["op"] == "ping":
            client.send({"type": "pong"})
{% if cookiecutter.auth != "none" %}
        elif m["op"] == "login":
            client.send({"type": "login", **self.login(m, client)})
{% endif %}
        else:
            refused = []
            for stream in m["streams"]:
                name, _, native = stream.partition(".")
                if m["op"] == "unsubscribe":
                    client.leave(stream)
{% if cookiecutter.auth != "none" %}
                elif name == "orders" and client not in self._members:
                    refused.append({"stream": stream, "reason": "log in first"})
{% endif %}
                elif not client.join(stream, CHANNELS[name], native):
                    refused.append({"stream": stream, "reason": "unknown symbol"})
            client.send({"type": "answer", "id": m["id"], "refused": refused})

{% if cookiecutter.auth == "hmac" %}
    def login(self, m: Mapping[str, Any], client: SimClient) -> Mapping[str, str]:
        """Check a login's signature."""
        signature = hmac.new(self.secret.encode(), f"{m['ms']}LOGIN".encode(), hashlib.sha256).hexdigest()
        if m["key"] != self.key or not hmac.compare_digest(m["signature"], signature):
            return {"refused": "bad signature"}
        self._members.add(client)
        return {}

{% elif cookiecutter.auth == "ed25519" %}
    def login(self, m: Mapping[str, Any], client: SimClient) -> Mapping[str, str]:
        """Check a login's signature."""
        from nacl.exceptions import BadSignatureError
        from nacl.signing import VerifyKey

        try:
            signature = base64.b64decode(m["signature"])
            VerifyKey(base64.b64decode(self.key)).verify(f"{m['ms']}LOGIN".encode(), signature)
        except (BadSignatureError, ValueError):
            return {"refused": "bad signature"}
        self._members.add(client)
        return {}

{% endif %}
    def market(self, i: Instrument) -> object:
        """Write a row of ``GET /v1/markets``."""
        steps = {"tick_size": str(i.tick_size), "lot_size": str(i.lot_size)}
        return {"symbol": i.native, "base": i.base, "quote": i.quote, **steps, "status": "open"}

    def row(self, trade: SimTrade) -> object:
        """Write one match."""
        side = "buy" if trade.buyer_is_taker else "sell"
        facts = {"id": trade.number, "price": trade.price, "size": trade.size}
        return {**facts, "side": side, "time": trade.ts // 1_000}

    def trade(self, trade: SimTrade) -> object:
        """Put a match into a frame."""
        return {"type": "trades", "symbol": trade.instrument.native, "trades": [self.row(trade)]}

    def book(self, change: SimBook, whole: SimBook) -> object:
        """Put a change, or the whole book, into a frame."""
{% if cookiecutter.book == "socket" %}
        head = {"type": "snapshot"} if change.previous is None else {"type": "update", "previous": change.previous}
        return {
            **head,
            "symbol": change.instrument.native,
            "sequence": change.sequence,
            "time": change.ts // 1_000,
            "bids": change.bids,
            "asks": change.asks,
{% elif cookiecutter.book == "rest" %}
        return {
            "type": "update",
            "symbol": change.instrument.native,
            "first": (change.previous or 0) + 1,
            "last": change.sequence,
            "time": change.ts // 1_000,
            "bids": change.bids,
            "asks": change.asks,
{% else %}
        return {
            "type": "book",
            "symbol": change.instrument.native,
            "sequence": change.sequence,
            "time": change.ts // 1_000,
            "bids": whole.bids[:20],
            "asks": whole.asks[:20],
{% endif %}
{% if cookiecutter.checksum %}
            "checksum": self.digest(whole),
{% endif %}
        }
{% if cookiecutter.checksum %}

    def digest(self, whole: SimBook) -> int:
        """Digest the best ten levels a side."""
        return zlib.crc32(":".join(f"{p}:{s}" for p, s in [*whole.bids[:10], *whole.asks[:10]]).encode())
{% endif %}
{% if cookiecutter.auth != "none" %}

    def order(self, order: SimOrder) -> object:
        """Put an order of the account into a frame."""
        return {
            "type": "order",
            "symbol": order.instrument.native,
            "id": str(order.number),
            "status": order.status,
            "side": "buy" if order.is_buy else "sell",
            "size": order.size,
            "filled": order.filled,
            "time": order.ts // 1_000,
        }
{% endif %}
