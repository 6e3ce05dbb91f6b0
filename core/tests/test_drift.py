"""Fields that an exchange sends and nobody reads are counted and named once; what has no fields has no drift."""

from __future__ import annotations

import json
import logging
from decimal import Decimal
from typing import Annotated, Any, TypedDict

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickwire.model.events import Trade
from tickwire.model.instruments import Instrument, Instruments
from tickwire.model.metrics import Metrics
from tickwire.native import NativeMessageRouter, Price, Size, handles
from tickwire.native.drift import unknown_fields
from tickwire.plugin.protocols import Control, Frame

S = 1_000_000_000
SOL = Instrument("acme", "SOL-USDC", "SOL_USDC", "SOL", "USDC")


class More(msgspec.Struct):
    id: int = 0


class Row(msgspec.Struct, array_like=True):
    price: Price
    more: More | None = None


class Inner(msgspec.Struct, rename="camel"):
    best_bid: int = 0
    rows: list[Row] = []


class Ping(msgspec.Struct, tag_field="e", tag="ping"):
    at: int = 0


class Deal(msgspec.Struct, tag_field="e", tag="trade"):
    p: Price
    q: Size = 1.0
    inner: Inner | None = None


class Extra(TypedDict):
    known: int


class Anything(msgspec.Struct):
    raw: msgspec.Raw = msgspec.Raw(b"null")
    any: Any = None
    names: dict[str, Inner] = {}
    pair: tuple[Inner, Inner] | None = None
    many: tuple[Inner, ...] = ()
    extra: Extra | None = None
    noted: Annotated[Inner | None, msgspec.Meta(title="x")] = None


class Envelope(msgspec.Struct):
    data: Ping | Deal | None = None


@pytest.mark.parametrize(
    ("kind", "value", "found"),
    [
        (Envelope, {"data": {"e": "trade", "p": 1}}, []),
        (Envelope, {"data": {"e": "trade", "p": 1, "z": 1}, "id": 2}, ["data.z", "id"]),
        (Envelope, {"data": {"e": "ping", "p": 1}}, ["data.p"]),
        (Envelope, {"data": None, "x": 1}, ["x"]),
        (Ping | Deal, {"e": "ping", "q": 1}, ["q"]),
        (Inner, {"bestBid": 1, "best_bid": 2}, ["best_bid"]),
        (Inner, {"rows": [[1, {"id": 1, "x": 2}], [1, {"y": 2}]]}, ["rows.more.x", "rows.more.y"]),
        (Anything, {"raw": {"x": 1}, "any": {"x": {"y": 1}}}, []),
        (Anything, {"names": {"BTC": {"bestBid": 1}, "SOL": {"x": 1}}}, ["names.*.x"]),
        (Anything, {"pair": [{"x": 1}, {"y": 1}], "many": [{"z": 1}]}, ["pair.x", "pair.y", "many.z"]),
        (Anything, {"extra": {"known": 1, "new": 1}, "noted": {"new": 1}}, ["extra.new", "noted.new"]),
    ],
)
def test_which_fields_nobody_reads(kind: Any, value: object, found: list[str]) -> None:
    assert list(unknown_fields(kind, value)) == found


VALUES = st.recursive(
    st.none() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["e", "p", "q", "data", "inner", "rows", "names", "pair", "extra"]), inner)
    ),
)


@given(VALUES)
def test_whatever_comes_is_looked_at_without_an_error(value: object) -> None:
    for kind in (Envelope, Anything, Ping | Deal, Inner, Row):
        for field in unknown_fields(kind, value):
            assert field


class AcmeRouter(NativeMessageRouter):
    decoder = msgspec.json.Decoder(Envelope, strict=False)
    content = "data"

    @handles(Deal)
    def deal(self, m: Deal, ts_recv: int) -> tuple[Trade[Any]]:
        return (Trade("acme", "SOL-USDC", None, ts_recv, m.p, m.q),)

    @handles(Ping, frame=True)
    def ping(self, m: Ping, frame: Frame) -> tuple[Control, ...]:
        return ()


def frame(ts_recv: int = S, **data: object) -> Frame:
    return Frame(json.dumps({"data": {"e": "trade", "p": 1, **data}}).encode(), ts_recv)


def drift(metrics: Metrics) -> dict[tuple[str, str], float]:
    return {(labels["kind"], labels["field"]): value for name, labels, value in metrics if name == "drift_total"}


@pytest.mark.parametrize("numbers", [float, Decimal])
def test_unknown_fields_are_reported_as_drift_once(numbers: type, caplog: pytest.LogCaptureFixture) -> None:
    metrics = Metrics()
    with caplog.at_level(logging.INFO):
        for _ in range(3):  # three connections of one feed
            router = AcmeRouter(Instruments([SOL]), metrics=metrics, numbers=numbers)
            for _ in range(100):
                router.route(frame(z=1))
    assert drift(metrics) == {("trade", "data.z"): 3}
    assert caplog.messages == ["frames of kind 'trade' have a field that nothing reads: data.z"]


def test_each_kind_is_looked_at_first_and_then_once_a_minute() -> None:
    metrics = Metrics()
    router = AcmeRouter(metrics=metrics)
    router.route(frame())
    router.route(frame(a=1))
    router.route(frame(61 * S, b=1))
    router.route(frame(62 * S, c=1))
    router.route(frame(100 * S, d=1))
    router.route(frame(100 * S, e="ping", f=1))
    router.route(frame(120 * S, e="ping", g=1))
    assert drift(metrics) == {("trade", "data.c"): 1, ("ping", "data.p"): 1, ("ping", "data.f"): 1}


def test_what_is_left_out_on_purpose_is_no_drift() -> None:
    class Knowing(AcmeRouter):
        unread = ("data.z",)

    metrics = Metrics()
    Knowing(metrics=metrics).route(frame(z=1, y=2))
    assert drift(metrics) == {("trade", "data.y"): 1}


def test_garbage_of_ever_new_fields_does_not_fill_the_memory() -> None:
    metrics = Metrics()
    router = AcmeRouter(metrics=metrics)
    for number in range(1, 400):
        router.route(frame(number * 61 * S, **{f"field{number}": 1}))
    assert len(drift(metrics)) == 101
    assert drift(metrics)["other", "other"] == 299


def test_a_frame_that_only_the_types_can_read_is_let_through() -> None:
    router = AcmeRouter(metrics=Metrics())
    payload = b'{"data": {"e": "trade", "p": 1, "z": ' + b"[" * 900 + b"]" * 900 + b"}}"
    assert len(list(router.route(Frame(payload, S)))) == 1
