"""Market rows become instruments one by one: an odd row is left out with its reason and never breaks the others."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickwire import DecodeError, Instrument, InstrumentStatus, InstrumentType, PluginContractError, SymbolError
from tickwire.native import NativeMarket, NativeSymbolService
from tickwire.plugin import Request, Response, SymbolSource

ASK = Request("GET", "/markets")
SOL = Instrument("acme", "SOL-USDC", "SOL-USDC", "SOL", "USDC")
BTC = Instrument("acme", "BTC-USDC", "BTC-USDC", "BTC", "USDC")


class Seconds:
    """A clock in the hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def load(service: NativeSymbolService, answer: object = None) -> tuple[list[Request], Sequence[Instrument]]:
    """Drive one conversation; gives what was asked and what came out."""
    body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    asked: list[Request] = []
    conversation = service.load()
    try:
        asked.append(next(conversation))
        while True:
            asked.append(conversation.send(Response(200, {}, body, 7)))
    except StopIteration as end:
        return asked, end.value


def rows(*symbols: str) -> list[dict[str, str]]:
    return [{"symbol": symbol} for symbol in symbols]


def test_a_service_is_what_the_protocol_asks_for() -> None:
    assert isinstance(NativeSymbolService(ASK), SymbolSource)


def test_each_row_becomes_an_instrument_in_the_order_of_the_list() -> None:
    service = NativeSymbolService(ASK, exchange="acme")
    assert load(service, rows("SOL-USDC", "BTC-USDC")) == ([ASK], [SOL, BTC])
    assert service.markets == {
        "SOL-USDC": NativeMarket(SOL, {"symbol": "SOL-USDC"}),
        "BTC-USDC": NativeMarket(BTC, {"symbol": "BTC-USDC"}),
    }
    assert service.quarantined == {}


def test_the_list_may_lie_inside_the_answer() -> None:
    service = NativeSymbolService(ASK, ["result", "list"], exchange="acme")
    assert load(service, {"result": {"list": rows("SOL-USDC")}}) == ([ASK], [SOL])


def test_request_rows_and_native_field_may_stand_in_the_class() -> None:
    class Acme(NativeSymbolService):
        request = Request("GET", "/v2/instruments")
        rows = ("data",)
        native_field = "name"

    answer = {"data": [{"name": "SOL-USDC"}]}
    assert load(Acme(exchange="acme"), answer) == ([Request("GET", "/v2/instruments")], [SOL])


def test_a_service_without_a_request_says_what_to_set() -> None:
    with pytest.raises(PluginContractError, match=r"NativeSymbolService has nothing to ask → set request = Request"):
        load(NativeSymbolService())


@pytest.mark.parametrize(
    ("keys", "answer", "reason"),
    [
        ([], {}, "the market list is a dict, not a list"),
        ([], "SOL", "the market list is a str, not a list"),
        ([], None, "the market list is a NoneType, not a list"),
        (["data"], [], "the market list has no 'data'"),
        (["data", "list"], {"data": {"rows": []}}, "the market list has no 'data.list'"),
        (["data"], {"data": {"a": 1}}, "the market list is a dict, not a list"),
    ],
)
def test_an_answer_that_is_no_list_is_a_decode_error(keys: list[str], answer: object, reason: str) -> None:
    with pytest.raises(DecodeError) as caught:
        load(NativeSymbolService(ASK, keys), answer)
    assert str(caught.value) == reason


def test_an_answer_that_is_no_json_is_left_to_core_which_knows_the_request() -> None:
    with pytest.raises(msgspec.DecodeError):
        load(NativeSymbolService(ASK), b"<html>")


def test_a_failed_load_leaves_what_was_loaded() -> None:
    service = NativeSymbolService(ASK, exchange="acme")
    load(service, rows("SOL-USDC"))
    with pytest.raises(DecodeError):
        load(service, {})
    assert list(service.markets) == ["SOL-USDC"]


# --- rows that cannot be used


class Strict(NativeSymbolService):
    """Raises whatever a row asks for."""

    raises: Mapping[str, Exception] = {}

    def _include_market(self, entry: Mapping[str, Any]) -> bool:
        if entry.get("include") == "raises":
            raise KeyError("status")
        return bool(entry.get("include", True))

    def _build_market(self, entry: Mapping[str, Any]) -> Instrument:
        if "raises" in entry:
            raise self.raises[entry["raises"]]
        return super()._build_market(entry)


