"""Candles know their interval from the stream's name, naive times are UTC, and one stream carries mark and funding."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tickwire import Candle, Channel, DecodeError, Instruments, Liquidation, MarkPrice, Side, Subscription
from tickwire.plugin import Frame, Refused, Unknown
from tickwire_backpack.figures import utc_nanos
from tickwire_backpack.info import BACKPACK
from tickwire_backpack.routing import BackpackRouter

RECV = 1_790_000_000_000_000_000
INTERVALS = BACKPACK.channels[Channel.CANDLES].intervals
NOT_YET_2100 = datetime(2099, 12, 31, 23, 59, 59)


def asked(sends: Any) -> list[tuple[str, list[str]]]:
    messages = [json.loads(send.payload) for send in sends]
    return [(message["method"], message["params"]) for message in messages]


def error(code: int = 4006, message: str = "Invalid stream") -> Frame:
    return Frame(json.dumps({"id": None, "error": {"code": code, "message": message}}).encode(), RECV)


# candles


def test_the_intervals_are_those_of_the_documents() -> None:
    assert " ".join(INTERVALS) == "1s 1m 3m 5m 15m 30m 1h 2h 4h 6h 8h 12h 1d 3d 1w 1month"


def test_the_stream_of_candles_names_interval_and_symbol(router: BackpackRouter, instruments: Instruments) -> None:
    apple = instruments.native["AAPL.US_USDC_PERP"]
    wanted = [Subscription(Channel.CANDLES, apple, interval=interval) for interval in ("1s", "1month")]
    assert asked(router.subscribe(wanted)) == [
        ("SUBSCRIBE", ["kline.1s.AAPL.US_USDC_PERP", "kline.1month.AAPL.US_USDC_PERP"])
    ]


@given(
    interval=st.sampled_from(INTERVALS),
    native=st.sampled_from(["SOL_USDC", "AAPL.US_USDC_PERP", "kPEPE_USDC_PERP"]),
    start=st.datetimes(datetime(2009, 1, 1), datetime(2099, 1, 1)).map(lambda moment: moment.replace(microsecond=0)),
    seconds=st.integers(1, 31 * 86_400),
    prices=st.none() | st.tuples(*[st.decimals("0.000000001", "100000", places=9)] * 4),
    is_closed=st.booleans(),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_candle_is_read_with_the_interval_of_its_stream_and_utc_times(
    interval: str,
    native: str,
    start: datetime,
    seconds: int,
    prices: tuple[Any, ...] | None,
    is_closed: bool,
    router: BackpackRouter,
) -> None:
    end = start + timedelta(seconds=seconds)
    texts = {key: None if prices is None else f"{prices[n]:f}" for n, key in enumerate("ohlc")}
    count = 0 if prices is None else 3
    data = {
        "e": "kline", "E": 1_788_367_440_511_558, "s": native, "t": start.isoformat(), "T": end.isoformat(), "n": count,
        "X": is_closed, "v": None if prices is None else "0.5", **texts,
    }  # fmt: skip
    payload = json.dumps({"data": data, "stream": f"kline.{interval}.{native}"}).encode()
    symbol = router.native[native].symbol
    spans = [round(moment.replace(tzinfo=UTC).timestamp()) * 1_000_000_000 for moment in (start, end)]
    figures = [None if text is None else float(text) for text in texts.values()]
    assert list(router.route(Frame(payload, RECV))) == [
        Candle(
            "backpack", symbol, 1_788_367_440_511_558_000, RECV, interval, spans[0], spans[1], figures[0], figures[1],
            figures[2], figures[3], 0.0 if prices is None else 0.5, trades=count, is_closed=is_closed,
        )
    ]  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        {"stream": "kline.SOL_USDC"},
        {"stream": "kline"},
        {"stream": "kline..SOL_USDC"},
        {"stream": "trade.1m.SOL_USDC"},
        {"stream": None},
        {"stream": 5},
        {"data": {"T": "2026-09-02T16:43:00"}},
        {"data": {"t": "2026-09-02T16:45:00"}},
        {"data": {"t": "1970-01-01T00:00:00"}},
        {"data": {"T": "2100-01-01T00:00:00"}},
        {"data": {"t": "yesterday"}},
        {"data": {"n": 3}},
    ],
    ids=str,
)
def test_a_candle_without_interval_sense_or_volume_is_malformed(
    change: dict[str, Any], frames: Callable[[str], list[bytes]], router: BackpackRouter
) -> None:
    message = json.loads(frames("candles")[0])
    message |= {**change, "data": message["data"] | change.get("data", {})}
    with pytest.raises(DecodeError):
        list(router.route(Frame(json.dumps(message).encode(), RECV)))


def test_a_candle_without_a_stream_is_malformed(frames: Callable[[str], list[bytes]], router: BackpackRouter) -> None:
    message = json.loads(frames("candles")[0])
    del message["stream"]
    with pytest.raises(DecodeError, match="a candle without a stream's name"):
        router.route(Frame(json.dumps(message).encode(), RECV))


# times


@given(st.datetimes(datetime(2009, 1, 1), NOT_YET_2100), st.sampled_from("T "))
def test_naive_times_are_utc_in_the_texts_of_rest_and_of_the_socket(moment: datetime, separator: str) -> None:
    text = moment.isoformat(separator)
    expected = (moment - datetime(1970, 1, 1)) // timedelta(microseconds=1) * 1_000
    assert utc_nanos(msgspec.convert(text, datetime)) == expected


def test_a_time_that_does_name_a_zone_is_believed() -> None:
    assert utc_nanos(datetime.fromisoformat("2026-09-02T18:43:00+02:00")) == utc_nanos(datetime(2026, 9, 2, 16, 43))


# mark price and funding


def test_both_channels_of_the_shared_stream_name_the_same_stream(
    router: BackpackRouter, instruments: Instruments
) -> None:
    perp = instruments.native["SOL_USDC_PERP"]
    both = [Subscription(channel, perp) for channel in (Channel.MARK_PRICE, Channel.FUNDING)]
    assert asked(router.subscribe(both)) == [("SUBSCRIBE", ["markPrice.SOL_USDC_PERP"])]


def test_a_prediction_market_has_a_mark_price_and_nothing_else(router: BackpackRouter) -> None:
    data = {"E": 1788367430422109, "T": 1788367430421396, "e": "markPrice", "p": "0.41", "s": "SOL_USDC_PERP"}
    payload = json.dumps({"data": data, "stream": "markPrice.SOL_USDC_PERP"}).encode()
    assert list(router.route(Frame(payload, RECV))) == [
        MarkPrice("backpack", "SOL-USDC-PERP", 1_788_367_430_421_396_000, RECV, 0.41)
    ]


@pytest.mark.parametrize("value", [1_788_368_400, 1_788_368_400_000_000, 0, -1])
def test_the_time_of_funding_is_milliseconds_and_nothing_else(
    value: int, frames: Callable[[str], list[bytes]], router: BackpackRouter
) -> None:
    message = json.loads(frames("mark_price")[0])
    message["data"]["n"] = value
    with pytest.raises(DecodeError, match=r"\$\.data\.n`$"):
        router.route(Frame(json.dumps(message).encode(), RECV))


# liquidations


def liquidation(native: str, side: str = "Ask") -> Frame:
    data = {"E": 1788367430941000, "T": 1788367430940000, "e": "liquidation", "p": "98.70", "q": "10", "S": side}
    return Frame(json.dumps({"data": data | {"s": native}, "stream": "liquidation"}).encode(), RECV)


@pytest.fixture
def perps(instruments: Instruments) -> list[Subscription]:
    return [
        Subscription(Channel.LIQUIDATIONS, instruments.native[native])
        for native in ("SOL_USDC_PERP", "ETH_USDC_PERP", "AAPL.US_USDC_PERP")
    ]


def test_each_symbols_liquidations_are_asked_for_by_a_frame_of_their_own(
    router: BackpackRouter, perps: list[Subscription], instruments: Instruments
) -> None:
    trades = Subscription(Channel.TRADES, instruments.native["SOL_USDC_PERP"])
    sends = list(router.subscribe([perps[0], trades, perps[1]]))
    assert asked(sends) == [
        ("SUBSCRIBE", ["trade.SOL_USDC_PERP"]),
        ("SUBSCRIBE", ["liquidation.SOL_USDC_PERP"]),
        ("SUBSCRIBE", ["liquidation.ETH_USDC_PERP"]),
    ]
    assert [send.subscriptions for send in sends] == [(trades,), (perps[0],), (perps[1],)]
    assert asked(router.unsubscribe([perps[0], trades])) == [
        ("UNSUBSCRIBE", ["trade.SOL_USDC_PERP", "liquidation.SOL_USDC_PERP"])
    ]


def test_an_invalid_stream_makes_it_try_the_bare_name_once(router: BackpackRouter, perps: list[Subscription]) -> None:
    list(router.subscribe(perps))
    assert asked(router.route(error())) == [("SUBSCRIBE", ["liquidation"])]
    # the exchange complains about the other two symbols as well
    assert [list(router.route(error())) for _ in range(2)] == [[Unknown("error 4006 Invalid stream")]] * 2
    assert list(router.route(liquidation("ETH_USDC_PERP"))) == [
        Liquidation("backpack", "ETH-USDC-PERP", 1_788_367_430_940_000_000, RECV, Side.SELL, 98.7, None, 10.0)
    ]


def test_where_the_bare_name_is_invalid_too_all_are_refused(router: BackpackRouter, perps: list[Subscription]) -> None:
    list(router.subscribe(perps[:2]))
    answers = [list(router.route(error())) for _ in range(3)]
    assert answers[2] == [Refused(tuple(perps[:2]), "4006 Invalid stream, with and without a symbol")]
    assert list(router.route(error())) == [Unknown("error 4006 Invalid stream")]


def test_the_bare_stream_is_left_with_the_last_symbol_and_joined_with_the_first(
    router: BackpackRouter, perps: list[Subscription]
) -> None:
    list(router.subscribe(perps[:1]))
    list(router.route(error()))
    assert asked(router.subscribe(perps[1:])) == []
    assert asked(router.unsubscribe(perps[:2])) == []
    assert asked(router.unsubscribe(perps[2:])) == [("UNSUBSCRIBE", ["liquidation"])]
    assert asked(router.subscribe(perps[:2])) == [("SUBSCRIBE", ["liquidation"])]


def test_liquidations_of_markets_nobody_asked_for_are_no_events_and_no_errors(
    router: BackpackRouter, perps: list[Subscription]
) -> None:
    list(router.subscribe(perps[:1]))
    list(router.route(error()))
    assert list(router.route(liquidation("ETH_USDC_PERP"))) == []
    assert list(router.route(liquidation("NEW_USDC_PERP"))) == []


def test_an_invalid_stream_without_liquidations_is_only_told(router: BackpackRouter, instruments: Instruments) -> None:
    list(router.subscribe([Subscription(Channel.TICKER, instruments.native["SOL_USDC"])]))
    assert list(router.route(error())) == [Unknown("error 4006 Invalid stream")]


@pytest.mark.parametrize("side", ["Buy", "bid", "", None])
def test_a_side_that_is_not_known_is_never_guessed(side: Any, router: BackpackRouter) -> None:
    with pytest.raises(DecodeError):
        router.route(liquidation("SOL_USDC_PERP", side))
