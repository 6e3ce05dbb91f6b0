"""What the README shows of the wire is what the router understands, to the last field."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest

from tickwire import (
    BookDelta,
    Books,
    BookSnapshot,
    Channel,
    Event,
    Instrument,
    Instruments,
    OrderStatus,
    OrderUpdate,
    Side,
    Subscription,
    Trade,
)
from tickwire.plugin import (
    Alive,
    Confirmed,
    ConnectionInfo,
    Control,
    Frame,
    Located,
    LoggedIn,
    LoginRefused,
    Refused,
)
from tickwire_kestrel.info import KESTREL
from tickwire_kestrel.routing import KestrelRouter, KestrelRouting

HERE = Path(__file__).parent
README = (HERE.parent / "README.md").read_text()
BTC = Instrument("kestrel", "BTC-USD", "BTC/USD", "BTC", "USD", tick_size=Decimal("0.1"), lot_size=Decimal("0.00001"))
DOGE = Instrument("kestrel", "DOGE-USD", "DOGE/USD", "DOGE", "USD")
HEAD = ("kestrel", "BTC-USD")
TS, RECV = 1788361471034824000, 1788361471040000000
MS = 1_000_000

EVENTS: dict[str, list[Event]] = {
    "trades": [
        Trade(*HEAD, TS, RECV, 64250.5, 0.0125, Side.BUY, "341000181", 341000181),
        Trade(*HEAD, TS - 2500 * MS, RECV, 64249.9, 0.2, Side.SELL, "341000179", 341000179, None, True),
        Trade(*HEAD, TS - 1200 * MS, RECV, 64250.5, 0.005, Side.BUY, "341000180", 341000180, None, True),
    ],
    "l2_book": [
        BookSnapshot(
            *HEAD, TS, RECV, ((64250.4, 0.41), (64250.1, 1.2)), ((64250.5, 0.33), (64251.0, 0.08)), 4330001040,
            3515935765,
        ),
        BookDelta(
            *HEAD, TS + 61 * MS, RECV, ((64250.4, 0.0), (64250.1, 0.7)), ((64250.5, 0.3175),), 4330001043, 4330001043,
            4330001040, 3222175148,
        ),
    ],
    "orders": [
        OrderUpdate(*HEAD, TS, RECV, "113780000420", OrderStatus.NEW, Side.BUY, 0.05, 0.0),
        OrderUpdate(*HEAD, TS + 61 * MS, RECV, "113780000420", OrderStatus.PARTIALLY_FILLED, Side.BUY, 0.05, 0.0125),
        OrderUpdate(*HEAD, TS + 4000 * MS, RECV, "113780000420", OrderStatus.CANCELLED, Side.BUY, 0.05, 0.0125),
    ],
}  # fmt: skip


def router() -> KestrelRouter:
    instruments = Instruments()
    instruments.replace([BTC, DOGE])
    return KestrelRouting(instruments, None).router(ConnectionInfo("public-1", "public", Located("wss://x")))


def frames(name: str) -> list[str]:
    return (HERE / "frames" / f"{name}.jsonl").read_text().splitlines()


def route(line: str, by: KestrelRouter) -> list[Event | Control]:
    return list(by.route(Frame(line.encode(), RECV)))


def test_every_claimed_channel_has_frames_and_their_events_are_known() -> None:
    files = [path for path in (HERE / "frames").iterdir() if not path.name.endswith(".events.jsonl")]
    assert {path.stem for path in files} == set(KESTREL.channels) == set(EVENTS)


@pytest.mark.parametrize("name", EVENTS)
def test_a_frame_gives_its_events(name: str) -> None:
    by = router()
    assert [event for line in frames(name)[1:] for event in route(line, by)] == EVENTS[name]


@pytest.mark.parametrize("name", EVENTS)
def test_frames_are_those_of_the_readme(name: str) -> None:
    head, *lines = frames(name)
    source = {"source": f"tests/kestrel/README.md#{name}", "date": "2026-11-26", "kind": "documented"}
    assert json.loads(head) == source
    assert f"\n## {name}\n" in README
    assert [line for line in lines if f"\n{line}\n" not in README] == []


def test_the_documented_checksums_are_those_of_the_books() -> None:
    routing, books = KestrelRouting(Instruments(), None), Books("kestrel")
    for event in EVENTS["l2_book"]:
        assert isinstance(event, BookSnapshot | BookDelta)
        books.apply(event)
        assert routing.checksum(books["BTC-USD"], BTC) == event.checksum


@pytest.mark.parametrize(
    ("message", "controls"),
    [
        ('{"op":"pong"}', [Alive()]),
        ('{"op":"ack","id":0,"bad":[]}', [LoggedIn()]),
        ('{"op":"ack","id":0,"bad":[{"topic":"login","why":"bad signature"}]}', [LoginRefused("bad signature")]),
    ],
)
def test_a_documented_answer_is_understood(message: str, controls: list[Control]) -> None:
    assert f"\n{message}\n" in README
    assert route(message, router()) == controls


def test_a_subscription_is_asked_for_and_answered_as_documented() -> None:
    by = router()
    asked = [Subscription(Channel.TRADES, BTC), Subscription(Channel.L2_BOOK, BTC), Subscription(Channel.L2_BOOK, DOGE)]
    (send,) = by.subscribe(asked)
    answer = '{"op":"ack","id":1,"bad":[{"topic":"book:DOGE/USD","why":"unknown instrument"}]}'
    assert f"\n{send.payload.decode()}\n{answer}\n" in README
    assert route(answer, by) == [Confirmed((asked[0], asked[1])), Refused((asked[2],), "unknown instrument")]
