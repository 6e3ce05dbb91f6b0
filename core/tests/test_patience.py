"""A hole is settled or given up only by a reading of history that is new enough to show what is missing."""

from __future__ import annotations

import pytest

from tickwire.feed.holes import NumberedHole
from tickwire.feed.patience import Patience, Step
from tickwire.model.errors import ConnectionLostError, PluginContractError, RequestRejectedError, TickwireError
from tickwire.model.events import Trade


def trade(number: int) -> Trade:
    return Trade("toy", "SOL-USD", number, number, 1.0, 1.0, None, str(number), number)


def hole(*live: int, read: tuple[int, ...] = ()) -> NumberedHole:
    made = NumberedHole(trade(10), 0)
    for number in live:
        made.live(trade(number))
    made.page(map(trade, read))
    return made


QUIET, LACKING = hole(read=(11, 12)), hole(15, read=(11, 12))


def test_a_reading_as_old_as_history_may_be_decides_nothing() -> None:
    patience = Patience(15, 100)
    assert [patience.read(QUIET, 0, at) for at in (100, 110, 114.9)] == [Step.WAIT] * 3


def test_two_current_readings_without_news_settle_a_quiet_hole() -> None:
    patience = Patience(15, 100)
    assert [patience.read(QUIET, fresh, at) for fresh, at in ((2, 115), (0, 120))] == [Step.WAIT, Step.SETTLE]


def test_news_in_a_second_current_reading_were_not_delivered() -> None:
    patience = Patience(15, 100)
    steps = [patience.read(QUIET, fresh, at) for fresh, at in ((2, 115), (1, 120), (0, 125))]
    assert steps == [Step.WAIT, Step.NOT_DELIVERED, Step.SETTLE]


def test_what_lies_before_a_live_trade_is_waited_for_from_when_that_came() -> None:
    patience = Patience(15, 100)
    readings = ((1, 120), (0, 134), (1, 135), (0, 140))
    assert [patience.read(LACKING, *one) for one in readings] == [Step.WAIT, Step.WAIT, Step.WAIT, Step.GIVE_UP]


def test_a_new_subscription_begins_anew() -> None:
    patience = Patience(15, 100)
    patience.read(QUIET, 0, 115)
    patience.subscribed(116)
    assert [patience.read(QUIET, 0, at) for at in (130, 131, 132)] == [Step.WAIT, Step.WAIT, Step.SETTLE]


@pytest.mark.parametrize(
    ("error", "last"),
    [
        (ConnectionLostError("lost"), 300.0),
        (RequestRejectedError("forbidden", status=403), 30.0),
        (PluginContractError("no history()", hint="write it"), -1.0),
    ],
)
def test_a_history_that_cannot_be_had_is_given_up_after_its_time(error: TickwireError, last: float) -> None:
    patience = Patience(15, 100)
    steps = [patience.failed(error, 100 + seconds) for seconds in (max(last, 0), last + 1)]
    assert steps == [Step.WAIT if last >= 0 else Step.GIVE_UP, Step.GIVE_UP]
