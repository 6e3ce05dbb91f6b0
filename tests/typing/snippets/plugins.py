"""Plugins: what keeps a protocol is accepted, what does not is refused where it is handed over."""

from collections.abc import Iterable, Sequence
from typing import assert_type

from tickwire import BookSnapshot, Event, Instrument, Instruments, Subscription, Trade, hookimpl
from tickwire.native import NativeMessageRouter, NativeRouting, NativeSymbolService, handles
from tickwire.plugin import (
    Control,
    ExchangeInfo,
    Fetch,
    Frame,
    Request,
    Response,
    Router,
    Routing,
    Send,
    Signer,
    SymbolSource,
    Tier,
)
from tickwire_kestrel.plugin import tickwire_exchanges, tickwire_routing
from tickwire_kestrel.routing import KestrelRouting
from tickwire_kestrel.symbols import KestrelSymbols


class KeySigner:
    def sign(self, request: Request) -> Request:
        return request


class ForgetfulSigner:
    def sign(self, request: Request) -> None: ...


class AsyncSigner:
    async def sign(self, request: Request) -> Request:
        return request


@hookimpl
def tickwire_auth() -> Signer:
    return KeySigner()


def an_answer_is_missing() -> Signer:
    return ForgetfulSigner()  # E[return-value]: got "ForgetfulSigner", expected "Signer"


def a_strategy_does_no_io() -> Signer:
    return AsyncSigner()  # E[return-value]: got "AsyncSigner", expected "Signer"


def strategies(instruments: Instruments) -> None:
    assert_type(tickwire_exchanges(), Iterable[ExchangeInfo])
    assert_type(tickwire_routing(instruments, None, float), Routing)
    routing: Routing = KestrelRouting(instruments, None)
    symbols: SymbolSource = KestrelSymbols()
    routing = symbols  # E[assignment]: expression has type "SymbolSource", variable has type "Routing[bytes]"


class Conversations(NativeRouting):
    info = ExchangeInfo(id="acme", tier=Tier.NATIVE, rest=(), sockets={}, channels={}, limits={})

    def snapshot(self, subscription: Subscription) -> Fetch[BookSnapshot]:
        answer = yield Request("GET", "/depth")
        assert_type(answer, Response)
        assert_type(answer.decode(dict[str, str]), dict[str, str])
        yield "GET /depth"  # E[misc]: Incompatible types in "yield"
        return answer  # E[return-value]: expected "BookSnapshot[float]"


class TextRouter:
    def opened(self) -> Iterable[Control]:
        return ()

    def subscribe(self, subscriptions: Sequence[Subscription]) -> Iterable[Send[str]]:
        return ()

    def unsubscribe(self, subscriptions: Sequence[Subscription]) -> Iterable[Send[str]]:
        return ()

    def heartbeat(self, now: int) -> Iterable[Send[str]]:
        return (Send("ping"),)

    def route(self, frame: Frame[str]) -> Iterable[Event | Control]:
        return ()


def payloads(instruments: Instruments) -> None:
    own: Router[str] = TextRouter()
    ordinary: Router = TextRouter()  # E[assignment]: variable has type "Router[bytes]"
    native: Router = NativeMessageRouter(instruments)


class MadeRouter(NativeMessageRouter):
    @handles(Trade)
    def trade(self, message: Trade, ts_recv: int) -> Iterable[Event]:
        return (message,)

    def heartbeat(self, now: str) -> Iterable[Send]:  # E[override]: "heartbeat"
        return ()


class MadeSymbols(NativeSymbolService):
    def _build_market(self, entry: object) -> Instrument:
        return "SOL-USD"  # E[return-value]: expected "Instrument"
