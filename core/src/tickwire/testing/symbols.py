"""S: instruments are loaded whole, named by the grammar, and one odd row or answer breaks nothing."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, TypeAlias

import attrs
import pytest

from tickwire import Instrument, SymbolError, TickwireError, exact, format_symbol, parse_symbol
from tickwire.plugin import Request, Response, SymbolSource
from tickwire.testing.checks import check
from tickwire.testing.conversation import always
from tickwire.testing.frames import RECEIVED
from tickwire.testing.kit import Conformance
from tickwire.testing.mutations import Path, document_of, replaced
from tickwire.testing.subject import Subject
from tickwire.testing.verdicts import cannot, refuse, verify

__all__ = ["SymbolChecks", "misnamed"]

_FILE = "symbols.py"
_SKIP = "there is neither a simulator nor an answer in frames/rest/"
Answerer: TypeAlias = Callable[[Request], Response]

_REFUSED = {
    "an empty body": b"",
    "a page of HTML": b"<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head></html>",
    "half an answer": b'[{"symbol": "BTC',
    "null": b"null",
    "a number": b"7",
    "an object of somebody else": b'{"tickwire": "unheard of"}',
    "bytes that are no text": b"\xff\xfe\x00\xd8",
}


class SymbolChecks(Conformance):
    """The checks whose ids begin with S."""

    @check("S1", proves="loading gives instruments of this exchange", skip_when=_SKIP, file=_FILE)
    def test_s1_instruments_are_loaded(self, subject: Subject) -> None:
        found = load(subject)
        verify(found, _FILE, "no instrument comes of the exchange's list", "build one of each row")
        strangers = {one.exchange for one in found} - {subject.exchange}
        verify(not strangers, _FILE, f"instruments of exchange {strangers}", f"name it {subject.exchange!r}")

    @check("S2", proves="every symbol is the grammar's for that instrument, both ways", skip_when=_SKIP, file=_FILE)
    def test_s2_symbols_follow_the_grammar(self, subject: Subject) -> None:
        for what, do in misnamed(load(subject)):
            refuse(_FILE, what, do)

    @check("S3", proves="no two instruments share a symbol or a native key", skip_when=_SKIP, file=_FILE)
    def test_s3_names_are_unique(self, subject: Subject) -> None:
        found = load(subject)
        for names in ([one.symbol for one in found], [one.native_key or one.native for one in found]):
            twins = [name for name, count in Counter(names).items() if count > 1]
            verify(not twins, _FILE, f"two instruments are {twins}", "name them apart, or set native_key")

    @check(
        "S4",
        proves="ticks, lots and contracts are positive, and known where orders need them",
        skip_when=_SKIP,
        file=_FILE,
    )
    def test_s4_steps_are_positive(self, subject: Subject) -> None:
        for one in load(subject):
            for name in ("tick_size", "lot_size", "contract_size"):
                step = getattr(one, name)
                verify(step is None or step > 0, _FILE, f"{one.symbol}: {name} is {step}", "positive, or None")
            verify(one.tick_size is not None, _FILE, f"{one.symbol}: no tick_size", "read it from the row")

    @check("S5", proves="price_text and size_text give back the exchange's own digits", skip_when=_SKIP, file=_FILE)
    def test_s5_texts_round_trip(self, subject: Subject) -> None:
        for one in load(subject):
            for step, write in ((one.tick_size, one.price_text), (one.lot_size, one.size_text)):
                for count in (1, 7, 1_234_567) if step is not None else ():
                    assert step is not None
                    text = f"{step * count:f}"
                    written = write(float(text))
                    what = f"{one.symbol}: {text} comes back as {written}"
                    verify(Decimal(written) == Decimal(text), _FILE, what, "read tick and lot from the row's text")
                    verify(exact(float(text)) == Decimal(text), _FILE, f"{text} is no exact float", "check the tick")

    @check(
        "S6",
        proves="a bad row is left out with a reason, and every other instrument is loaded",
        skip_when=_SKIP,
        file=_FILE,
    )
    def test_s6_one_bad_row_breaks_nothing(self, subject: Subject, caplog: pytest.LogCaptureFixture) -> None:
        listing = _listing(subject)
        for number, row in listing.sample():
            for bad in (None, "not a row", {}, *_garbled(row)):
                caplog.clear()
                with caplog.at_level(logging.WARNING):
                    source = subject.strategies().symbols
                    left = _try(subject, source, listing.with_row(number, bad), f"row {number} is {bad!r:.40}")
                lost = listing.instruments.keys() - {one.symbol for one in left}
                what = f"with row {number} garbled, {len(lost)} of {len(listing.instruments)} instruments are missing"
                verify(len(lost) <= 1, _FILE, what, "catch what one row raises, and leave that row out")
                has_reason = getattr(source, "quarantined", None) or caplog.records
                is_silent = lost and not isinstance(bad, dict) and not has_reason  # an object may be filtered out
                verify(not is_silent, _FILE, f"{lost} is left out in silence", "keep or log the reason")

    @check("S7", proves="answers that are no list are refused with tickwire's errors", skip_when=_SKIP, file=_FILE)
    def test_s7_other_answers_are_refused(self, subject: Subject) -> None:
        load(subject)
        for name, body in _REFUSED.items():
            response = Response(200, {}, body, RECEIVED)
            try:
                found = list(subject.hold(subject.strategies().symbols.load(), always(response)))
            except TickwireError:
                continue
            except Exception as error:  # whatever it is: that is what the check is about
                refuse(_FILE, f"{name} raises {type(error).__name__}: {error}", "raise DecodeError")
            refuse(_FILE, f"{name} gives {len(found)} instruments and no error", "raise DecodeError")

    @check("S8", proves="a refresh that fails, or lacks a row, takes nothing else away", skip_when=_SKIP, file=_FILE)
    def test_s8_a_refresh_wipes_nothing(self, subject: Subject) -> None:
        listing = _listing(subject)
        source = subject.strategies().symbols
        first = _symbols(_try(subject, source, listing.answer, "the first load"))
        with pytest.raises(TickwireError):
            subject.hold(source.load(), always(Response(200, {}, b"<html></html>", RECEIVED)))
        number, _ = listing.sample()[0]
        fewer = _symbols(_try(subject, source, listing.without_row(number), "a load that lacks a row"))
        what = f"without row {number}, {len(first - fewer)} instruments are gone"
        verify(len(first - fewer) <= 1, _FILE, what, "build each load from its own answer")
        again = _symbols(_try(subject, source, listing.answer, "a load after that"))
        verify(again == first, _FILE, f"a second load gives {again ^ first} more or less", "build each load afresh")


_PARTS = ("base", "quote", "type", "settle", "expiry", "strike", "option_type")
_UNSETTLED = tuple(name for name in _PARTS if name != "settle")


def misnamed(instruments: Sequence[Instrument]) -> Iterator[tuple[str, str]]:
    """Give what is wrong with the symbols of an exchange's instruments, and what to do about it.

    Of contracts that differ in what they are settled in, the linear one has the short name, else the inverse one, else
    the quanto; the others' names carry their currency.
    """
    alike: dict[Any, list[Instrument]] = {}
    for one in instruments:
        alike.setdefault(_said(one, _UNSETTLED), []).append(one)
    for one in instruments:
        try:
            parts = parse_symbol(one.symbol)
        except SymbolError as error:
            yield str(error), "make symbols with tickwire.format_symbol or Instrument.of"
            continue
        if format_symbol(parts) != one.symbol:
            yield f"{one.symbol!r} is not canonical", "use format_symbol"
        said, meant = _said(parts, _PARTS), _said(one, _PARTS)
        is_short = parts.settle in (None, parts.quote)
        first = min(map(_rank, alike[_said(one, _UNSETTLED)]))
        may_be_short = one.settle is not None and is_short and _rank(one) == first
        if said != meant and not (may_be_short and _said(parts, _UNSETTLED) == _said(one, _UNSETTLED)):
            yield f"{one.symbol!r} says {said}, and the instrument is {meant}", "make instruments with Instrument.of"


def _said(what: Any, names: Sequence[str]) -> tuple[Any, ...]:
    return tuple(getattr(what, name) for name in names)


def _rank(one: Instrument) -> int:
    # linear, inverse, quanto
    return 0 if one.settle in (None, one.quote) else 1 if one.settle == one.base else 2


@attrs.frozen
class _Listing:
    # An exchange's list: the answer to the request whose rows make instruments, and where in it the rows are: in a
    # list, or in an object by their names.
    answer: Answerer
    request: str
    document: Any
    rows: Path
    instruments: Mapping[str, Instrument]

    def sample(self) -> list[tuple[int, Any]]:
        rows = [(number, row) for number, (_, row) in enumerate(self._rows)]
        return [rows[0], rows[len(rows) // 2], rows[-1]] if len(rows) > 2 else rows

    def with_row(self, number: int, row: Any) -> Answerer:
        rows = list(self._rows)
        rows[number] = rows[number][0], row
        return self._with(rows)

    def without_row(self, number: int) -> Answerer:
        rows = list(self._rows)
        del rows[number]
        return self._with(rows)

    @property
    def _rows(self) -> list[tuple[Any, Any]]:
        found = self._found
        return list(found.items() if isinstance(found, dict) else enumerate(found))

    @property
    def _found(self) -> Any:
        found = self.document
        for key in self.rows:
            found = found[key]
        return found

    def _with(self, rows: list[tuple[Any, Any]]) -> Answerer:
        container = dict(rows) if isinstance(self._found, dict) else [row for _, row in rows]
        body = replaced(self.document, self.rows, container)

        def answer(request: Request) -> Response:
            response = self.answer(request)
            return attrs.evolve(response, body=body) if str(request) == self.request else response

        return answer


def load(subject: Subject) -> list[Instrument]:
    """Load the instruments from the dress, or from recorded answers."""
    return _try(subject, subject.strategies().symbols, _answerer(subject), "the exchange's own list")


def _answerer(subject: Subject) -> Answerer:
    if subject.has_dress:
        return subject.speaking(traded=0).fetch
    answers = subject.answers()
    if not len(answers):
        cannot(_SKIP)
    return answers


def _try(subject: Subject, source: SymbolSource, answer: Answerer, what: str) -> list[Instrument]:
    try:
        return list(subject.hold(source.load(), answer))
    except Exception as error:  # whatever it is: the check names it
        refuse(_FILE, f"{what} raises {type(error).__name__}: {error}", "leave out what cannot be read, and go on")


def _listing(subject: Subject) -> _Listing:
    answer = _answerer(subject)
    seen: list[tuple[Request, Response]] = []

    def remember(request: Request) -> Response:
        response = answer(request)
        seen.append((request, response))
        return response

    found_first = _try(subject, subject.strategies().symbols, remember, "the exchange's own list")
    instruments = {one.symbol: one for one in found_first}
    # The longest list of objects, or object of objects, is the list of instruments.
    found = max(
        ((request, document, path, len(rows)) for request, response in seen for document in [document_of(response.body)]
         for path, rows in _lists(document)),
        key=lambda one: one[3],
        default=None,
    )  # fmt: skip
    if found is None:
        cannot("its answers hold no list of JSON objects")
    return _Listing(answer, str(found[0]), found[1], found[2], instruments)


def _lists(document: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    rows = document.values() if isinstance(document, dict) else document
    if isinstance(document, list | dict) and document and all(isinstance(row, dict) for row in rows):
        yield path, document
    if isinstance(document, dict):
        for key, value in document.items():
            yield from _lists(value, (*path, key))


def _garbled(row: Any) -> Iterator[Any]:
    nonsense = "∅"
    yield dict.fromkeys(row, nonsense)
    for key in row:
        yield {**row, key: nonsense}
        yield {name: value for name, value in row.items() if name != key}


def _symbols(instruments: list[Instrument]) -> set[str]:
    return {one.symbol for one in instruments}
