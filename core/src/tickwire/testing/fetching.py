"""R: what goes over REST: where to connect, snapshots, pages of history, and the budgets they are charged to."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from tickwire import Channel, TickwireError, Trade
from tickwire.plugin import By, Hole, Response
from tickwire.testing.checks import check
from tickwire.testing.conversation import always
from tickwire.testing.following import Followed
from tickwire.testing.kit import Conformance
from tickwire.testing.speaking import SpeakingExchange
from tickwire.testing.subject import Subject
from tickwire.testing.verdicts import SPOKEN, cannot, refuse, verify

__all__ = ["FetchingChecks"]

_OWN_PACE = "its own transport asks, at its own pace"
_SECOND = 1_000_000_000


class FetchingChecks(Conformance):
    """The checks R17 to R20."""

    @check("R17", proves="every socket can be located, at the configured address or one the exchange names")
    def test_r17_sockets_are_located(self, subject: Subject) -> None:
        strategies = subject.strategies(with_credentials=bool(subject.credentials))
        for name, endpoint in subject.info.sockets.items():
            conversation = strategies.routing.locate(name, endpoint.url)
            located = subject.hold(conversation, subject.speaking() if subject.has_dress else subject.answers())
            verify("://" in located.url, "routing.py", f"socket {name!r} is located at {located.url!r}", "give a URL")
        for channel in subject.offered():
            reading = subject.reading()
            wanted = subject.subscription(channel, next(iter(reading.instruments)))
            socket = reading.routing.endpoint(wanted)
            verify(socket in subject.info.sockets, "routing.py", f"{channel} is on socket {socket!r}", "declare it")

    @check(
        "R18",
        proves="a snapshot over REST is the exchange's own book at its sequence",
        skip_when="books do not start over REST, or there is no simulator",
    )
    def test_r18_snapshots(self, subject: Subject) -> None:
        if not subject.starts_over_rest:
            cannot("books do not start over REST")
        followed = Followed(subject, Channel.L2_BOOK)
        for wanted in followed.subscriptions:
            list(followed.items(40))
            snapshot = followed.snapshot(wanted)
            assert wanted.instrument is not None
            truth = followed.book_at(followed.natives[str(wanted.symbol)], snapshot.sequence or -1)
            found = [list(snapshot.bids), list(snapshot.asks)]
            sides = [[(float(price), float(size)) for price, size in side] for side in (truth.bids, truth.asks)]
            meant = [side[: len(given)] if snapshot.depth else side for side, given in zip(sides, found, strict=True)]
            what = f"the snapshot of {wanted} at {snapshot.sequence} is {_short(found)}, and the book {_short(meant)}"
            verify(found == meant, SPOKEN, what, "best levels first, both sides, at lastUpdateId")
            verify(snapshot.symbol == wanted.symbol, "routing.py", f"it is {snapshot.symbol}", "name the instrument")
        _check_budgets(subject, followed.exchange)

    @check(
        "R19",
        proves="pages of history give every trade of a hole once, marked as backfilled",
        skip_when="trades have no history, or there is no simulator",
    )
    def test_r19_history(self, subject: Subject) -> None:
        declared = subject.info.channels.get(Channel.TRADES)
        if declared is None or declared.history is None:
            cannot("trades have no history")
        history = declared.history
        followed = Followed(subject, Channel.TRADES)
        lived = [item for item in followed.items(900) if isinstance(item, Trade) and not item.backfilled]
        for instrument in followed.instruments:
            own = [trade for trade in lived if trade.symbol == instrument.symbol]
            what = f"900 steps give {len(own)} trades of {instrument.symbol}"
            verify(len(own) > 6, SPOKEN, what, "read the exchange's trades")
            after, before, missing = own[2], own[-3], own[3:-3]
            whole = Hole(instrument, Channel.TRADES, after, before, after.ts_event or 0, before.ts_event or 0)
            found: dict[str | None, Trade] = {}
            hole = whole
            for page in range(len(missing) // history.page + 3):
                trades = _page(followed, hole)
                verify(
                    len(trades) <= history.page, "info.py", f"a page has {len(trades)} rows", "declare History(page=…)"
                )
                found |= {trade.trade_id: trade for trade in trades}
                reached = [trade for trade in missing if trade.trade_id in found]
                if len(reached) == len(missing):
                    break
                by_page = history.by in (By.PAGE, By.LATEST)
                hole = (
                    attrs.evolve(whole, page=page + 1) if by_page else attrs.evolve(whole, after=_last(reached, after))
                )
            wrong = [trade for trade in missing if _told(found.get(trade.trade_id)) != _told(trade)]
            what = f"{len(wrong)} of {len(missing)} trades differ or never come: {wrong[:1]} is {_of(found, wrong)}"
            verify(not wrong, SPOKEN, f"history of {instrument.symbol}: {what}", "read rows as the stream's")
            unmarked = [trade for trade in found.values() if not trade.backfilled]
            verify(not unmarked, SPOKEN, f"{len(unmarked)} are not backfilled", "set backfilled=True")
        _check_budgets(subject, followed.exchange)

    @check(
        "R20",
        proves="every request names a declared budget and fits into it",
        skip_when="there is no simulator, or the plugin's own transport asks",
    )
    def test_r20_requests_fit_their_budgets(self, subject: Subject) -> None:
        if subject.over_sockets:
            cannot(_OWN_PACE)
        exchange = subject.speaking()
        subject.loaded(exchange)
        _check_budgets(subject, exchange)

    @check(
        "R21",
        proves="an answer that is no book, or no page of trades, is refused with tickwire's errors",
        skip_when="neither snapshots nor history go over REST, or there is no simulator",
    )
    def test_r21_broken_answers_are_refused(self, subject: Subject) -> None:
        if not subject.starts_over_rest:
            cannot("books do not start over REST")
        followed = Followed(subject, Channel.L2_BOOK)
        for body in (b"", b"<html></html>", b"null", b"[]", b"{}", b'{"asks": 7}', b"\xff"):
            response = Response(200, {}, body, followed.exchange.clock.now())
            conversation = followed.strategies.routing.snapshot(followed.subscriptions[0])
            try:
                subject.hold(conversation, always(response))
            except TickwireError:
                continue
            except Exception as error:  # whatever it is: that is what the check is about
                refuse("routing.py", f"the answer {body!r} raises {type(error).__name__}: {error}", "raise DecodeError")
            refuse("routing.py", f"the answer {body!r} is a snapshot", "raise DecodeError")


def _page(followed: Followed, hole: Hole) -> list[Trade]:
    try:
        rows = followed.hold(followed.strategies.routing.history(hole))
    except Exception as error:  # whatever it is: the check names it
        refuse(SPOKEN, f"history() raises {type(error).__name__}: {error}", "read the trades' answer")
    return [row for row in rows if isinstance(row, Trade)]


def _last(reached: Sequence[Trade], after: Trade) -> Trade:
    return reached[-1] if reached else after


# REST often has a coarser time, and knows nothing of merged fills: the second and the values must agree.
def _told(trade: Trade | None) -> object:
    if trade is None:
        return None
    second = None if trade.ts_event is None else trade.ts_event // _SECOND
    return trade.trade_id, trade.price, trade.size, trade.taker_side, second


def _of(found: dict[str | None, Trade], wrong: Sequence[Trade]) -> Trade | None:
    return found.get(wrong[0].trade_id) if wrong else None


def _check_budgets(subject: Subject, exchange: SpeakingExchange) -> None:
    if subject.over_sockets:
        return  # R20 says so
    for request in exchange.requests:
        budget = subject.info.limits.get(request.limit)
        name = f"{request.method} {request.path}"
        verify(budget is not None, "info.py", f"{name} is charged to {request.limit!r}", "declare that limit")
        assert budget is not None
        fits = 0 < request.weight <= budget.weight
        verify(fits, "routing.py", f"{name} weighs {request.weight}", f"between 0 and the limit's {budget.weight}")


def _short(sides: list[list[tuple[float, float]]]) -> str:
    return f"{sides[0][:3]}… | {sides[1][:3]}…"
