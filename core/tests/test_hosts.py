"""Which host is used: the primary while it works, an alternative for a while, and no going to and fro."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickwire.feed.hosts import HostChoice, host_name, is_the_hosts_fault
from tickwire.model.clock import ManualClock
from tickwire.model.errors import (
    AuthRejectedError,
    ConnectionLostError,
    DecodeError,
    ExchangeUnavailableError,
    RateLimitedError,
    RequestRejectedError,
    TickwireError,
)

THREE = ("https://api", "https://api1", "https://api2")


class Drill:
    """Asks the choice for a host and tells it how that went."""

    def __init__(self, urls: Sequence[str] = THREE) -> None:
        self.clock = ManualClock()
        self.choice = HostChoice(urls, self.clock)
        self.down: set[str] = set()

    def ask(self) -> str:
        url = self.choice.current()
        if url in self.down:
            self.choice.failed(url)
        else:
            self.choice.worked(url)
        return url.removeprefix("https://")

    def wait(self, seconds: float) -> None:
        asyncio.run(self.clock.advance(seconds))


def test_the_primary_is_used_as_long_as_it_works() -> None:
    drill = Drill()
    for _ in range(5):
        assert drill.ask() == "api"
        drill.wait(1000)


def test_a_host_that_fails_is_left_for_the_next_one_round_and_round() -> None:
    drill = Drill()
    drill.down = set(THREE)
    assert [drill.ask() for _ in range(7)] == ["api", "api1", "api2", "api", "api1", "api2", "api"]


def test_a_single_host_is_never_left() -> None:
    drill = Drill(THREE[:1])
    assert drill.choice.failed("https://api") is False
    assert drill.ask() == "api"


def test_of_many_failures_at_once_the_first_makes_the_difference() -> None:
    choice = HostChoice(THREE, ManualClock())
    assert [choice.failed("https://api") for _ in range(5)] == [True, False, False, False, False]
    assert choice.current() == "https://api1"


def test_an_alternative_that_works_is_kept_for_five_minutes_then_the_primary_is_tried_again() -> None:
    drill = Drill()
    drill.down = {"https://api"}
    assert [drill.ask(), drill.ask()] == ["api", "api1"]
    drill.down = set()
    drill.wait(299)
    assert drill.ask() == "api1"
    drill.wait(1)
    assert [drill.ask(), drill.ask()] == ["api", "api"]


def test_a_primary_still_down_costs_one_attempt_and_then_twice_the_time_an_hour_at_most() -> None:
    drill = Drill()
    drill.down = {"https://api", "https://api1"}
    assert [drill.ask(), drill.ask(), drill.ask()] == ["api", "api1", "api2"]
    for kept in (300, 600, 1200, 2400, 3600, 3600):
        drill.wait(kept - 1)
        assert drill.ask() == "api2"
        drill.wait(1)
        assert [drill.ask(), drill.ask()] == ["api", "api2"]


def test_a_primary_that_fails_soon_after_its_return_is_not_trusted_either_but_a_steady_one_is_again() -> None:
    def waits(steady_for: float) -> str:
        drill = Drill()
        drill.down = {"https://api"}
        assert [drill.ask(), drill.ask()] == ["api", "api1"]
        drill.down = set()
        drill.wait(300)
        assert drill.ask() == "api"
        drill.wait(steady_for)
        drill.down = {"https://api"}
        assert [drill.ask(), drill.ask()] == ["api", "api1"]
        drill.wait(300)
        return drill.ask()

    assert waits(steady_for=10) == "api1"
    assert waits(steady_for=1000) == "api"


def test_while_nothing_works_no_time_is_lost_on_waiting_for_the_primary() -> None:
    drill = Drill()
    drill.down = set(THREE)
    for _ in range(100):
        drill.ask()
        drill.wait(60)
    drill.down = {"https://api1", "https://api2"}
    assert "api" in {drill.ask() for _ in range(3)}


@given(
    steps=st.lists(st.tuples(st.sets(st.sampled_from(THREE)), st.sampled_from([0.0, 1.0, 100.0, 1000.0])), max_size=60)
)
def test_with_one_host_up_it_is_found_within_a_round(steps: list[tuple[set[str], float]]) -> None:
    drill = Drill()
    for down, seconds in steps:
        drill.down = down
        drill.ask()
        asyncio.run(drill.clock.advance(seconds))
    drill.down = {"https://api", "https://api2"}
    assert "api1" in {drill.ask() for _ in range(4)}


@pytest.mark.parametrize(
    ("error", "is_signed", "expected"),
    [
        (ConnectionLostError("no"), False, True),
        (ExchangeUnavailableError("451", status=451), True, True),
        (ExchangeUnavailableError("403", status=403), False, True),
        (ExchangeUnavailableError("403", status=403), True, False),
        (ExchangeUnavailableError("503", status=503), True, True),
        (ExchangeUnavailableError("its code says maintenance"), False, True),
        (RateLimitedError("429"), False, False),
        (RateLimitedError("418", is_ban=True), False, False),
        (RequestRejectedError("404", status=404), False, False),
        (AuthRejectedError("401"), True, False),
        (DecodeError("odd"), False, False),
    ],
    ids=lambda value: str(value),
)
def test_what_another_host_may_do_better(error: TickwireError, is_signed: bool, expected: bool) -> None:
    assert is_the_hosts_fault(error, is_signed=is_signed) is expected


def test_a_host_is_named_without_path_or_secret() -> None:
    assert host_name("wss://me:secret@ws.example:9443/v1?token=x") == "ws.example:9443"
