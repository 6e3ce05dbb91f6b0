"""The decimal form of wire types: the same texts as the float form, the same bounds, exact whatever the digits."""

from __future__ import annotations

import json
from collections.abc import Iterable
from decimal import Decimal
from typing import Annotated, Any, NamedTuple

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tickwire import DecodeError, Event, PluginContractError, Trade
from tickwire.native import Millis, NativeMessageRouter, Price, Size, decoder_for, handles
from tickwire.plugin import Control, Frame

Levels = tuple[tuple[Price, Size], ...]
Rate = Annotated[float, msgspec.Meta(gt=-1, lt=1)]


class Fill(msgspec.Struct, tag_field="e", tag="fill", rename="camel"):
    native_symbol: str
    p: Price
    q: Size
    ratio: float
    rate: Rate | None = None
    at: Millis = 1_700_000_000_000


class Depth(msgspec.Struct, tag_field="e", tag="depth"):
    b: Levels
    extra: dict[str, list[Price]] = msgspec.field(default_factory=dict)


class Pong(msgspec.Struct, tag_field="e", tag="pong"): ...


class Row(msgspec.Struct, array_like=True):
    name: str
    p: Price
    q: Size = 0.0


class Envelope(msgspec.Struct):
    data: Fill | Depth | Pong
    rows: list[Row] = []


class Toy(NativeMessageRouter):
    decoder = msgspec.json.Decoder(Envelope, strict=False)
    content = "data"

    @handles(Fill)
    def fill(self, m: Fill, ts_recv: int) -> Iterable[Event]:
        return (Trade("toy", m.native_symbol, None, ts_recv, m.p, m.q),)

    @handles(Pong)
    def pong(self, m: Pong, ts_recv: int) -> Iterable[Event | Control]:
        return ()


def decode(alias: Any, text: str, numbers: type = Decimal) -> Any:
    return decoder_for(alias, numbers).decode(text.encode())


def read(alias: Any, text: str, numbers: type = Decimal) -> Any:
    """What a text is read as; ``None`` if it is refused."""
    try:
        return decode(alias, json.dumps(text), numbers)
    except msgspec.DecodeError:
        return None


@pytest.mark.parametrize(
    "text",
    ["1_0", " 1", "1 ", "+1", "NaN", "nan", "sNaN", "Infinity", "-Infinity", "inf", "1e400", "1e-400", "", "-", ".5",
     "1.", "01", "0x1", "\u0661", "one", "1" * 65],
)  # fmt: skip
@pytest.mark.parametrize("alias", [Price, Size])
def test_what_no_exchange_means_is_refused_though_python_takes_it_for_a_decimal(alias: Any, text: str) -> None:
    with pytest.raises(msgspec.DecodeError):
        decode(alias, json.dumps(text))


@pytest.mark.parametrize("raw", ["true", "null", "[]", "{}", "1e400", "-1e400", "NaN", "1e-400"])
def test_a_literal_that_is_no_number_in_bounds_is_refused(raw: str) -> None:
    with pytest.raises(msgspec.DecodeError):
        decode(Price, raw)


@pytest.mark.parametrize(
    ("alias", "text"),
    [(Size, "-0.01"), (Size, "1000000000000000001"), (Price, "1000000000000001"), (Price, "-1000000000000001"),
     (Rate, "1"), (Rate, "-1")],
)  # fmt: skip
def test_the_bounds_are_those_of_the_float_form(alias: Any, text: str) -> None:
    assert read(alias, text) is None
    assert read(alias, text, float) is None or text.startswith("1000000000000000001")  # equal to the bound as a float


def test_a_refusal_says_where_and_why() -> None:
    with pytest.raises(msgspec.ValidationError) as raised:
        decode(Levels, '[["98.97","22.39"],["99","-1"]]')
    assert str(raised.value) == "Expected a number >= 0 and <= 1E+18 - at `$[1][1]`"


@given(st.text("0123456789+-._eE ", max_size=8))
@example("-0")
@example("-0.0")
@example("-0e5")
def test_both_forms_accept_the_same_texts_and_mean_the_same(text: str) -> None:
    as_float, as_decimal = read(Price, text, float), read(Price, text)
    if as_decimal is None and as_float is not None:
        assert len(text.lower().partition("e")[2].lstrip("+-")) > 2  # an exponent of three digits: no price
    else:
        assert (as_float is None) is (as_decimal is None)
        assert as_float is None or (as_float, str(as_float)[0] == "-") == (float(as_decimal), str(as_decimal)[0] == "-")


