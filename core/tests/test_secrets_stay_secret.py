"""Credentials appear in no log, repr, exception, event or report, whatever goes wrong."""

from __future__ import annotations

import asyncio
import logging
import traceback
from typing import TYPE_CHECKING

import pytest

from tickwire.model.errors import AuthRejectedError, TickwireError
from tickwire.model.quality import Reconnected
from tickwire.model.stored import encode_event
from tickwire.run.console import quality_body
from tickwire.run.report import Tally

if TYPE_CHECKING:
    from conftest import Toy

KEY, PASSWORD, TOKEN = "A6EH-key-of-somebody", "hunter2", "t0k3n-of-a-day"
URL = f"wss://user:{PASSWORD}@toy.example/ws?token={TOKEN}"


def shown(found: str) -> list[str]:
    return [secret for secret in (KEY, PASSWORD, TOKEN) if secret in found]


def test_credentials_are_in_no_log_event_repr_or_report_of_a_feed_that_is_disconnected(
    toy: Toy, caplog: pytest.LogCaptureFixture
) -> None:
    said: list[str] = []

    async def main() -> None:
        tally = Tally()
        async with toy.feed(websocket=[URL], credentials={"api_key": KEY}) as feed:
            await toy.settle()
            toy.last.give({"k": "trade", "s": "SOL_USD", "n": 1}, b"garbage", {"k": "odd"})
            toy.last.end(1006, "lost")
            await toy.settle(2)
            said.extend([repr(feed), str(feed.status()), str(feed.health.reasons), str(list(feed.metrics))])
        assert [one.host for one in toy.seen(Reconnected)] == ["toy.example"]
        for event in toy.events:
            tally.count(event)
            said.append(encode_event(event).decode())
        said.extend(" ".join(quality_body(one)) for one in toy.seen(Reconnected))
        said.append(str(tally.report("run", 2.0)))

    with caplog.at_level(logging.DEBUG):
        asyncio.run(main())
    assert "connection to toy.example ended (1006 lost)" in caplog.text
    assert shown("\n".join([caplog.text, *said])) == []


def test_credentials_are_in_no_exception_of_a_key_that_was_refused(toy: Toy, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> TickwireError:
        toy.declare(public={"login": True})
        feed = toy.feed(websocket=[URL], credentials={"api_key": KEY})
        try:
            async with feed:
                await toy.settle()
                toy.last.give({"k": "login", "ok": False})
                await feed.wait()
        except TickwireError as error:
            return error
        raise AssertionError("it was not refused")

    with caplog.at_level(logging.DEBUG):
        error = asyncio.run(main())
    assert isinstance(error, AuthRejectedError)
    assert shown("\n".join([caplog.text, repr(error), *traceback.format_exception(error)])) == []
