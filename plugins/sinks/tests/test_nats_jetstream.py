"""NATS JetStream against a real server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import nats
import pytest
from nats.js import errors as js_errors
from nats.js.api import StreamConfig

from tickwire import ConfigError, ConnectionLostError, Record, Secret, Trade, encode_record
from tickwire.testing import write_batches
from tickwire_sinks.nats_jetstream import NatsJetStreamSink
from tickwire_sinks.options import NatsJetStreamOptions

URL = "nats://127.0.0.1:4222"
Run = Callable[..., Any]
Trades = Callable[..., list[Record]]


@pytest.fixture
def stream(needs: Callable[[str, int, str], None], name: str, run: Run) -> Iterator[str]:
    needs("NATS", 4222, "nats-server -js")
    yield name

    async def clean() -> None:
        client = await nats.connect(URL)
        try:
            await client.jetstream().delete_stream(name)
        except js_errors.NotFoundError:
            pass
        finally:
            await client.close()

    run(clean())


def options(stream: str, **more: Any) -> NatsJetStreamOptions:
    subject = f"{stream}.{{exchange}}.{{channel}}.{{symbol}}"
    return NatsJetStreamOptions(Secret(URL), stream, **{"subject": subject, "storage": "memory", **more})


async def messages(stream: str, url: str = URL) -> list[tuple[str, str, bytes]]:
    """Subject, id and payload of all messages, in the stream's order."""
    client = await nats.connect(url)
    try:
        context = client.jetstream()
        state = (await context.stream_info(stream)).state
        numbers = range(state.first_seq, state.last_seq + 1)
        found = [await context.get_msg(stream, number) for number in numbers]
        return [(str(one.subject), (one.headers or {})["Nats-Msg-Id"], one.data or b"") for one in found]
    finally:
        await client.close()


def test_every_event_is_a_message_with_its_key_as_id(stream: str, every_event: list[Record], run: Run) -> None:
    async def main() -> Any:
        await write_batches(NatsJetStreamSink(options(stream)), every_event)
        return await messages(stream)

    found = run(main())
    assert [(key, payload) for _, key, payload in found] == [(one.key, encode_record(one)) for one in every_event]
    symbols = [unquote(subject.rpartition(".")[2]) for subject, _, _ in found]
    assert symbols == [one.event.symbol or "_" for one in every_event]


def test_a_key_that_comes_again_is_taken_for_the_same_message(stream: str, trades: Trades, run: Run) -> None:
    batch = trades(60)

    async def main() -> Any:
        await write_batches(NatsJetStreamSink(options(stream)), batch[:40], batch[20:40])
        await write_batches(NatsJetStreamSink(options(stream)), batch)
        return await messages(stream)

    assert [key for _, key, _ in run(main())] == [one.key for one in batch]


def test_a_stream_is_made_as_the_settings_say(stream: str, run: Run) -> None:
    async def main() -> Any:
        await write_batches(NatsJetStreamSink(options(stream, max_age=3600.0, max_bytes=10_000_000, duplicates=60.0)))
        client = await nats.connect(URL)
        try:
            return (await client.jetstream().stream_info(stream)).config
        finally:
            await client.close()

    config = run(main())
    assert (config.subjects, config.max_age, config.max_bytes, config.duplicate_window, config.storage) == (
        [f"{stream}.*.*.*"], 3600.0, 10_000_000, 60.0, "memory",
    )  # fmt: skip


@pytest.mark.parametrize(("subjects", "is_taken"), [("{}.>", True), ("{}.acme.*.*", False), ("{}.*.*", False)])
def test_a_stream_that_is_there_is_used_if_it_takes_the_subjects(
    stream: str, trades: Trades, run: Run, subjects: str, is_taken: bool
) -> None:
    async def main() -> int:
        client = await nats.connect(URL)
        await client.jetstream().add_stream(StreamConfig(name=stream, subjects=[subjects.format(stream)]))
        await client.close()
        if not is_taken:
            with pytest.raises(ConfigError, match=r"takes .*, not .* → add .* to its subjects, or name another stream"):
                await write_batches(NatsJetStreamSink(options(stream)))
            return 0
        await write_batches(NatsJetStreamSink(options(stream)), trades(5))
        return len(await messages(stream))

    assert run(main()) == (5 if is_taken else 0)


