"""Kestrel's plugin with one mistake each, and the kit run on all of them; ``test_kit_bites.py`` says what must fail.

Not collected by itself: its name does not begin with ``test_``.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import attrs
import msgspec

from tickwire import (
    BookDelta,
    Channel,
    DataError,
    Event,
    Instrument,
    Instruments,
    Nanos,
    Registry,
    Side,
    Trade,
    hookimpl,
)
from tickwire.native import NativeMessageRouter, handles
from tickwire.plugin import (
    BookView,
    ChannelInfo,
    Clock,
    ConnectionInfo,
    Control,
    Credentials,
    ExchangeInfo,
    Fetch,
    Frame,
    Hole,
    Request,
    Send,
    Signer,
    Support,
)
from tickwire.simulation import Dress, default_instruments
from tickwire.testing import ExchangeConformance
from tickwire_kestrel.auth import KestrelSigner
from tickwire_kestrel.info import KESTREL
from tickwire_kestrel.routing import Ack, KestrelRouter, KestrelRouting, Order, Pong, Snap, Trades, Upd, Wire
from tickwire_kestrel.simulator import KestrelSimulator
from tickwire_kestrel.symbols import KestrelSymbols

FRAMES = Path(__file__).parents[1] / "kestrel" / "tests" / "frames"


class Plugin:
    """Kestrel's plugin, part by part exchangeable."""

    info: ExchangeInfo = KESTREL
    symbols: type[KestrelSymbols] = KestrelSymbols
    routing: type[KestrelRouting] = KestrelRouting
    signer: type[KestrelSigner] = KestrelSigner

    @hookimpl
    def tickwire_exchanges(self) -> Iterable[ExchangeInfo]:
        return [self.info]

    @hookimpl
    def tickwire_symbols(self) -> KestrelSymbols:
        return self.symbols()

    @hookimpl
    def tickwire_auth(self, credentials: Credentials, clock: Clock) -> Signer:
        return self.signer(credentials.reveal("api_key"), credentials.reveal("api_secret"), clock)

    @hookimpl
    def tickwire_routing(self, instruments: Instruments, signer: KestrelSigner | None, numbers: type) -> KestrelRouting:
        return self.routing(instruments, signer, numbers)


class Kit(ExchangeConformance):
    exchange = "kestrel"
    frames = FRAMES
    simulator: ClassVar[Callable[..., Dress] | None] = KestrelSimulator
    credentials = {"api_key": KestrelSimulator.key, "api_secret": KestrelSimulator.secret}  # noqa: RUF012
    plugin: type[Plugin] = Plugin

    @classmethod
    def registry(cls) -> Registry:
        return Registry.of(**{cls.__name__.removeprefix("Test").lower(): cls.plugin()})


def routed_by(made: type[KestrelRouter]) -> type[Plugin]:
    class Routing(KestrelRouting):
        def router(self, connection: ConnectionInfo) -> KestrelRouter:
            return made(self._listed, self._signer if connection.endpoint == "private" else None, self._numbers)

    class Changed(Plugin):
        routing = Routing

    return Changed


def declaring(**changes: Any) -> type[Plugin]:
    class Changed(Plugin):
        info = attrs.evolve(KESTREL, **changes)

    return Changed


def turned(trade: Trade) -> Trade:
    other = Side.SELL if trade.taker_side is Side.BUY else Side.BUY
    return msgspec.structs.replace(trade, taker_side=other)


