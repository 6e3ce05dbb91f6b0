"""An exchange without a network for tests of the runner and the commands: says what its options tell it to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import attrs
import msgspec

from tickwire import Channel, ConnectionLostError, Event, Instrument, Instruments, Subscription, Trade, hookimpl
from tickwire.native import NativeMessageRouter, NativeRouting, NativeSymbolService, handles
from tickwire.plugin import (
    ChannelInfo,
    ConnectionInfo,
    Ending,
    Endpoint,
    ExchangeInfo,
    Fetch,
    Frame,
    Ids,
    Located,
    Request,
    Response,
    Signer,
    SymbolSource,
    Tier,
)


@attrs.frozen
class ScriptedOptions:
    """``trades``: how many each symbol gets; ``is_down``: nothing can be reached; ``refuses``: symbols it refuses."""

    trades: int = 3
    is_down: bool = False
    refuses: tuple[str, ...] = ()


INFO = ExchangeInfo(
    id="scripted",
    tier=Tier.NATIVE,
    rest=("https://api.scripted.example",),
    sockets={"public": Endpoint("wss://ws.scripted.example")},
    channels={Channel.TRADES: ChannelInfo(ids=Ids.CONSECUTIVE)},
    limits={},
    credentials=("api_key", "api_secret"),
    options_type=ScriptedOptions,
)


class ScriptedSymbols(NativeSymbolService):
    request = Request("GET", "/instruments")

    def _build_market(self, entry: Any) -> Instrument:
        return Instrument("scripted", entry["name"], entry["name"], *entry["name"].split("-"))


class Wire(msgspec.Struct, tag_field="kind"): ...


class Print(Wire, tag="trade"):
    name: str
    number: int


class Ack(Wire, tag="ack"):
    id: int
    bad: dict[str, str]


class ScriptedRouter(NativeMessageRouter):
    decoder = msgspec.json.Decoder(Print | Ack)

    def stream(self, subscription: Subscription) -> str:
        return subscription.instrument.native if subscription.instrument else "*"

    def request(self, add: bool, streams: Sequence[str], number: int) -> object:
        return {"add": add, "id": number, "names": streams}

    @handles(Print)
    def trade(self, message: Print, ts_recv: int) -> Iterable[Event]:
        number = message.number
        return (Trade("scripted", message.name, ts_recv, ts_recv, 1.5, 2.0, None, str(number), number),)

    @handles(Ack)
    def ack(self, message: Ack, ts_recv: int) -> Iterable[Any]:
        return self.answered(message.id, message.bad)


class ScriptedRouting(NativeRouting):
    info = INFO

    def __init__(self, instruments: Instruments) -> None:
        self._instruments = instruments

    def locate(self, endpoint: str, url: str) -> Fetch[Located]:
        return Located(url)
        yield

    def router(self, connection: ConnectionInfo) -> ScriptedRouter:
        return ScriptedRouter(self._instruments)


class ScriptedTransport:
    def __init__(self, options: ScriptedOptions) -> None:
        self._options = options

    async def fetch(self, request: Request) -> Response:
        if self._options.is_down:
            raise ConnectionLostError("cannot reach api.scripted.example")
        return Response(200, {}, b'[{"name":"AAA-USD"},{"name":"BBB-USD"}]', 1)

    async def connect(
        self, located: Located, on_frame: Callable[[Frame], None], on_close: Callable[[Ending], None]
    ) -> ScriptedConnection:
        return ScriptedConnection(self._options, on_frame, on_close)

    async def close(self) -> None: ...


class ScriptedConnection:
    def __init__(
        self, options: ScriptedOptions, on_frame: Callable[[Frame], None], on_close: Callable[[Ending], None]
    ) -> None:
        self._options = options
        self._on_frame = on_frame
        self._on_close = on_close
        self._flows = asyncio.Event()
        self._flows.set()
        self._tasks: list[asyncio.Task[None]] = []

    def send(self, payload: bytes) -> None:
        asked = msgspec.json.decode(payload)
        if asked["add"]:
            self._tasks.append(asyncio.ensure_future(self._answer(asked["id"], asked["names"])))

    async def _answer(self, number: int, names: list[str]) -> None:
        bad = {name: "because" for name in names if name in self._options.refuses}
        self._say({"kind": "ack", "id": number, "bad": bad})
        for trade in range(1, self._options.trades + 1):
            await self._flows.wait()
            await asyncio.sleep(0)
            for name in names:
                if name not in bad:
                    self._say({"kind": "trade", "name": name, "number": trade})

    def _say(self, message: object) -> None:
        self._on_frame(Frame(msgspec.json.encode(message), 1_700_000_000_000_000_000))

    def pause(self) -> None:
        self._flows.clear()

    def resume(self) -> None:
        self._flows.set()

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            self._tasks.clear()
            self._on_close(Ending(1000, "closed"))


class NoSigner:
    def sign(self, request: Request) -> Request:
        return request


@hookimpl
def tickwire_exchanges() -> Iterable[ExchangeInfo]:
    return [INFO]


@hookimpl
def tickwire_symbols() -> SymbolSource:
    return ScriptedSymbols()


@hookimpl
def tickwire_auth() -> Signer:
    return NoSigner()


@hookimpl
def tickwire_transport(options: ScriptedOptions) -> ScriptedTransport:
    return ScriptedTransport(options)


@hookimpl
def tickwire_routing(instruments: Instruments) -> ScriptedRouting:
    return ScriptedRouting(instruments)
