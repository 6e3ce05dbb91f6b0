"""A frame becomes events; one that cannot be read is told apart: an unknown kind, or a malformed frame."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, ClassVar

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tickwire import (
    Channel,
    DecodeError,
    Event,
    Instrument,
    Instruments,
    PluginContractError,
    Quote,
    Side,
    Subscription,
    Trade,
    UnknownNativeError,
)
from tickwire.native import (
    Metrics,
    Micros,
    NativeMessageRouter,
    NativeRouting,
    NativeSymbolService,
    Price,
    Size,
    handles,
)
from tickwire.plugin import (
    Alive,
    Confirmed,
    ConnectionInfo,
    Control,
    Frame,
    Located,
    Refused,
    Request,
    Response,
    Router,
    Send,
    Unknown,
)

SOL = Instrument("acme", "SOL-USDC", "SOL_USDC", "SOL", "USDC")
BTC = Instrument("acme", "BTC-USDC", "BTC_USDC", "BTC", "USDC")
INSTRUMENTS = Instruments([SOL, BTC])
T = 1_788_367_431_034_824


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["trade", "ping", "untold"]),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.sampled_from(["e", "s", "p", "q", "T", "m", "data", "error", "code"]), inner)
    ),
)


def frame(message: object, ts_recv: int = 7) -> Frame:
    return Frame(message if isinstance(message, bytes) else json.dumps(message).encode(), ts_recv)


# --- the use that design.md §9 promises


def test_the_example_of_the_design_works() -> None:
    class ExampleSymbolService(NativeSymbolService):
        def _include_market(self, entry: Mapping[str, Any]) -> bool:
            return entry.get("status") == "TRADING"

        def _normalize_symbol(self, native_symbol: str, entry: Mapping[str, Any]) -> str:
            return native_symbol.replace("_", "-")

    symbols = ExampleSymbolService(Request("GET", "/markets"), exchange="example")
    loading = symbols.load()
    assert next(loading) == Request("GET", "/markets")
    rows = [{"symbol": "SOL_USDC", "status": "TRADING"}, {"symbol": "BTC_USDC", "status": "BREAK"}]
    with pytest.raises(StopIteration) as loaded:
        loading.send(Response(200, {}, json.dumps(rows).encode(), 7))
    assert loaded.value.value == [Instrument("example", "SOL-USDC", "SOL_USDC", "SOL", "USDC")]

    seen: list[tuple[str, object, int]] = []

    def handle_trade(message: Any, ts_recv: int) -> Iterable[Event]:
        seen.append(("trade", message, ts_recv))
        return [Trade("example", "SOL-USDC", None, ts_recv, float(message["p"]), 1.0)]

    def handle_orderbook(message: Any, ts_recv: int) -> None:
        seen.append(("orderbook", message, ts_recv))

    metrics = Metrics()
    router = NativeMessageRouter(metrics=metrics)
    router.register_handler("trades", handle_trade)
    router.register_handler("orderbook", handle_orderbook)

    trade, book = {"channel": "trades", "p": "98.97"}, {"channel": "orderbook", "bids": []}
    assert router.route(frame(trade, 1)) == [Trade("example", "SOL-USDC", None, 1, 98.97, 1.0)]
    assert list(router.route(frame(book, 2))) == []
    assert list(router.route(frame({"channel": "candles"}))) == [Unknown("candles")]
    assert seen == [("trade", trade, 1), ("orderbook", book, 2)]
    assert metrics.total("dropped_frames_total") == 1


# --- the loose form


def loose(**handlers: Callable[[Any, int], Any]) -> NativeMessageRouter:
    router = NativeMessageRouter(metrics=Metrics())
    for channel, handler in handlers.items():
        router.register_handler(channel, handler)
    return router


def test_a_router_is_what_the_protocol_asks_for() -> None:
    assert isinstance(NativeMessageRouter(), Router)


def test_a_loose_frame_goes_to_the_handler_of_its_channel() -> None:
    seen: list[object] = []
    router = loose(trades=lambda message, ts_recv: seen.append((message, ts_recv)))
    assert router.route(frame({"channel": "trades", "n": 1}, 9)) == ()
    assert seen == [({"channel": "trades", "n": 1}, 9)]


@pytest.mark.parametrize("field", ["channel", "stream", "topic", "type", "event", "e"])
def test_each_usual_field_may_name_the_channel(field: str) -> None:
    router = loose(trades=lambda message, ts_recv: (Alive(),))
    assert router.route(frame({field: "trades"})) == (Alive(),)


def test_the_first_channel_field_with_a_handler_wins() -> None:
    class TwoFields(NativeMessageRouter):
        channel_fields = ("stream", "e")

    router = TwoFields()
    router.register_handler("trade", lambda message, ts_recv: (Unknown("by e"),))
    router.register_handler("all", lambda message, ts_recv: (Unknown("by stream"),))
    assert router.route(frame({"stream": "all", "e": "trade"})) == (Unknown("by stream"),)
    assert router.route(frame({"stream": "trade.SOL_USDC", "e": "trade"})) == (Unknown("by e"),)
    assert router.route(frame({"channel": "trade"})) == (Unknown("unnamed"),)


@pytest.mark.parametrize("name", [5, None, ["trades"], {"trades": 1}])
def test_a_channel_field_that_is_no_text_names_nothing(name: object) -> None:
    router = loose(trades=lambda message, ts_recv: (Alive(),))
    assert router.route(frame({"channel": name})) == (Unknown("unnamed"),)
    assert router.route(frame({"channel": name, "e": "trades"})) == (Alive(),)


def test_an_unknown_loose_kind_is_named_by_its_first_field_and_counted() -> None:
    router = loose()
    assert router.route(frame({"channel": "candles", "e": "1m"})) == (Unknown("candles"),)
    assert router.metrics.total("dropped_frames_total") == 1
    assert router.metrics.total("malformed_frames_total") == 0


def test_a_handler_that_answers_none_says_nothing() -> None:
    assert list(loose(trades=lambda message, ts_recv: None).route(frame({"e": "trades"}))) == []


def test_a_later_handler_of_a_channel_replaces_the_earlier() -> None:
    router = loose(trades=lambda message, ts_recv: None)
    router.register_handler("trades", lambda message, ts_recv: (Alive(),))
    assert router.route(frame({"e": "trades"})) == (Alive(),)


NOT_MESSAGES = [
    b"",
    b"pong",
    b"[1]",
    b"5",
    b'"trades"',
    b"null",
    b'{"channel":"trades"',
    b'{"channel":"\xff"}',
    b"[" * 9_000,
]


@pytest.mark.parametrize("payload", NOT_MESSAGES, ids=repr)
def test_a_loose_frame_that_is_no_json_object_is_a_decode_error_and_counted(payload: bytes) -> None:
    router = loose(trades=lambda message, ts_recv: None)
    with pytest.raises(DecodeError):
        router.route(Frame(payload, 7))
    assert router.metrics.total("malformed_frames_total") == 1


@given(st.binary())
def test_arbitrary_bytes_give_a_loose_router_nothing_but_controls_and_data_errors(payload: bytes) -> None:
    _only_controls_or_data_errors(loose(), payload)


# --- the typed form


class Row(msgspec.Struct, tag_field="e", tag="trade"):
    s: str
    p: Price
    q: Size
    T: Micros
    m: bool = False


class Ping(msgspec.Struct, tag_field="e", tag="ping"):
    pass


class Untold(msgspec.Struct, tag_field="e", tag="untold"):
    pass


class Typed(NativeMessageRouter):
    """Tagged payloads without an envelope; ``untold`` is decoded and has no handler."""

    decoder = msgspec.json.Decoder(Row | Ping | Untold, strict=False)

    @handles(Row)
    def trade(self, m: Row, ts_recv: int) -> Iterable[Event]:
        i = self.native[m.s]
        side = Side.SELL if m.m else Side.BUY
        return (Trade(i.exchange, i.symbol, m.T * 1_000, ts_recv, m.p, m.q, side),)

    @handles(Ping)
    def ping(self, m: Ping, ts_recv: int) -> Iterable[Control]:
        return (Alive(),)


def row(**changed: object) -> dict[str, object]:
    return {"e": "trade", "s": "SOL_USDC", "p": "98.97", "q": "22.39", "T": T, "m": True, **changed}


TRADE = Trade("acme", "SOL-USDC", T * 1_000, 7, 98.97, 22.39, Side.SELL)


def test_a_typed_frame_is_decoded_once_and_handled_by_its_type() -> None:
    router = Typed(INSTRUMENTS)
    assert router.route(frame(row())) == (TRADE,)
    assert router.route(frame({"e": "ping"})) == (Alive(),)


@pytest.mark.parametrize("numbers", [float, Decimal])
def test_a_routing_makes_the_router_that_its_class_names(numbers: type) -> None:
    class Routing(NativeRouting):
        router_type = Typed

    connection = ConnectionInfo("x", "public", Located("wss://x"))
    made = Routing(INSTRUMENTS, numbers).router(connection)
    assert type(made) is Typed
    assert (made.native, made.metrics, made.numbers) == (INSTRUMENTS.native, connection.metrics, numbers)


def test_unknown_fields_do_no_harm() -> None:
    assert Typed(INSTRUMENTS).route(frame(row(new={"a": [1]}))) == (TRADE,)


@pytest.mark.parametrize("kind", ["candle", "", 5])
def test_an_unknown_typed_kind_is_a_control_and_no_error(kind: object) -> None:
    router = Typed(INSTRUMENTS, metrics=Metrics())
    assert router.route(frame({"e": kind, "s": "SOL_USDC"})) == (Unknown(str(kind)),)
    assert router.metrics.total("malformed_frames_total") == 0


MALFORMED = {
    "a price that is no number": row(p="x"),
    "nan": row(p="nan"),
    "infinite size": row(q="inf"),
    "negative size": row(q="-1"),
    "1970": row(T=0),
    "milliseconds": row(T=T // 1_000),
    "a missing field": {"e": "trade", "s": "SOL_USDC"},
}


@pytest.mark.parametrize("message", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_frame_of_a_known_kind_is_a_decode_error_that_names_the_kind(message: object) -> None:
    router = Typed(INSTRUMENTS, metrics=Metrics())
    with pytest.raises(DecodeError, match=r"^malformed frame of kind 'trade': "):
        router.route(frame(message))
    assert router.metrics.total("malformed_frames_total") == 1


@pytest.mark.parametrize("payload", [*NOT_MESSAGES, b"{}", b'{"e":null}', b'{"e":["trade"]}'], ids=repr)
def test_a_typed_frame_without_a_kind_is_a_decode_error_and_counted(payload: bytes) -> None:
    router = Typed(INSTRUMENTS, metrics=Metrics())
    with pytest.raises(DecodeError, match=r"^malformed frame of kind "):
        router.route(Frame(payload, 7))
    assert router.metrics.total("malformed_frames_total") == 1


def test_invalid_utf_8_inside_a_text_is_a_decode_error() -> None:
    payload = json.dumps(row()).encode().replace(b"SOL_USDC", b"SOL\xff\xfe")
    with pytest.raises(DecodeError, match="utf-8"):
        Typed(INSTRUMENTS).route(Frame(payload, 7))


def test_a_type_that_is_decoded_and_not_handled_is_told_to_its_author() -> None:
    with pytest.raises(DecodeError, match=r"^Typed decodes Untold but does not handle it$"):
        Typed(INSTRUMENTS).route(frame({"e": "untold"}))


class Wrapped(msgspec.Struct):
    data: Row | Ping


class Framed(NativeMessageRouter):
    """What stands outside of the content is read from the frame."""

    decoder = msgspec.json.Decoder(Wrapped, strict=False)
    content = "data"

    @handles(Row, frame=True)
    def named(self, m: Row, frame: Frame) -> Iterable[Control]:
        return (Unknown(f"{m.s} {json.loads(frame.payload)['name']} {frame.ts_recv}"),)

    @handles(Ping)
    def ping(self, m: Ping, ts_recv: int) -> Iterable[Control]:
        return (Alive(),)


def test_a_handler_may_ask_for_the_whole_frame() -> None:
    router = Framed(INSTRUMENTS)
    assert router.route(frame({"data": row(), "name": "candle.1m"}, 9)) == (Unknown("SOL_USDC candle.1m 9"),)
    assert router.route(frame({"data": {"e": "ping"}})) == (Alive(),)


def test_a_handler_of_frames_may_be_replaced_without_being_marked_again() -> None:
    class Shorter(Framed):
        def named(self, m: Row, frame: Frame) -> Iterable[Control]:
            return (Unknown(f"{frame.ts_recv}"),)

    assert Shorter(INSTRUMENTS).route(frame({"data": row(), "name": ""}, 9)) == (Unknown("9"),)


class Rate(msgspec.Struct):
    rate: Price


@pytest.mark.parametrize("numbers", [float, Decimal])
def test_a_part_that_was_left_raw_is_read_in_the_number_type(numbers: type) -> None:
    router = NativeMessageRouter(numbers=numbers)
    assert router.read_part(Price, msgspec.Raw(b'"0.1"'), "a row without a rate") == numbers("0.1")
    assert router.read_part(Rate, b'{"rate": 0.1}', "a row without a rate").rate == numbers("0.1")


@pytest.mark.parametrize("part", [b'""', b'"nan"', b"[]", b"", b'"\xff"', b"[" * 5_000])
@pytest.mark.parametrize("kind", [Price, Rate])
def test_a_part_that_cannot_be_read_is_a_decode_error_and_counted(kind: type, part: bytes) -> None:
    router = NativeMessageRouter()
    with pytest.raises(DecodeError, match=r"^a row without a rate: .*, found b'"):
        router.read_part(kind, part, "a row without a rate")
    assert router.metrics.counter("malformed_frames_total").value == 1


def test_an_instrument_that_is_not_loaded_is_its_own_error_and_no_parse_error() -> None:
    router = Typed(INSTRUMENTS, metrics=Metrics())
    with pytest.raises(UnknownNativeError, match="'NEW_USDC'"):
        router.route(frame(row(s="NEW_USDC")))
    assert router.metrics.total("malformed_frames_total") == 0


def test_a_router_sees_an_instrument_that_is_listed_later() -> None:
    instruments = Instruments()
    router = Typed(instruments)
    instruments.replace([SOL])
    assert router.route(frame(row())) == (TRADE,)


def test_a_subclass_may_replace_a_handler() -> None:
    class Quiet(Typed):
        @handles(Row)
        def trade(self, m: Row, ts_recv: int) -> Iterable[Event]:
            return ()

    assert Quiet(INSTRUMENTS).route(frame(row())) == ()
    assert Quiet(INSTRUMENTS).route(frame({"e": "ping"})) == (Alive(),)


@given(st.binary() | VALUES.map(lambda value: json.dumps(value).encode("utf-8", "surrogatepass")))
def test_arbitrary_bytes_give_a_typed_router_nothing_but_controls_and_data_errors(payload: bytes) -> None:
    _only_controls_or_data_errors(Typed(INSTRUMENTS), payload)


# --- the typed form with an envelope


class Failure(msgspec.Struct):
    code: int


class Envelope(msgspec.Struct):
    data: Row | Ping | None = None
    error: Failure | None = None


class Enveloped(NativeMessageRouter):
    decoder = msgspec.json.Decoder(Envelope, strict=False)
    content = "data"

    trade = Typed.trade
    ping = Typed.ping

    @handles(Envelope)
    def bare(self, m: Envelope, ts_recv: int) -> Iterable[Control]:
        return (Unknown(f"error {m.error.code}" if m.error else "nothing"),)


def test_the_content_of_an_envelope_is_what_is_handled() -> None:
    assert Enveloped(INSTRUMENTS).route(frame({"data": row(), "stream": "trade.SOL_USDC"})) == (TRADE,)


def test_an_envelope_without_content_is_handled_itself() -> None:
    assert Enveloped(INSTRUMENTS).route(frame({"id": None, "error": {"code": 4006}})) == (Unknown("error 4006"),)


def test_an_unknown_kind_is_looked_for_inside_the_envelope() -> None:
    router = Enveloped(INSTRUMENTS)
    assert router.route(frame({"data": {"e": "candle"}, "e": "trade"})) == (Unknown("candle"),)


def test_a_malformed_content_of_a_known_kind_is_a_decode_error() -> None:
    with pytest.raises(DecodeError, match=r"'trade'.*data.p"):
        Enveloped(INSTRUMENTS).route(frame({"data": row(p="nan")}))


@pytest.mark.parametrize("message", [{"data": 5}, {"data": []}, {"data": {}}, {"error": 5}, {"error": {"code": "x"}}])
def test_a_malformed_envelope_is_a_decode_error(message: object) -> None:
    with pytest.raises(DecodeError):
        Enveloped(INSTRUMENTS).route(frame(message))


# --- kinds without a tag


class Top(msgspec.Struct):
    s: str
    b: Price
    B: Size


class TopEnvelope(msgspec.Struct):
    data: Top


class Marked(Enveloped):
    untagged: ClassVar = {b'@top"': msgspec.json.Decoder(TopEnvelope, strict=False)}
    unread = ("stream",)

    @handles(Top)
    def top(self, m: Top, ts_recv: int) -> Iterable[Event]:
        i = self.native[m.s]
        return (Quote(i.exchange, i.symbol, None, ts_recv, m.b, m.B, None, None),)


def top(stream: str = "sol@top", **changed: object) -> dict[str, object]:
    return {"stream": stream, "data": {"s": "SOL_USDC", "b": "98.97", "B": "22.39", **changed}}


@pytest.mark.parametrize("numbers", [float, Decimal])
def test_a_kind_without_a_tag_is_told_by_its_mark_and_the_others_by_their_tags(numbers: type) -> None:
    router = Marked(INSTRUMENTS, numbers=numbers)
    price, size = numbers("98.97"), numbers("22.39")
    assert router.route(frame(top())) == (Quote("acme", "SOL-USDC", None, 7, price, size, None, None),)
    trade = Trade("acme", "SOL-USDC", T * 1_000, 7, price, size, Side.SELL)
    assert router.route(frame({"data": row(), "stream": "sol@trade"})) == (trade,)


def test_a_frame_with_neither_tag_nor_mark_is_of_an_unknown_kind() -> None:
    assert Marked(INSTRUMENTS).route(frame(top("sol@bottom"))) == (Unknown("untagged"),)
    with pytest.raises(DecodeError, match="malformed frame of kind None"):
        Enveloped(INSTRUMENTS).route(frame(top("sol@bottom")))


@pytest.mark.parametrize(
    "message", [top(b="nan"), top(B="-1"), {"stream": "sol@top", "data": {}}, {"stream": "sol@top"}]
)
def test_a_malformed_frame_with_a_mark_is_a_decode_error(message: object) -> None:
    with pytest.raises(DecodeError, match="malformed frame"):
        Marked(INSTRUMENTS).route(frame(message))


def test_unknown_fields_of_a_kind_without_a_tag_are_drift_of_its_own_types() -> None:
    metrics = Metrics()
    Marked(INSTRUMENTS, metrics=metrics).route(frame(top(new=1)))
    drift = [(labels, value) for name, labels, value in metrics if name == "drift_total"]
    assert drift == [({"kind": "Top", "field": "data.new"}, 1)]


# --- subscriptions

TRADES_SOL = Subscription(Channel.TRADES, SOL)
TRADES_BTC = Subscription(Channel.TRADES, BTC)
BOOK_SOL = Subscription(Channel.L2_BOOK, SOL)
BOOK_BTC = Subscription(Channel.L2_BOOK, BTC)
BOOK_SOL_DEEP = Subscription(Channel.L2_BOOK, SOL, depth=100)


class Asking(NativeMessageRouter):
    words: ClassVar[Mapping[Channel, str]] = {Channel.TRADES: "t", Channel.L2_BOOK: "b"}

    def stream(self, subscription: Subscription) -> str:
        assert subscription.instrument is not None
        return f"{self.words[subscription.channel]}:{subscription.instrument.native}"

    def request(self, add: bool, streams: Sequence[str], number: int) -> object:
        return {"op": "sub" if add else "unsub", "id": number, "topics": streams}


def asked(send: Send) -> object:
    return msgspec.json.decode(send.payload), send.subscriptions


def test_subscriptions_go_out_in_one_numbered_frame_that_says_what_it_asks_for() -> None:
    router = Asking()
    (first,) = router.subscribe([TRADES_SOL, BOOK_SOL])
    (second,) = router.subscribe([TRADES_BTC])
    assert asked(first) == ({"op": "sub", "id": 1, "topics": ["t:SOL_USDC", "b:SOL_USDC"]}, (TRADES_SOL, BOOK_SOL))
    assert asked(second) == ({"op": "sub", "id": 2, "topics": ["t:BTC_USDC"]}, (TRADES_BTC,))


def test_an_unsubscription_asks_for_no_data() -> None:
    (send,) = Asking().unsubscribe([TRADES_SOL])
    assert asked(send) == ({"op": "unsub", "id": 1, "topics": ["t:SOL_USDC"]}, ())


def test_two_subscriptions_of_one_stream_name_it_once() -> None:
    router = Asking()
    (send,) = router.subscribe([BOOK_SOL, BOOK_SOL_DEEP])
    assert asked(send) == ({"op": "sub", "id": 1, "topics": ["b:SOL_USDC"]}, (BOOK_SOL, BOOK_SOL_DEEP))
    assert router.answered(1, {}) == [Confirmed((BOOK_SOL, BOOK_SOL_DEEP))]


def test_an_acknowledgement_confirms_all_that_its_request_asked_for() -> None:
    router = Asking()
    router.subscribe([TRADES_SOL, BOOK_SOL])
    router.subscribe([TRADES_BTC])
    assert router.answered(2, {}) == [Confirmed((TRADES_BTC,))]
    assert router.answered(1, {}) == [Confirmed((TRADES_SOL, BOOK_SOL))]


def test_refused_streams_are_refused_with_their_reason_and_the_rest_is_confirmed() -> None:
    router = Asking()
    router.subscribe([TRADES_SOL, TRADES_BTC, BOOK_SOL])
    assert router.answered(1, {"t:BTC_USDC": "not listed", "b:SOL_USDC": ""}) == [
        Confirmed((TRADES_SOL,)),
        Refused((TRADES_BTC,), "not listed"),
        Refused((BOOK_SOL,), ""),
    ]


def test_where_all_is_refused_nothing_is_confirmed() -> None:
    router = Asking()
    router.subscribe([TRADES_SOL])
    assert router.answered(1, {"t:SOL_USDC": "no"}) == [Refused((TRADES_SOL,), "no")]


def test_a_request_that_is_refused_as_a_whole_is_asked_for_in_halves_until_the_one_to_blame_is_alone() -> None:
    router, good, bad = Asking(), [TRADES_SOL, BOOK_SOL, BOOK_BTC], TRADES_BTC
    refused: list[Control] = []
    confirmed: list[Subscription] = []
    todo, asked_for = list(router.subscribe([*good, bad])), 0
    while todo:
        send, asked_for = todo.pop(0), asked_for + 1
        number = msgspec.json.decode(send.payload)["id"]
        for control in router.answered(number, "invalid stream" if bad in send.subscriptions else {}):
            if isinstance(control, Send):
                todo.append(control)
            elif isinstance(control, Confirmed):
                confirmed += control.subscriptions
            else:
                refused.append(control)
    assert refused == [Refused((bad,), "invalid stream")]
    assert set(confirmed) == set(good)
    assert asked_for == 5


@pytest.mark.parametrize("number", [0, 2, 99, -1])
def test_an_answer_to_no_request_of_ours_says_nothing(number: int) -> None:
    router = Asking()
    router.subscribe([TRADES_SOL])
    assert list(router.answered(number, {"t:SOL_USDC": "no"})) == []
    assert router.answered(1, {}) == [Confirmed((TRADES_SOL,))]


def test_a_second_answer_to_one_request_says_nothing() -> None:
    router = Asking()
    router.subscribe([TRADES_SOL])
    router.answered(1, {})
    assert list(router.answered(1, {})) == []


def test_an_answer_to_an_unsubscription_says_nothing() -> None:
    router = Asking()
    router.unsubscribe([TRADES_SOL])
    assert list(router.answered(1, {})) == []


@pytest.mark.parametrize("refused", [{}, "invalid stream"])
def test_a_late_answer_says_nothing_of_what_was_left_meanwhile(refused: Mapping[str, str] | str) -> None:
    router = Asking()
    router.subscribe([TRADES_SOL])
    router.unsubscribe([TRADES_SOL])
    router.subscribe([TRADES_SOL])
    assert list(router.answered(1, refused)) == []
    assert router.answered(3, {}) == [Confirmed((TRADES_SOL,))]


def test_an_answer_may_name_streams_instead_of_a_request() -> None:
    router = Asking()
    router.subscribe([TRADES_SOL, BOOK_SOL])
    router.subscribe([TRADES_BTC])
    assert router.answered_streams(["b:SOL_USDC", "t:BTC_USDC", "never:asked"]) == [Confirmed((BOOK_SOL, TRADES_BTC))]
    assert router.answered_streams(["b:SOL_USDC"], {"t:SOL_USDC": "no"}) == [Refused((TRADES_SOL,), "no")]
    assert router.answered_streams(["b:SOL_USDC", "t:SOL_USDC", "t:BTC_USDC"]) == []
    assert list(router.answered(1, {})) == []


def test_a_stream_that_is_left_and_named_is_not_confirmed() -> None:
    router = Asking()
    router.unsubscribe([TRADES_SOL])
    assert router.answered_streams(["t:SOL_USDC"]) == []
    router.subscribe([TRADES_SOL])
    assert router.answered_streams(["t:SOL_USDC"]) == [Confirmed((TRADES_SOL,))]


def test_requests_are_counted_per_connection() -> None:
    Asking().subscribe([TRADES_SOL])
    (send,) = Asking().subscribe([TRADES_BTC])
    assert msgspec.json.decode(send.payload)["id"] == 1


def test_a_router_that_cannot_subscribe_says_what_to_override() -> None:
    with pytest.raises(PluginContractError) as caught:
        NativeMessageRouter().subscribe([TRADES_SOL])
    assert str(caught.value) == (
        "NativeMessageRouter cannot subscribe to SOL-USDC trades"
        " → name trades in stream_names or override stream(), and override request()"
    )


def test_what_most_exchanges_do_not_need_is_silent() -> None:
    router = NativeMessageRouter()
    assert (list(router.opened()), list(router.heartbeat(7))) == ([], [])


def _only_controls_or_data_errors(router: NativeMessageRouter, payload: bytes) -> None:
    try:
        items = list(router.route(Frame(payload, 7)))
    except (DecodeError, UnknownNativeError):
        return
    assert all(isinstance(item, Control) for item in items)


# --- data tagged by one field, answers by another; one channel a frame, one answer a symbol


class Tick(msgspec.Struct, tag_field="channel", tag="tick"):
    s: str
    p: Price


class Ack(msgspec.Struct, tag_field="method", tag="subscribe"):
    id: int
    s: str
    error: str | None = None


class Pong(msgspec.Struct, tag_field="method", tag="pong"):
    """Nothing."""


class TwoTags(NativeMessageRouter):
    decoder = msgspec.json.Decoder(Tick)
    answers = msgspec.json.Decoder(Ack | Pong)

    def group(self, subscription: Subscription) -> str:
        return str(subscription.channel)

    def stream(self, subscription: Subscription) -> str:
        return f"{self.group(subscription)} {subscription.instrument.native if subscription.instrument else ''}"

    def request(self, add: bool, streams: Sequence[str], number: int) -> object:
        return [add, list(streams), number]

    @handles(Tick)
    def tick(self, m: Tick, ts_recv: int) -> Iterable[Event]:
        i = self.native[m.s]
        return (Trade(i.exchange, i.symbol, None, ts_recv, m.p, 1.0),)

    @handles(Ack)
    def ack(self, m: Ack, ts_recv: int) -> Iterable[Control]:
        stream = f"trades {m.s}"
        return self.answered(m.id, {} if m.error is None else {stream: m.error}, [stream])

    @handles(Pong)
    def pong(self, m: Pong, ts_recv: int) -> Iterable[Control]:
        return (Alive(),)


TRADES = [Subscription(Channel.TRADES, SOL), Subscription(Channel.TRADES, BTC)]


def test_answers_are_read_by_their_own_tag() -> None:
    router = TwoTags(INSTRUMENTS)
    assert list(router.route(frame({"channel": "tick", "s": "SOL_USDC", "p": 3.5}))) == [
        Trade("acme", "SOL-USDC", None, 7, 3.5, 1.0)
    ]
    assert list(router.route(frame({"method": "pong"}))) == [Alive()]
    assert router.metrics.counter("malformed_frames_total").value == 0


@pytest.mark.parametrize(("message", "kind"), [({"channel": "candles"}, "candles"), ({"method": "unheard"}, "unheard")])
def test_an_unknown_kind_is_told_whichever_field_names_it(message: object, kind: str) -> None:
    assert list(TwoTags(INSTRUMENTS).route(frame(message))) == [Unknown(kind)]


@pytest.mark.parametrize("message", [{"method": "subscribe"}, {"channel": "tick"}, {"id": 1}, {}, {"method": None}])
def test_a_malformed_answer_is_a_decode_error_like_malformed_data(message: object) -> None:
    router = TwoTags(INSTRUMENTS)
    with pytest.raises(DecodeError):
        router.route(frame(message))
    assert router.metrics.counter("malformed_frames_total").value == 1


def test_new_fields_of_answers_are_drift_too() -> None:
    router = TwoTags(INSTRUMENTS)
    list(router.route(frame({"method": "pong", "load": 3})))
    assert router.metrics.counter("drift_total", kind="pong", field="load").value == 1


def test_each_group_of_subscriptions_has_a_frame_of_its_own() -> None:
    router = TwoTags(INSTRUMENTS)
    wanted = [TRADES[0], Subscription(Channel.TICKER, SOL), TRADES[1]]
    sent = list(router.subscribe(wanted))
    assert [json.loads(one.payload) for one in sent] == [
        [True, ["trades SOL_USDC", "trades BTC_USDC"], 1],
        [True, ["ticker SOL_USDC"], 2],
    ]
    assert [one.subscriptions for one in sent] == [tuple(TRADES), (wanted[1],)]
    assert [json.loads(one.payload)[:2] for one in router.unsubscribe(wanted)] == [
        [False, ["trades SOL_USDC", "trades BTC_USDC"]],
        [False, ["ticker SOL_USDC"]],
    ]


def test_where_each_stream_is_answered_by_itself_the_others_wait_for_theirs() -> None:
    router = TwoTags(INSTRUMENTS)
    list(router.subscribe(TRADES))
    good, bad = ({"method": "subscribe", "id": 1, "s": native} for native in ("SOL_USDC", "BTC_USDC"))
    assert list(router.route(frame(good))) == [Confirmed((TRADES[0],))]
    assert list(router.route(frame(good))) == []
    assert list(router.route(frame({**bad, "error": "no such pair"}))) == [Refused((TRADES[1],), "no such pair")]
    assert list(router.route(frame(bad))) == []


def test_answers_to_an_unsubscription_of_several_streams_say_nothing() -> None:
    router = TwoTags(INSTRUMENTS)
    list(router.unsubscribe(TRADES))
    for native in ("SOL_USDC", "BTC_USDC", "SOL_USDC"):
        assert list(router.route(frame({"method": "subscribe", "id": 1, "s": native}))) == []


@given(VALUES)
@example({"s": "", "p": 0})  # a tick of an instrument that is not loaded
def test_arbitrary_json_gives_a_router_of_two_tags_nothing_but_controls_and_data_errors(value: object) -> None:
    _only_controls_or_data_errors(TwoTags(INSTRUMENTS), frame(value).payload)


def test_rows_that_stand_in_an_object_are_read_where_the_service_says_how() -> None:
    class ByName(NativeSymbolService):
        def _entries(self, response: Response) -> Iterable[Any]:
            return response.decode(dict[str, dict[str, Any]])["pairs"].values()

        def _normalize_symbol(self, native_symbol: str, entry: Mapping[str, Any]) -> str:
            return native_symbol.replace("_", "-")

    symbols = ByName(Request("GET", "/pairs"), exchange="acme")
    loading = symbols.load()
    next(loading)
    with pytest.raises(StopIteration) as done:
        loading.send(Response(200, {}, b'{"pairs": {"1": {"symbol": "SOL_USDC"}, "2": {"symbol": "BTC_USDC"}}}', 7))
    assert done.value.value == [SOL, BTC]