def earlier(trade: Trade) -> Trade:
    return msgspec.structs.replace(trade, ts_event=(trade.ts_event or 0) // 1_000)


class TestRight(Kit):
    """No mistake at all."""


class MakersSide(KestrelRouter):
    @handles(Trades)
    def trades(self, m: Trades, ts_recv: Nanos) -> Iterable[Event]:
        return [turned(trade) for trade in super().trades(m, ts_recv)]  # type: ignore[arg-type]


class TestMakersSide(Kit):
    plugin = routed_by(MakersSide)


class WrongUnit(KestrelRouter):
    @handles(Trades)
    def trades(self, m: Trades, ts_recv: Nanos) -> Iterable[Event]:
        return [earlier(trade) for trade in super().trades(m, ts_recv)]  # type: ignore[arg-type]


class TestWrongUnit(Kit):
    plugin = routed_by(WrongUnit)


class Swallowing(KestrelRouter):
    def route(self, frame: Frame) -> Iterable[Event | Control]:
        try:
            return list(super().route(frame))
        except DataError:
            return ()


class TestSwallowing(Kit):
    plugin = routed_by(Swallowing)


class Leaking(KestrelRouter):
    def route(self, frame: Frame) -> Iterable[Event | Control]:
        if frame.payload.startswith(b"{"):
            msgspec.json.decode(frame.payload)["op"]
        return super().route(frame)


class TestLeaking(Kit):
    plugin = routed_by(Leaking)


class TestMissingFrame(Kit):
    frames = Path(tempfile.mkdtemp()) / "frames"
    shutil.copytree(FRAMES, frames)
    (frames / "orders.jsonl").unlink()


class OneRouter(KestrelRouting):
    only: dict[int, KestrelRouter] = {}  # noqa: RUF012

    def router(self, connection: ConnectionInfo) -> KestrelRouter:
        return self.only.setdefault(id(self), super().router(connection))


class TestOneRouter(Kit):
    class plugin(Plugin):
        routing = OneRouter


class Talkative(KestrelSigner):
    def __repr__(self) -> str:
        return f"<KestrelSigner {vars(self)} {KestrelSimulator.secret}>"


class TestTalkative(Kit):
    class plugin(Plugin):
        signer = Talkative


class TestUnencrypted(Kit):
    plugin = declaring(rest=("http://api.kestrel.example",))


class TestNotYetButWorks(Kit):
    plugin = declaring(
        channels={
            name: attrs.evolve(one, support=Support.NOT_YET) if name == "orders" else one
            for name, one in KESTREL.channels.items()
        }
    )


class TestNotYet(Kit):
    plugin = declaring(channels={**KESTREL.channels, Channel.CANDLES: ChannelInfo(Support.NOT_YET, intervals=("1m",))})


class TestMute(Kit):
    """Nobody speaks the exchange's language."""

    simulator = None
    instruments = tuple(attrs.evolve(one, exchange="kestrel") for one in default_instruments())
    plugin = declaring(simulator=None)


class HalfDigest(KestrelRouting):
    def checksum(self, book: BookView, i: Instrument) -> int:
        return super().checksum(book, i) ^ 1


class TestHalfDigest(Kit):
    class plugin(Plugin):
        routing = HalfDigest


class Swapped(KestrelRouter):
    @handles(Upd)
    def delta(self, m: Upd, ts_recv: Nanos) -> Iterable[Event]:
        (one,) = super().delta(m, ts_recv)
        assert isinstance(one, BookDelta)
        return (msgspec.structs.replace(one, bids=one.asks, asks=one.bids),)


class TestSwapped(Kit):
    plugin = routed_by(Swapped)


class NoLinks(KestrelRouter):
    @handles(Upd)
    def delta(self, m: Upd, ts_recv: Nanos) -> Iterable[Event]:
        (one,) = super().delta(m, ts_recv)
        assert isinstance(one, BookDelta)
        return (msgspec.structs.replace(one, previous_sequence=None, first_sequence=None),)


class TestNoLinks(Kit):
    plugin = routed_by(NoLinks)


class FreeRow(msgspec.Struct):
    id: int
    p: float
    q: float
    maker: Side
    ts: int


class FreeTrades(Wire, tag="trades"):
    s: str
    rows: list[FreeRow]
    recent: bool = False


class Unbounded(KestrelRouter):
    decoder = msgspec.json.Decoder(FreeTrades | Snap | Upd | Order | Ack | Pong, strict=False)

    @handles(FreeTrades)
    def free(self, m: Any, ts_recv: Nanos) -> Iterable[Event]:
        return super().trades(m, ts_recv)


class TestUnbounded(Kit):
    plugin = routed_by(Unbounded)


class Unmarked(KestrelRouting):
    def history(self, hole: Hole) -> Fetch[Sequence[Event]]:
        found = yield from super().history(hole)
        return [msgspec.structs.replace(one, backfilled=False) for one in found if isinstance(one, Trade)]


class TestUnmarked(Kit):
    class plugin(Plugin):
        routing = Unmarked


class Heartless(KestrelRouter):
    def heartbeat(self, now: Nanos) -> Iterable[Send]:
        return ()


class TestHeartless(Kit):
    plugin = routed_by(Heartless)


class Deaf(KestrelRouter):
    @handles(Ack)
    def ack(self, m: Ack, ts_recv: Nanos) -> Iterable[Event | Control]:
        return ()


class TestDeaf(Kit):
    plugin = routed_by(Deaf)


class Stubborn(NativeMessageRouter):
    def unsubscribe(self, subscriptions: Sequence[Any]) -> Iterable[Send]:
        return ()


class NeverLeaves(Stubborn, KestrelRouter):
    """Asks and never takes it back."""


class TestNeverLeaves(Kit):
    plugin = routed_by(NeverLeaves)


class Underscored(KestrelSymbols):
    def _build_market(self, entry: Mapping[str, Any]) -> Instrument:
        return attrs.evolve(super()._build_market(entry), symbol=entry["name"].replace("/", "_"))


class TestUnderscored(Kit):
    class plugin(Plugin):
        symbols = Underscored


class AllOrNothing(KestrelSymbols):
    def read(self, entries: Iterable[Any]) -> None:
        for entry in entries:
            entry["tick"]
        super().read(entries)


class TestAllOrNothing(Kit):
    class plugin(Plugin):
        symbols = AllOrNothing


class Overdrawn(KestrelSymbols):
    request = Request("GET", "/v1/instruments", limit="listing")


class TestOverdrawn(Kit):
    class plugin(Plugin):
        symbols = Overdrawn
