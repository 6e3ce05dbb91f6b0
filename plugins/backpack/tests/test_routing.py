"""Every frame that Backpack sends gives exactly its event; what cannot be read is told apart, never invented."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tickwire import (
    BookDelta,
    Candle,
    DataError,
    DecodeError,
    Event,
    Funding,
    Instrument,
    Instruments,
    Liquidation,
    MarketEvent,
    MarkPrice,
    OpenInterest,
    Quote,
    Side,
    Ticker,
    Trade,
    UnknownNativeError,
)
from tickwire.plugin import Control, Frame, LoginRefused, Unknown
from tickwire_backpack.routing import BackpackRouter

RECV = 1_790_000_000_000_000_000
FOLDER = Path(__file__).parent / "frames"

SOL, ETH, AAPL = ("backpack", "SOL-USDC"), ("backpack", "ETH-USDC-PERP"), ("backpack", "AAPL.US-USDC-PERP")
SOL_PERP = ("backpack", "SOL-USDC-PERP")
MINUTE = 60_000_000_000
AT_1643 = 1_788_367_380_000_000_000
EVENTS: dict[str, list[Event | tuple[Event, ...]]] = {
    "trades": [
        Trade(*SOL, 1_736_186_248_744_398_000, RECV, 218.5, 0.07, Side.SELL, "341399899", 341399899, 1),
    ],
    "trades.perp": [
        Trade(*ETH, 1_754_601_477_744_000_000, RECV, 3870.25, 0.0008, Side.BUY, "10782547", 10782547, 1),
    ],
    "l2_book": [
        BookDelta(*SOL, 1_788_367_430_246_081_000, RECV, (), ((98.97, 22.39),), 4330360995, 4330360995),
        BookDelta(*SOL, 1_788_367_430_264_934_000, RECV, (), ((99.0, 225.81),), 4330360996, 4330360996),
        BookDelta(*SOL, 1_788_367_430_300_097_000, RECV, (), ((99.0, 215.53),), 4330360997, 4330360997),
        BookDelta(*SOL, 1_788_367_430_316_542_000, RECV, (), ((98.97, 32.66),), 4330360998, 4330360998),
        BookDelta(*SOL, 1_788_367_430_321_432_000, RECV, (), ((98.98, 16.16),), 4330360999, 4330360999),
        BookDelta(*SOL, 1_788_367_431_034_824_000, RECV, (), ((99.14, 0.0),), 4330361031, 4330361031),
    ],
    "l2_book.probed": [
        BookDelta(
            *ETH, 1_790_134_357_900_446_000, RECV,
            ((2754.43, 45.0537), (2755.33, 0.0), (2763.1, 0.1579)),
            ((2766.95, 6.9498), (2766.98, 22.8939), (2766.99, 0.271)),
            7501116422, 7501116464,
        ),
        BookDelta(*AAPL, 1_790_134_370_874_401_000, RECV, ((340.32, 0.0),), (), 6789929, 6789929),
    ],
    "l2_book.empty": [
        BookDelta("backpack", "ETH-USDC", 1_754_903_057_554_352_000, RECV, (), (), 1345937436, 1345937436),
    ],
    "l1_book": [
        Quote(*SOL, 1_788_367_430_246_081_000, RECV, 98.96, 288.77, 98.97, 22.39, 4330360995),
    ],
    "l1_book.documented": [
        Quote(*SOL, 1_694_687_965_940_999_000, RECV, 18.67, 2.0, 18.7, 1.0, 111063070525358080),
    ],
    "ticker": [
        Ticker(
            *SOL, 1_788_367_430_549_233_000, RECV, 98.98, None, 100.87, 101.19, 97.38, 15089.56, 1498114.9234, 6796,
            "24h",
        ),
    ],
    "candles": [
        Candle(
            *SOL, 1_788_367_440_511_558_000, RECV, "1m", AT_1643, AT_1643 + MINUTE, None, None, None, None, 0.0,
            trades=0, is_closed=True,
        ),
    ],
    "candles.2h": [
        Candle(
            "backpack", "ETH-USDC", 1_754_519_557_526_056_000, RECV, "2h", 1_754_517_600_000_000_000,
            1_754_524_800_000_000_000, 3670.15, 3681.37, 3667.65, 3680.52, 62.2621, trades=255, is_closed=False,
        ),
    ],
    "mark_price": [
        (
            MarkPrice(*SOL_PERP, 1_788_367_430_421_396_000, RECV, 98.94, 98.94998504),
            Funding(*SOL_PERP, 1_788_367_430_421_396_000, RECV, 0.0000125, None, 1_788_368_400_000_000_000),
        ),
    ],
    "funding.long": [
        (
            MarkPrice(*SOL_PERP, 1_747_291_031_910_025_000, RECV, 173.35998175, 173.44031179),
            Funding(
                *SOL_PERP, 1_747_291_031_910_025_000, RECV, -0.0000039641039274236048482914, None,
                1_747_296_000_000_000_000,
            ),
        ),
    ],
    "open_interest": [OpenInterest(*SOL_PERP, 1_788_367_430_941_000_000, RECV, 206529.68)],
    "liquidations": [Liquidation(*SOL_PERP, 1_788_367_430_940_000_000, RECV, Side.BUY, 98.7, None, 10.0)],
    "liquidations.bare": [Liquidation(*SOL_PERP, 1_788_367_430_940_000_000, RECV, Side.BUY, 98.7, None, 10.0)],
}  # fmt: skip


def read(router: BackpackRouter, message: object) -> list[Event | Control]:
    payload = message if isinstance(message, bytes) else json.dumps(message).encode()
    return list(router.route(Frame(payload, RECV)))


def test_every_file_of_frames_has_its_events_here_and_says_where_it_is_from() -> None:
    files = [path for path in FOLDER.iterdir() if not path.name.endswith(".events.jsonl")]
    assert {path.name.removesuffix(".jsonl") for path in files} == set(EVENTS)
    for path in files:
        header = json.loads(path.read_text().splitlines()[0])
        assert list(header) == ["source", "date", "kind"]
        assert header["kind"] in ("recorded", "documented")


@pytest.mark.parametrize("name", EVENTS)
def test_each_recorded_or_documented_frame_gives_exactly_its_event(
    name: str, frames: Callable[[str], list[bytes]], router: BackpackRouter
) -> None:
    expected = [list(events) if isinstance(events, tuple) else [events] for events in EVENTS[name]]
    assert [read(router, frame) for frame in frames(name)] == expected


def test_a_quote_of_an_empty_side_has_none_there(frames: Callable[[str], list[bytes]], router: BackpackRouter) -> None:
    (frame,) = frames("l1_book")
    message = json.loads(frame)
    message["data"] |= {"a": None, "A": None}
    assert read(router, message) == [
        Quote("backpack", "SOL-USDC", 1_788_367_430_246_081_000, RECV, 98.96, 288.77, None, None, 4330360995)
    ]
    message["data"] |= {"b": None, "B": None}
    assert read(router, message) == [
        Quote("backpack", "SOL-USDC", 1_788_367_430_246_081_000, RECV, None, None, None, None, 4330360995)
    ]


@pytest.mark.parametrize(
    ("code", "message", "control"),
    [
        (4002, "Parse error", Unknown("error 4002 Parse error")),
        (4003, "Invalid signature", LoginRefused("Invalid signature")),
        (4006, "Invalid stream", Unknown("error 4006 Invalid stream")),
        (4008, "Invalid depth window", Unknown("error 4008 Invalid depth window")),
        (4999, "Brand new", Unknown("error 4999 Brand new")),
    ],
)
def test_an_error_frame_is_a_control(code: int, message: str, control: Control, router: BackpackRouter) -> None:
    assert read(router, {"id": None, "error": {"code": code, "message": message}}) == [control]


@pytest.mark.parametrize("kind", ["externalTicker", "stockPrice", "orderFill", "brandNew"])
def test_a_kind_that_is_not_read_is_unknown_and_no_error(kind: str, router: BackpackRouter) -> None:
    assert read(router, {"data": {"e": kind, "s": "SOL_USDC"}, "stream": f"{kind}.SOL_USDC"}) == [Unknown(kind)]


def test_a_symbol_that_is_not_loaded_is_its_own_error(
    frames: Callable[[str], list[bytes]], router: BackpackRouter
) -> None:
    (frame,) = frames("trades")
    with pytest.raises(UnknownNativeError, match="'NEW_USDC'"):
        read(router, frame.replace(b"SOL_USDC", b"NEW_USDC"))


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"data": None},
        {"data": {}},
        {"data": []},
        {"data": {"s": "SOL_USDC"}},
        {"error": {}},
        {"error": "no"},
        [],
        5,
    ],
)
def test_a_frame_without_data_and_without_error_is_malformed(message: object, router: BackpackRouter) -> None:
    with pytest.raises(DecodeError):
        read(router, message)


# every numeric path of a frame, by file and field
PRICES = [
    ("trades", "p"), ("l1_book", "a"), ("l1_book", "b"), *(("ticker", key) for key in "ochl"),
    *(("candles.2h", key) for key in "ochl"), ("mark_price", "p"), ("mark_price", "i"), ("mark_price", "f"),
    ("liquidations", "p"),
]  # fmt: skip
SIZES = [
    ("trades", "q"), ("l1_book", "A"), ("l1_book", "B"), ("ticker", "v"), ("ticker", "V"), ("candles.2h", "v"),
    ("open_interest", "o"), ("liquidations", "q"),
]  # fmt: skip
IDS = [
    ("trades", "t"), ("l2_book", "U"), ("l2_book", "u"), ("l1_book", "u"), ("ticker", "n"), ("candles.2h", "n"),
    ("mark_price", "n"),
]  # fmt: skip
TIMES = [("trades", "T"), ("l2_book", "T"), ("l1_book", "T"), ("mark_price", "T"), ("liquidations", "T")]
EMITTED = [("ticker", "E"), ("candles.2h", "E"), ("open_interest", "E")]
SEEN = 1_788_367_431_034_824
NOT_FINITE = ["nan", "NaN", "inf", "-inf", "Infinity", "1e999"]


def changed(frame: bytes, field: str, value: object) -> Any:
    message = json.loads(frame)
    assert field in message["data"]
    message["data"][field] = value
    return message


@pytest.mark.parametrize("value", NOT_FINITE)
@pytest.mark.parametrize(("name", "field"), PRICES + SIZES + IDS + TIMES + EMITTED)
def test_what_is_no_finite_number_is_refused_wherever_it_stands(
    name: str, field: str, value: str, frames: Callable[[str], list[bytes]], router: BackpackRouter
) -> None:
    with pytest.raises(DecodeError, match=rf"\$\.data\.{field}`$"):
        read(router, changed(frames(name)[0], field, value))


@pytest.mark.parametrize("side", ["a", "b"])
@pytest.mark.parametrize(
    "level", [[value, "1"] for value in NOT_FINITE] + [["1", value] for value in [*NOT_FINITE, "-1"]]
)
def test_a_level_that_is_no_finite_price_and_size_is_refused(
    side: str, level: list[str], frames: Callable[[str], list[bytes]], router: BackpackRouter
) -> None:
    with pytest.raises(DecodeError, match=rf"\$\.data\.{side}\["):
        read(router, changed(frames("l2_book")[0], side, [["98.97", "22.39"], level]))


@pytest.mark.parametrize(("name", "field"), SIZES)
def test_a_negative_size_is_refused(
    name: str, field: str, frames: Callable[[str], list[bytes]], router: BackpackRouter
) -> None:
    with pytest.raises(DecodeError):
        read(router, changed(frames(name)[0], field, "-0.01"))


@pytest.mark.parametrize(
    "value",
    [0, 1, SEEN // 10**6, SEEN // 10**3, SEEN * 10**3, 1_515_699_043_200 * 10**6, -SEEN, "0", str(SEEN // 10**3)],
    ids=["1970", "1 µs", "seconds", "milliseconds", "nanoseconds", "year 50,000", "negative", "1970 text", "ms text"],
)
@pytest.mark.parametrize(("name", "field"), TIMES + EMITTED)
def test_a_time_in_another_unit_or_another_age_is_refused(
    name: str, field: str, value: object, frames: Callable[[str], list[bytes]], router: BackpackRouter
) -> None:
    with pytest.raises(DecodeError, match=rf"\$\.data\.{field}`$"):
        read(router, changed(frames(name)[0], field, value))


@pytest.mark.parametrize(
    "name", ["trades", "l2_book", "l1_book", "ticker", "candles.2h", "mark_price", "open_interest", "liquidations"]
)
def test_a_field_that_is_missing_is_refused(
    name: str, frames: Callable[[str], list[bytes]], router: BackpackRouter
) -> None:
    optional = {"trades": {"a", "b"}, "mark_price": {"i", "f", "n"}}
    ignored = {"e"} | (set() if (name, "E") in EMITTED else {"E"}) | optional.get(name, set())
    message = json.loads(frames(name)[0])
    for field in set(message["data"]) - ignored:
        data = {key: value for key, value in message["data"].items() if key != field}
        with pytest.raises(DecodeError, match=f"missing required field `{field}`"):
            read(router, {**message, "data": data})


@given(data=st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_arbitrary_bytes_give_nothing_but_controls_and_data_errors(
    data: st.DataObject, frames: Callable[[str], list[bytes]], router: BackpackRouter
) -> None:
    whole = data.draw(st.sampled_from([frame for name in EVENTS for frame in frames(name)]))
    at, length = data.draw(st.integers(0, len(whole))), data.draw(st.integers(0, 8))
    payload = data.draw(st.binary() | st.just(whole[:at] + data.draw(st.binary(max_size=8)) + whole[at + length :]))
    try:
        items = read(router, payload)
    except DataError:
        return
    assert len(items) in (1, 2)
    assert all(isinstance(item, Control | MarketEvent) for item in items)


def test_a_candle_whose_stream_is_no_text_is_malformed(router: BackpackRouter) -> None:
    payload = (
        b'{"data":{"E":1788367440511558,"e":"kline","s":"SOL_USDC","T":"2026-09-02T16:44:00","X":true,"c":null,"h":null,'
        b'"l":null,"n":0,"o":null,"t":"2026-09-02T16:43:00","v":null},"stream":"\x80kline.1m.SOL_USDC"}'
    )
    with pytest.raises(DecodeError, match="without a stream's name"):
        list(router.route(Frame(payload, 1)))


def test_an_empty_candle_has_a_volume_of_the_feed_s_number_type() -> None:
    lines = (Path(__file__).parent / "frames" / "candles.jsonl").read_bytes().splitlines()
    empty = next(line for line in lines if b'"v":null' in line)
    sol = Instrument("backpack", "SOL-USDC", "SOL_USDC", "SOL", "USDC")
    for numbers in (float, Decimal):
        (event,) = BackpackRouter(Instruments([sol]), None, numbers).route(Frame(empty, 1))
        assert isinstance(event, Candle)
        assert type(event.volume) is numbers
