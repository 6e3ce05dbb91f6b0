"""A run goes on from marks that only say what no crash can take away, and that never go back."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import pytest

from tickwire.feed.marks import Mark
from tickwire.model.channels import Channel, Subscription
from tickwire.model.events import Side, Trade
from tickwire.model.instruments import Instrument
from tickwire.model.quality import Severity, Watermark
from tickwire.run.config import config_from
from tickwire.run.mark_file import MarkFile
from tickwire.run.marks import RunMarks

SOL = Instrument("toy", "SOL-USD", "SOL_USD", "SOL", "USD")
TRADES, BOOK = Subscription(Channel.TRADES, SOL), Subscription(Channel.L2_BOOK, SOL)
KEY = ("f", "SOL-USD", "trades")
CONFIG = config_from({"exchanges": {"toy": {"symbols": ["SOL-USD"]}}}, environ={})


def trade(number: int, price: Any = 98.97) -> Trade[Any]:
    size: Any = Decimal("0.10") if isinstance(price, Decimal) else 0.1
    return Trade("toy", "SOL-USD", 5, 6, price, size, Side.BUY, str(number), number, 1, False, ("block",))


def watermark(ts: int) -> Watermark:
    return Watermark("toy", "SOL-USD", None, ts, Channel.TRADES, None, Severity.INFO, ts)


def test_a_mark_survives_the_process(tmp_path: Path) -> None:
    MarkFile(tmp_path, "run").write([(KEY, Mark(7, trade(3)))])
    assert MarkFile(tmp_path, "run").read() == {KEY: Mark(7, trade(3))}


def test_decimals_stay_decimals(tmp_path: Path) -> None:
    exact = Mark(7, trade(3, Decimal("0.12345678901234567890")))
    MarkFile(tmp_path, "run").write([(KEY, exact)])
    assert MarkFile(tmp_path, "run").read(Decimal) == {KEY: exact}


def test_another_configuration_has_marks_of_its_own(tmp_path: Path) -> None:
    MarkFile(tmp_path, "run").write([(KEY, Mark(7))])
    assert MarkFile(tmp_path, "other").read() == {}


def test_a_mark_never_goes_back(tmp_path: Path) -> None:
    old, new = MarkFile(tmp_path, "run"), MarkFile(tmp_path, "run")
    new.write([(KEY, Mark(9, trade(4)))])
    old.write([(KEY, Mark(8, trade(3)))])
    assert new.read() == {KEY: Mark(9, trade(4))}


def test_a_mark_without_a_trade_keeps_the_last_one(tmp_path: Path) -> None:
    file = MarkFile(tmp_path, "run")
    file.write([(KEY, Mark(7, trade(3)))])
    file.write([(KEY, Mark(9))])
    assert file.read() == {KEY: Mark(9, trade(3))}


def test_a_file_that_is_none_is_warned_of_and_the_run_begins_anew(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "marks.sqlite3").write_bytes(b"no database at all" * 100)
    assert MarkFile(tmp_path, "run").read() == {}
    MarkFile(tmp_path, "run").write([(KEY, Mark(7))])
    assert ["the hole since the last run is not known" in one or "cannot be written" in one for one in caplog.messages]
    assert len(caplog.messages) == 2


def test_a_mark_is_written_once_every_sink_has_what_came_before(tmp_path: Path) -> None:
    async def scenario() -> None:
        marks = RunMarks(tmp_path, CONFIG)
        of_feed = marks.of(CONFIG.exchanges[0], float)
        assert of_feed.last(TRADES) is None
        for ordinal, ts in ((10, 100), (20, 200)):
            event = watermark(ts)
            of_feed.note(TRADES, Mark(ts, trade(ts)), event)
            marks.passed(event, ordinal)
        await marks.close(19)

    asyncio.run(scenario())
    kept = RunMarks(tmp_path, CONFIG).of(CONFIG.exchanges[0], float)
    assert kept.last(TRADES) == Mark(100, trade(100))


def test_an_event_that_no_sink_was_given_keeps_no_mark(tmp_path: Path) -> None:
    async def scenario() -> None:
        marks = RunMarks(tmp_path, CONFIG)
        marks.of(CONFIG.exchanges[0], float).note(TRADES, Mark(7), watermark(7))
        await marks.close(1_000)
        assert RunMarks(tmp_path, CONFIG).of(CONFIG.exchanges[0], float).last(TRADES) is None

    asyncio.run(scenario())


def test_who_comes_back_within_the_run_does_not_go_on_where_the_last_run_ended(tmp_path: Path) -> None:
    async def scenario() -> None:
        marks, event = RunMarks(tmp_path, CONFIG), watermark(7)
        marks.of(CONFIG.exchanges[0], float).note(BOOK, Mark(7), event)
        marks.passed(event, 1)
        await marks.close(1)
        again = RunMarks(tmp_path, CONFIG).of(CONFIG.exchanges[0], float)
        assert (again.last(BOOK), again.last(BOOK)) == (Mark(7), None)

    asyncio.run(scenario())


def test_a_simulator_s_marks_are_not_the_exchange_s(tmp_path: Path) -> None:
    async def scenario() -> None:
        entry = CONFIG.exchanges[0]
        elsewhere = attrs.evolve(entry, endpoints=attrs.evolve(entry.endpoints, rest="http://127.0.0.1:1"))
        marks, event = RunMarks(tmp_path, CONFIG), watermark(7)
        marks.of(elsewhere, float).note(BOOK, Mark(7), event)
        marks.passed(event, 1)
        await marks.close(1)
        again = RunMarks(tmp_path, CONFIG)
        assert (again.of(elsewhere, float).last(BOOK), again.of(entry, float).last(BOOK)) == (Mark(7), None)

    asyncio.run(scenario())