@given(st.integers(0, 10**28), st.integers(0, 28))
def test_every_digit_is_kept_in_texts_and_in_literals(digits: int, places: int) -> None:
    text = format(Decimal((0, tuple(map(int, str(digits))), -places)), "f")
    if Decimal(text) <= 10**15:
        assert [format(decode(Price, raw), "f") for raw in (f'"{text}"', text)] == [text, text]


def test_structs_are_written_once_and_read_in_both_number_types() -> None:
    text = (
        '{"data":{"e":"fill","nativeSymbol":"SOL","p":"98.970","q":2.50,"ratio":0.5,"rate":"0.0001"},'
        '"rows":[["a","1.10"],["b",2,3]]}'
    )
    floats = decode(Envelope, text, float)
    assert floats == Envelope(Fill("SOL", 98.97, 2.5, 0.5, 0.0001), [Row("a", 1.1), Row("b", 2.0, 3.0)])
    exact = decode(Envelope, text)
    fill, rows = exact.data, exact.rows
    assert isinstance(exact, Envelope)
    assert isinstance(fill, Fill)
    assert [str(n) for n in (fill.p, fill.q, fill.rate)] == ["98.970", "2.50", "0.0001"]
    assert {type(n) for n in (fill.p, fill.q, fill.rate, rows[0].p, rows[1].q)} == {Decimal}
    assert (type(fill.ratio), fill.at) == (float, 1_700_000_000_000)
    assert [(row.name, row.p, row.q) for row in rows] == [("a", Decimal("1.10"), 0), ("b", Decimal(2), Decimal(3))]
    assert type(rows[0].q) is Decimal


def test_collections_inside_structs_are_decimals_too() -> None:
    depth = decode(Depth, '{"e":"depth","b":[["1.0","2.00"]],"extra":{"x":["3.000",4]}}')
    assert str(depth.b) == "((Decimal('1.0'), Decimal('2.00')),)"
    assert str(depth.extra) == "{'x': [Decimal('3.000'), Decimal('4')]}"


def test_a_wire_type_without_a_decimal_form_is_refused_rather_than_read_as_floats() -> None:
    class Level(NamedTuple):
        price: Price
        size: Size

    Level.__annotations__.update(price=Price, size=Size)
    with pytest.raises(PluginContractError, match="has no decimal form"):
        decoder_for(list[Level], Decimal)


def test_a_decoder_of_ones_own_keeps_its_hook() -> None:
    class Word(str): ...

    class Router(NativeMessageRouter):
        decoder = msgspec.json.Decoder(
            tuple[Word, Price], strict=False, dec_hook=lambda kind, raw: Word(raw) if kind is Word else None
        )

        @handles(tuple)
        def pair(self, m: tuple[Word, Any], ts_recv: int) -> Iterable[Event]:
            return (Trade("toy", m[0], None, ts_recv, m[1], m[1]),)

    (trade,) = Router(numbers=Decimal).route(Frame(b'["SOL","1.50"]', 7))
    assert trade == Trade("toy", "SOL", None, 7, Decimal("1.50"), Decimal("1.50"))


@pytest.mark.parametrize("numbers", [float, Decimal])
def test_a_router_dispatches_alike_in_both_number_types(numbers: type) -> None:
    router = Toy(numbers=numbers)
    frame = Frame(b'{"data":{"e":"fill","nativeSymbol":"SOL","p":"98.97","q":"2.50","ratio":1}}', 7)
    (trade,) = router.route(frame)
    assert trade == Trade("toy", "SOL", None, 7, numbers("98.97"), numbers("2.50"))
    assert isinstance(trade, Trade)
    assert type(trade.price) is numbers
    assert list(router.route(Frame(b'{"data":{"e":"pong"}}', 7))) == []
    with pytest.raises(DecodeError, match="malformed frame of kind 'fill'"):
        router.route(Frame(b'{"data":{"e":"fill","nativeSymbol":"SOL","p":"1_0","q":"2.50","ratio":1}}', 7))


def test_a_loose_router_reads_fractions_as_decimals() -> None:
    router = NativeMessageRouter(numbers=Decimal)
    seen: list[Any] = []
    router.register_handler("trades", lambda message, ts_recv: seen.append(message["p"]))
    router.route(Frame(b'{"channel":"trades","p":0.12345678901234567890}', 7))
    assert str(seen) == "[Decimal('0.12345678901234567890')]"
