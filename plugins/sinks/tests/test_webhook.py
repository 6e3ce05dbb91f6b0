"""A webhook: what it is told, how often, and what answers mean; with a web server on loopback and a clock by hand."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from aiohttp import web

from tickwire import (
    Channel,
    ConfigError,
    Dropped,
    Gap,
    GapCause,
    ManualClock,
    RateLimitedError,
    RefusedError,
    Repair,
    RetryableError,
    Secret,
    Severity,
    Subscribed,
    encode_record,
)
from tickwire.testing import recorded, stream_of
from tickwire_sinks.stream_options import WebhookOptions
from tickwire_sinks.webhook import WebhookSink, summary

T0 = 1_790_000_000_123_456_789
PATH = "/services/T0/s3cret"


class Hook:
    """Keeps what is posted to it; ``answers`` are given first."""

    def __init__(self) -> None:
        self.posted: list[tuple[dict[str, str], Any]] = []
        self.answers: list[web.Response] = []
        self.url = ""

    async def answer(self, request: web.Request) -> web.Response:
        assert request.path == PATH
        if self.answers:
            return self.answers.pop(0)
        self.posted.append((dict(request.headers), msgspec.json.decode(await request.read())))
        return web.Response(text="ok")


@asynccontextmanager
async def served() -> AsyncIterator[Hook]:
    hook = Hook()
    app = web.Application()
    app.router.add_post("/{path:.*}", hook.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    hook.url = f"http://127.0.0.1:{runner.addresses[0][1]}{PATH}?key=t0ken"
    yield hook
    await runner.cleanup()


def gap(number: int, severity: Severity = Severity.WARNING) -> Gap:
    head = ("kit", "SOL-USDC", None, T0 + number, Channel.TRADES, "public-1", severity)
    return Gap(*head, f"g{number}", GapCause.SEQUENCE, T0, T0 + number, 3, 4, 2, Repair.BACKFILL, "two are missing")


def sink_for(hook: Hook, clock: ManualClock | None = None, **settings: Any) -> WebhookSink:
    return WebhookSink(WebhookOptions(Secret(hook.url), **settings), clock or ManualClock())


def test_one_message_tells_of_a_batch_and_leaves_out_what_is_not_loud_enough() -> None:
    async def body() -> None:
        quiet = Subscribed("kit", "SOL-USDC", None, T0, Channel.TRADES, None, Severity.INFO, T0)
        records = recorded([gap(1), quiet, gap(2, Severity.ERROR)])
        async with served() as hook:
            sink = sink_for(hook, headers={"X-Key": Secret("hunter2")})
            await sink.open()
            await sink.write([*stream_of(5), *records])
            await sink.close()
        ((headers, message),) = hook.posted
        assert headers["X-Key"] == "hunter2"
        assert message == {
            "text": summary([records[0], records[2]]),
            "severity": "error",
            "count": 2,
            "events": [msgspec.json.decode(encode_record(record)) for record in (records[0], records[2])],
        }

    asyncio.run(body())


def test_nothing_loud_enough_is_no_message() -> None:
    async def body() -> None:
        async with served() as hook:
            sink = sink_for(hook, severity=Severity.ERROR)
            await sink.open()
            await sink.write([*stream_of(5), *recorded([gap(1)])])
            await sink.close()
        assert hook.posted == []

    asyncio.run(body())


def test_the_second_message_waits_for_its_time_and_the_first_does_not() -> None:
    async def body() -> None:
        clock = ManualClock()
        async with served() as hook:
            sink = sink_for(hook, clock)
            await sink.open()
            await sink.write(recorded([gap(1)]))
            second = asyncio.create_task(sink.write(recorded([gap(2), gap(3)])))
            await clock.advance(29.9)
            assert (len(hook.posted), second.done()) == (1, False)
            await clock.advance(0.1)
            await second
            await clock.advance(31)
            await sink.write(recorded([gap(4)]))  # the time has passed by itself
            await sink.close()
        assert [message["count"] for _, message in hook.posted] == [1, 2, 1]

    asyncio.run(body())


def test_the_same_batch_again_has_the_same_idempotency_key() -> None:
    async def body() -> None:
        clock = ManualClock()
        async with served() as hook:
            sink = sink_for(hook, clock)
            await sink.open()
            for records in (recorded([gap(1)]), recorded([gap(1)]), recorded([gap(1), gap(2)])):
                await sink.write(records)
                await clock.advance(30)
            await sink.close()
        keys = [headers["Idempotency-Key"] for headers, _ in hook.posted]
        assert keys[0] == keys[1] != keys[2]

    asyncio.run(body())


@pytest.mark.parametrize(
    ("style", "message"), [("slack", lambda text: {"text": text}), ("discord", lambda text: {"content": text[:2000]})]
)
def test_other_services_get_the_text_under_their_name(style: str, message: Callable[[str], object]) -> None:
    async def body() -> None:
        records = recorded([gap(number) for number in range(50)])
        async with served() as hook:
            sink = sink_for(hook, style=style)
            await sink.open()
            await sink.write(records)
            await sink.close()
        assert [posted for _, posted in hook.posted] == [message(summary(records))]

    asyncio.run(body())


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 413, 422, 451])
def test_a_refusal_is_the_messages_end(status: int) -> None:
    asyncio.run(answered(web.Response(status=status, text=f"no such thing as {PATH}"), RefusedError))


@pytest.mark.parametrize("status", [302, 408, 425, 500, 502, 503, 504])
def test_a_server_in_trouble_can_be_tried_again(status: int) -> None:
    asyncio.run(answered(web.Response(status=status, text="later"), RetryableError))


def test_too_many_messages_wait_as_long_as_the_server_says() -> None:
    async def body() -> None:
        clock = ManualClock()
        async with served() as hook:
            hook.answers = [web.Response(status=429, headers={"Retry-After": "7"})]
            sink = sink_for(hook, clock)
            await sink.open()
            with pytest.raises(RateLimitedError) as refusal:
                await sink.write(recorded([gap(1)]))
            assert refusal.value.retry_after == 7
            await sink.close()
            await sink.open()
            again = asyncio.create_task(sink.write(recorded([gap(1)])))
            await clock.advance(6.9)
            assert hook.posted == []
            await clock.advance(0.1)
            await again
            await sink.close()
        assert len(hook.posted) == 1

    asyncio.run(body())


async def answered(answer: web.Response, expected: type[Exception]) -> None:
    async with served() as hook:
        hook.answers = [answer]
        sink = sink_for(hook)
        await sink.open()
        with pytest.raises(expected) as refusal:
            await sink.write(recorded([gap(1)]))
        shown = f"{refusal.value!r} {refusal.value} {refusal.value.__cause__} {refusal.value.args}"
        assert "s3cret" not in shown
        assert "t0ken" not in shown
        await sink.write(recorded([gap(1)]))  # a failure does not use up the time of a message
        await sink.close()
    assert len(hook.posted) == 1


def test_nobody_there_can_be_tried_again_and_the_path_is_not_shown() -> None:
    async def body() -> None:
        hook = Hook()
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))  # bound, and never listening
            hook.url = f"http://127.0.0.1:{taken.getsockname()[1]}{PATH}"
            sink = sink_for(hook)
            await sink.open()
            with pytest.raises(RetryableError, match="cannot reach") as lost:
                await sink.write(recorded([gap(1)]))
        assert "s3cret" not in f"{lost.value!r} {lost.value}"
        await sink.close()
        await sink.close()
        with pytest.raises(RetryableError, match="not open"):
            await sink.write(recorded([gap(1)]))

    asyncio.run(body())


def test_the_summary_counts_kinds_and_shows_twenty() -> None:
    dropped = Dropped("kit", "SOL-USDC", None, T0, Channel.TRADES, None, Severity.ERROR, "archive", "spill", 3, T0, T0)
    records = recorded([*(gap(number) for number in range(24)), dropped])
    lines = summary(records).splitlines()
    assert (lines[0], lines[-1], len(lines)) == ("tickwire: 24 × gap, 1 × dropped", "… and 5 more", 22)
    assert lines[1] == (
        "warning gap kit SOL-USDC trades: gap_id g0, cause sequence, ts_start 1790000000123456789, "
        "ts_end 1790000000123456789, first_missing 3, last_missing 4, missing 2, repair backfill, "
        "detail two are missing"
    )


@pytest.mark.parametrize("url", ["", "hooks.example.com/x", "ftp://hooks.example.com/s3cret", "https://"])
def test_a_url_that_cannot_be_posted_to_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        WebhookOptions(Secret(url))
    assert "s3cret" not in str(refusal.value)


def test_neither_url_nor_headers_are_shown() -> None:
    options = WebhookOptions(Secret("https://h.example/s3cret"), headers={"A": Secret("hunter2")})
    assert "s3cret" not in repr(options)
    assert "hunter2" not in repr(options)