def test_a_row_that_is_not_included_is_neither_loaded_nor_quarantined() -> None:
    service = Strict(ASK, exchange="acme")
    answer = [{"symbol": "SOL-USDC", "include": False}, *rows("BTC-USDC")]
    assert load(service, answer) == ([ASK], [BTC])
    assert service.quarantined == {}


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"symbol": "nonsense"}, "SymbolError: 'nonsense' is not a symbol → "),
        ({"symbol": "A-B-20261350"}, "SymbolError: 'A-B-20261350': 20261350 is not a day → "),
        ({"symbol": "X-Y", "include": "raises"}, "KeyError: 'status'"),
        ({"symbol": ""}, "SymbolError: '' is not a symbol → "),
        ({"symbol": 5}, "AttributeError: 'int' object has no attribute 'split'"),
        ({"symbol": None}, "AttributeError: "),
    ],
)
def test_an_odd_row_is_quarantined_with_its_reason_and_the_others_load(row: dict[str, Any], reason: str) -> None:
    service = Strict(ASK, exchange="acme")
    assert load(service, [*rows("SOL-USDC"), row, *rows("BTC-USDC")]) == ([ASK], [SOL, BTC])
    assert list(service.quarantined) == [str(row["symbol"])]
    assert service.quarantined[str(row["symbol"])].startswith(reason)


@pytest.mark.parametrize(
    "error",
    [KeyError("a"), IndexError("a"), TypeError("a"), ValueError("a"), ArithmeticError("a"), AttributeError("a"),
     DecodeError("a"), UnicodeDecodeError("utf-8", b"", 0, 1, "a")],
    ids=lambda error: type(error).__name__,
)  # fmt: skip
def test_whatever_a_row_makes_an_author_s_code_raise_is_that_row_s_reason(error: Exception) -> None:
    service = Strict(ASK, exchange="acme")
    service.raises = {"it": error}
    assert load(service, [{"symbol": "SOL-USDC", "raises": "it"}, *rows("BTC-USDC")]) == ([ASK], [BTC])
    assert service.quarantined == {"SOL-USDC": f"{type(error).__name__}: {error}"}


def test_rows_that_are_no_objects_are_quarantined_each_under_its_number() -> None:
    service = NativeSymbolService(ASK, exchange="acme")
    assert load(service, [None, "SOL-USDC", *rows("SOL-USDC"), 5, [], {}, None]) == ([ASK], [SOL])
    assert service.quarantined == {
        "row 0": "AttributeError: 'NoneType' object has no attribute 'get'",
        "row 1": "AttributeError: 'str' object has no attribute 'get'",
        "row 3": "AttributeError: 'int' object has no attribute 'get'",
        "row 4": "AttributeError: 'list' object has no attribute 'get'",
        "row 5": "KeyError: 'symbol'",
        "row 6": "AttributeError: 'NoneType' object has no attribute 'get'",
    }


def test_each_row_left_out_is_logged_with_its_reason(caplog: pytest.LogCaptureFixture) -> None:
    load(NativeSymbolService(ASK), rows("nonsense"))
    (record,) = caplog.records
    assert record.getMessage().startswith("instrument nonsense is left out: SymbolError: 'nonsense' is not a symbol")


class Renaming(NativeSymbolService):
    """``our`` is our symbol; ``key`` tells two instruments of one native symbol apart."""

    def _build_market(self, entry: Mapping[str, Any]) -> Instrument:
        base, quote = entry["our"].split("-")
        return Instrument("acme", entry["our"], entry["symbol"], base, quote, native_key=entry.get("key"))


def test_of_two_rows_with_one_symbol_of_ours_the_first_stays() -> None:
    service = Renaming(ASK)
    answer = [{"symbol": "XBT", "our": "BTC-USDC"}, {"symbol": "BTC", "our": "BTC-USDC"}]
    _, instruments = load(service, answer)
    assert [instrument.native for instrument in instruments] == ["XBT"]
    assert service.quarantined == {"BTC": "SymbolError: BTC-USDC is already 'XBT' → name them apart"}


def test_of_two_rows_with_one_native_symbol_the_first_stays_and_the_other_is_announced() -> None:
    service = Renaming(ASK)
    answer = [{"symbol": "BTC", "our": "BTC-USDC"}, {"symbol": "BTC", "our": "BTC-USDT"}]
    _, instruments = load(service, answer)
    assert [instrument.symbol for instrument in instruments] == ["BTC-USDC"]
    assert service.quarantined == {"BTC": "SymbolError: 'BTC' is already BTC-USDC → set native_key"}


def test_a_native_key_tells_two_instruments_of_one_native_symbol_apart() -> None:
    service = Renaming(ASK)
    answer = [{"symbol": "BTC", "our": "BTC-USDC", "key": "spot:BTC"}, {"symbol": "BTC", "our": "BTC-USDT"}]
    load(service, answer)
    assert {key: market.instrument.symbol for key, market in service.markets.items()} == {
        "spot:BTC": "BTC-USDC",
        "BTC": "BTC-USDT",
    }


