"""``process:`` of a sink: what is read, what is refused and where, and what keys the derived records have."""

from __future__ import annotations

from typing import Any

import pytest

from tickwire.model.channels import Channel
from tickwire.model.errors import ConfigError
from tickwire.model.events import Candle, Quote, Trade
from tickwire.model.quality import Event, Severity, Watermark
from tickwire.model.stored import Record
from tickwire.run.config import config_from
from tickwire.run.durations import Duration
from tickwire.run.process_settings import (
    BooksStep,
    CallStep,
    CandlesStep,
    ConflateStep,
    NbboStep,
    ProcessStep,
    ThrottleStep,
    VwapStep,
)
from tickwire.run.processing import Processing
from tickwire.run.settings import SinkConfig

SECOND = 1_000_000_000


def read(process: Any) -> tuple[ProcessStep, ...]:
    data = {
        "exchanges": {"toy": {"symbols": ["A-USD"]}},
        "sinks": {"x": {"type": "jsonl", "path": "a.jsonl", "process": process}},
    }
    return config_from(data, "night.yaml", {}).sinks[0].process


def test_every_step_is_read() -> None:
    steps = read(
        [
            {"candles": {"interval": "1m", "late": "drop", "grace": "2s", "updates": True, "empty": True}},
            {"throttle": {"every": "250ms", "channels": ["l1_book", "trades"]}},
            {"conflate": {"every": 1}},
            {"books": {"every": "1s", "changes": 10, "depth": 5}},
            {"nbbo": {"stale": "5s", "name": "best"}},
            {"vwap": {"window": "1m", "every": "2s"}},
            {"call": {"function": "my_steps:only_large"}},
        ]
    )
    assert steps == (
        ProcessStep(candles=CandlesStep(Duration(60), "drop", Duration(2), True, True)),
        ProcessStep(throttle=ThrottleStep(Duration(0.25), ("l1_book", "trades"))),
        ProcessStep(conflate=ConflateStep(Duration(1))),
        ProcessStep(books=BooksStep(Duration(1), 10, 5)),
        ProcessStep(nbbo=NbboStep(Duration(5), "best")),
        ProcessStep(vwap=VwapStep(Duration(60), Duration(2))),
        ProcessStep(call=CallStep("my_steps:only_large")),
    )


@pytest.mark.parametrize(
    ("process", "says"),
    [
        ([{"candels": {"interval": "1m"}}], "process[0].candels: unknown key → did you mean candles?"),
        ([{"candles": {"interval": "1m", "lat": "drop"}}], "process[0].candles.lat: unknown key"),
        ([{"candles": {"interval": "1m", "late": "amnd"}}], "candles.late: expected one of amend, drop, ignore"),
        ([{"candles": {}}], "process[0].candles: interval is missing"),
        ([{"candles": {"interval": "1m"}, "conflate": {"every": 1}}], "process[0]: a step names candles and conflate"),
        ([{"conflate": {"every": 1}}, {}], "process[1]: a step names nothing"),
        ([{"throttle": {"every": 1, "channels": ["l2_book"]}}], "process[0].throttle.channels"),
        ([{"throttle": {"every": 1, "channels": []}}], "process[0].throttle: channels is empty"),
        ([{"books": {"depth": 5}}], "process[0].books: neither every nor changes says when"),
        ([{"books": {"changes": 0}}], "process[0].books: changes is 0"),
        ([{"books": {"changes": 1, "depth": 5, "deltas": True}}], "deltas do not follow a snapshot of some levels"),
        ([{"call": {"function": "nowhere"}}], "process[0].call: function is 'nowhere' → write module:function"),
        ({"candles": {"interval": "1m"}}, "process: expected a list"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_place(process: Any, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(process)
    assert says in str(caught.value)


def test_a_function_that_cannot_be_imported_is_named_with_its_place() -> None:
    steps = read([{"conflate": {"every": 1}}, {"call": {"function": "nowhere:f"}}])
    with pytest.raises(ConfigError) as caught:
        Processing(SinkConfig("x", "jsonl", process=steps), lambda record: None)
    assert caught.value.path == "process[1].call.function"


# records
def trade(number: int, seconds: float) -> Trade:
    ts = round(seconds * SECOND)
    return Trade("toy", "A-USD", ts, ts, 10.0, 1.0, None, str(number), number)


def processed(
    *events: Event, process: Any, channels: tuple[Channel, ...] | None = None
) -> tuple[list[Record], list[Record]]:
    """Give the records that went in, and those that came out."""
    out: list[Record] = []
    steps = Processing(SinkConfig("x", "jsonl", channels, process=read(process)), out.append)
    records = [Record(event, "RUN", number, f"RUN/{number}") for number, event in enumerate(events, 1)]
    for record in records:
        steps.put(record)
    steps.flush()
    return records, out


def test_what_passes_keeps_its_record_and_a_candle_is_named_by_what_it_is_of() -> None:
    given = [trade(1, 1), trade(2, 61), trade(3, 30)]  # the last one is late
    records, out = processed(*given, process=[{"candles": {"interval": "1m"}}])
    assert [record for record in out if record in records] == records
    made = [record for record in out if isinstance(record.event, Candle)]
    assert [(record.key, record.ordinal, record.run_id) for record in made] == [
        ("toy/A-USD/candle/1m/0/closed/1", 2, "RUN"),
        ("toy/A-USD/candle/1m/0/closed/2", 3, "RUN"),
    ]


def test_a_replay_gives_the_same_records() -> None:
    quotes = [
        Quote("toy", "A-USD", None, number * SECOND // 10, float(number), 1.0, None, None) for number in range(30)
    ]
    steps = [{"nbbo": {}}, {"throttle": {"every": "1s"}}, {"vwap": {"window": "1m"}}]
    _, first = processed(*quotes, trade(1, 3), process=steps)
    _, again = processed(*quotes, trade(1, 3), process=steps)
    assert first == again
    assert len({record.key for record in first}) == len(first)


def test_the_sink_s_channels_choose_of_what_comes_out() -> None:
    mark = Watermark("toy", "A-USD", None, 70 * SECOND, Channel.TRADES, None, Severity.INFO, 70 * SECOND)
    _, out = processed(trade(1, 1), mark, process=[{"candles": {"interval": "1m"}}], channels=(Channel.CANDLES,))
    assert [type(record.event) for record in out] == [Candle]


def test_what_a_step_holds_back_goes_through_the_later_ones_at_the_end() -> None:
    quotes = [Quote("toy", "A-USD", None, number, float(number + 1), 1.0, None, None) for number in range(3)]
    _, out = processed(*quotes, process=[{"throttle": {"every": "1s"}}, {"nbbo": {}}])
    assert [(one.event.exchange, getattr(one.event, "bid_price", None)) for one in out] == [
        ("toy", 1.0), ("nbbo", 1.0), ("toy", 3.0), ("nbbo", 3.0),
    ]  # fmt: skip