def test_a_subject_that_another_stream_takes_is_told(stream: str, run: Run) -> None:
    other = NatsJetStreamOptions(Secret(URL), f"{stream}_2", subject=options(stream).subject)

    async def main() -> None:
        await write_batches(NatsJetStreamSink(options(stream)))
        with pytest.raises(ConfigError, match=r"NATS at 127.0.0.1:4222: .*subjects overlap with an existing stream"):
            await NatsJetStreamSink(other).open()

    run(main())


def test_a_message_that_is_too_large_is_refused_alone(stream: str, trades: Trades, run: Run) -> None:
    batch = trades(4)
    huge = Record(Trade("acme", "BTC-USD", 1, 2, 1.0, 1.0, conditions=("x" * 2_000_000,)), "RUN", 9, "huge")

    async def main() -> Any:
        sink = NatsJetStreamSink(options(stream))
        await sink.open()
        with pytest.raises(nats.errors.MaxPayloadError):
            await sink.write([*batch[:2], huge, *batch[2:]])
        await sink.write(batch)
        await sink.close()
        return await messages(stream)

    assert [key for _, key, _ in run(main())] == [one.key for one in batch]


def test_a_stream_that_was_deleted_is_made_anew(stream: str, trades: Trades, run: Run) -> None:
    async def main() -> Any:
        sink = NatsJetStreamSink(options(stream))
        await sink.open()
        client = await nats.connect(URL)
        await client.jetstream().delete_stream(stream)
        await client.close()
        with pytest.raises(ConnectionLostError, match="no response from stream"):
            await sink.write(trades(3))
        await sink.open()
        await sink.write(trades(3))
        await sink.close()
        return await messages(stream)

    assert len(run(main())) == 3


def test_a_killed_server_is_told_and_after_its_restart_nothing_is_missing_or_twice(
    serve: Callable[..., Any], port: int, folder: Path, trades: Trades, run: Run
) -> None:
    server = serve("nats-server", "-js", "-sd", str(folder), "-a", "127.0.0.1", "-p", str(port), ready=b"is ready")
    url = f"nats://127.0.0.1:{port}"
    sink = NatsJetStreamSink(NatsJetStreamOptions(Secret(url)))
    batch = trades(400)

    async def main() -> Any:
        await sink.open()
        await sink.write(batch[:200])
        server.kill()
        with pytest.raises(ConnectionLostError, match=f"NATS at 127.0.0.1:{port}"):
            await sink.write(batch[200:])
        with pytest.raises(ConnectionLostError):
            await sink.open()
        await sink.close()
        server.start()
        await sink.open()
        await sink.write(batch[100:])
        await sink.close()
        return await messages("tickwire", url)

    assert [key for _, key, _ in run(main())] == [one.key for one in batch]


CONFIG = """
port: {port}, host: 127.0.0.1
jetstream: {{store_dir: "{folder}"}}
authorization: {{users: [
  {{user: may, password: right}},
  {{user: maynot, password: right, permissions: {{publish: ["$JS.API.>"]}}}}
]}}
"""


@pytest.mark.parametrize(
    ("user", "message"),
    [("may:wrong@", "Authorization Violation"), ("", "Authorization Violation"), ("maynot:right@", "Permissions Viol")],
)  # fmt: skip
def test_what_the_user_may_not_is_told_without_the_password(
    serve: Callable[..., Any], port: int, folder: Path, trades: Trades, run: Run, user: str, message: str
) -> None:
    file = folder / "nats.conf"
    file.write_text(CONFIG.format(port=port, folder=folder))
    serve("nats-server", "-c", str(file), ready=b"is ready")
    sink = NatsJetStreamSink(NatsJetStreamOptions(Secret(f"nats://{user}127.0.0.1:{port}")))
    with pytest.raises(ConfigError, match=f"(?i)NATS at 127.0.0.1:{port}: .*{message}.* → look at url") as caught:
        run(write_batches(sink, trades(3)))
    assert not {"wrong", "right"} & set(str(caught.value).replace(":", " ").split())