def test_a_row_that_comes_twice_is_one_instrument() -> None:
    service = NativeSymbolService(ASK, exchange="acme")
    assert load(service, rows("SOL-USDC", "SOL-USDC")) == ([ASK], [SOL])
    assert service.quarantined == {}


def test_a_load_forgets_the_rows_and_reasons_of_the_one_before() -> None:
    service = NativeSymbolService(ASK, exchange="acme")
    load(service, rows("SOL-USDC", "nonsense"))
    assert load(service, rows("BTC-USDC")) == ([ASK], [BTC])
    assert service.quarantined == {}


@given(st.lists(st.none() | st.text() | st.dictionaries(st.sampled_from(["symbol", "a"]), st.none() | st.text())))
def test_no_row_whatsoever_breaks_the_good_one(odd: list[Any]) -> None:
    _, instruments = load(NativeSymbolService(ASK, exchange="acme"), [*odd, *rows("SOL-USDC")])
    assert SOL in instruments


# --- memory


def test_without_a_time_to_live_every_load_asks() -> None:
    service = NativeSymbolService(ASK, exchange="acme", monotonic=Seconds())
    load(service, rows("SOL-USDC"))
    assert load(service, rows("BTC-USDC")) == ([ASK], [BTC])


def test_within_its_time_to_live_a_load_is_answered_from_memory() -> None:
    clock = Seconds()
    service = NativeSymbolService(ASK, exchange="acme", ttl=60, monotonic=clock)
    assert load(service, rows("SOL-USDC")) == ([ASK], [SOL])
    clock.now = 59.9
    assert load(service) == ([], [SOL])
    clock.now = 60.0
    assert load(service, rows("BTC-USDC")) == ([ASK], [BTC])
    clock.now = 119.0
    assert load(service) == ([], [BTC])


def test_an_invalidated_memory_asks_again_and_keeps_its_markets_until_then() -> None:
    service = NativeSymbolService(ASK, exchange="acme", ttl=60, monotonic=Seconds())
    load(service, rows("SOL-USDC"))
    service.invalidate()
    assert list(service.markets) == ["SOL-USDC"]
    assert load(service, rows("BTC-USDC")) == ([ASK], [BTC])


def test_an_empty_list_is_remembered_too() -> None:
    service = NativeSymbolService(ASK, ttl=60, monotonic=Seconds())
    load(service, [])
    assert load(service) == ([], [])


def test_readers_on_other_threads_see_one_load_or_the_other_and_never_a_mixture() -> None:
    first, second = [tuple(f"{name}{n}-USDC" for n in range(50)) for name in "AB"]
    service = NativeSymbolService(ASK, exchange="acme")
    service.read(rows(*first))
    seen: set[tuple[str, ...]] = set()
    failures: list[BaseException] = []
    is_done = threading.Event()

    def look() -> None:
        try:
            while not is_done.is_set():
                seen.add(tuple(service.markets))
        except BaseException as error:
            failures.append(error)

    def reload(symbols: Sequence[str]) -> None:
        try:
            for _ in range(50):
                service.read(rows(*symbols))
                service.invalidate()
        except BaseException as error:
            failures.append(error)

    looking = [threading.Thread(target=look) for _ in range(2)]
    reloading = [threading.Thread(target=reload, args=(symbols,)) for symbols in (first, second)]
    for thread in [*looking, *reloading]:
        thread.start()
    for thread in reloading:
        thread.join()
    is_done.set()
    for thread in looking:
        thread.join()
    assert failures == []
    assert seen <= {first, second}


class Words(NativeSymbolService):
    types: ClassVar = {None: InstrumentType.SPOT, "PERPETUAL": InstrumentType.PERP}
    statuses: ClassVar = {"TRADING": InstrumentStatus.OPEN}


def test_words_of_types_and_states_mean_what_the_tables_say() -> None:
    service = Words(ASK)
    assert [service.type_of(word) for word in (None, "PERPETUAL")] == [InstrumentType.SPOT, InstrumentType.PERP]
    assert [service.status_of(word) for word in ("TRADING", "ASLEEP")] == [
        InstrumentStatus.OPEN, InstrumentStatus.UNKNOWN,
    ]  # fmt: skip


def test_a_type_that_is_not_in_the_table_is_never_guessed() -> None:
    with pytest.raises(SymbolError) as caught:
        Words(ASK).type_of("SWAP")
    package = Words.__module__.partition(".")[0].replace("_", "-")
    assert str(caught.value) == f"instrument type 'SWAP' is not known → upgrade {package}"
