"""RabbitMQ against a real broker."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import aio_pika
import pytest

from tickwire import ConfigError, ConnectionLostError, Record, Secret, Trade, encode_record
from tickwire.testing import write_batches
from tickwire_sinks.options import RabbitMqOptions
from tickwire_sinks.rabbitmq import RabbitMqSink

URL = "amqp://guest:guest@127.0.0.1:5672/"
Run = Callable[..., Any]
Trades = Callable[..., list[Record]]


@pytest.fixture
def exchange(needs: Callable[[str, int, str], None], name: str, run: Run) -> Iterator[str]:
    needs("RabbitMQ", 5672, "rabbitmq-server -detached")
    yield name

    async def clean() -> None:
        async with await aio_pika.connect(URL) as connection:
            channel = await connection.channel()
            await channel.exchange_delete(name)
            await channel.queue_delete(name)

    run(clean())


def options(exchange: str, **more: Any) -> RabbitMqOptions:
    return RabbitMqOptions(Secret(URL), exchange, **{"durable_queue": exchange, **more})


async def messages(queue: str) -> list[Any]:
    """Take everything out of a queue."""
    found = []
    async with await aio_pika.connect(URL) as connection:
        channel = await connection.channel()
        source = await channel.get_queue(queue)
        while (message := await source.get(no_ack=True, fail=False)) is not None:
            found.append(message)
    return found


def test_every_event_is_a_persistent_message_with_its_key(exchange: str, every_event: list[Record], run: Run) -> None:
    async def main() -> Any:
        await write_batches(RabbitMqSink(options(exchange)), every_event)
        return await messages(exchange)

    found = run(main())
    assert [(one.message_id, one.body) for one in found] == [(one.key, encode_record(one)) for one in every_event]
    assert {one.delivery_mode for one in found} == {aio_pika.DeliveryMode.PERSISTENT}
    assert [one.routing_key for one in found][:3] == [
        "kit.trades.SOL-USDC", "kit.trades.1000X%2EY-USDC-PERP", "kit.l2_book.SOL-USDC",
    ]  # fmt: skip


def test_messages_come_in_order(exchange: str, trades: Trades, run: Run) -> None:
    batch = trades(600)

    async def main() -> Any:
        await write_batches(RabbitMqSink(options(exchange)), batch[:500], batch[500:])
        return await messages(exchange)

    assert [one.message_id for one in run(main())] == [one.key for one in batch]


def test_a_queue_of_the_users_own_gets_what_it_is_bound_for(exchange: str, trades: Trades, run: Run) -> None:
    batch = trades(20)

    async def main() -> Any:
        sink = RabbitMqSink(options(exchange, durable_queue=""))
        await sink.open()
        async with await aio_pika.connect(URL) as connection:
            channel = await connection.channel()
            queue = await channel.declare_queue(exchange)
            await queue.bind(exchange, "*.trades.ETH-USD")
            await sink.write(batch)
            await sink.close()
            return await messages(exchange)

    assert [one.message_id for one in run(main())] == [one.key for one in batch if one.event.symbol == "ETH-USD"]


def test_a_queue_that_was_deleted_is_made_anew(exchange: str, trades: Trades, run: Run) -> None:
    async def main() -> Any:
        sink = RabbitMqSink(options(exchange))
        await sink.open()
        async with await aio_pika.connect(URL) as connection:
            await (await connection.channel()).queue_delete(exchange)
        with pytest.raises(ConnectionLostError, match=r"RabbitMQ at 127.0.0.1:5672: "):
            await sink.write(trades(3))
        await sink.open()
        await sink.write(trades(3))
        await sink.close()
        return await messages(exchange)

    assert len(run(main())) == 3


def test_an_exchange_that_was_deleted_is_made_anew(exchange: str, trades: Trades, run: Run) -> None:
    async def main() -> Any:
        sink = RabbitMqSink(options(exchange))
        await sink.open()
        async with await aio_pika.connect(URL) as connection:
            await (await connection.channel()).exchange_delete(exchange)
        with pytest.raises(ConnectionLostError, match="no exchange"):
            await sink.write(trades(3))
        await sink.open()
        await sink.write(trades(3))
        await sink.close()
        return await messages(exchange)

    assert len(run(main())) == 3


def test_a_routing_key_that_is_too_long_is_refused_alone(exchange: str, trades: Trades, run: Run) -> None:
    batch = trades(2)
    long = Record(Trade("acme", f"{'X' * 300}-USD", 1, 2, 1.0, 1.0), "RUN", 9, "long")

    async def main() -> Any:
        sink = RabbitMqSink(options(exchange))
        await sink.open()
        with pytest.raises(ValueError, match="255"):
            await sink.write([long])
        await sink.write(batch)
        await sink.close()
        return await messages(exchange)

    assert [one.message_id for one in run(main())] == [one.key for one in batch]


def test_an_exchange_of_another_kind_is_refused(exchange: str, run: Run) -> None:
    async def main() -> None:
        async with await aio_pika.connect(URL) as connection:
            channel = await connection.channel()
            await channel.declare_exchange(exchange, aio_pika.ExchangeType.FANOUT, durable=True)
        with pytest.raises(ConfigError, match="inequivalent arg 'type' for exchange"):
            await RabbitMqSink(options(exchange)).open()

    run(main())


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("amqp://guest:wrong@127.0.0.1:5672/", "RabbitMQ at 127.0.0.1:5672: .*(?i:refused)"),
        ("amqp://guest:guest@127.0.0.1:5672/tw_no_such", "RabbitMQ at 127.0.0.1:5672 closes .* virtual host"),
    ],
)
def test_what_the_broker_refuses_is_the_users_to_mend(exchange: str, run: Run, url: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        run(RabbitMqSink(RabbitMqOptions(Secret(url))).open())
    assert "wrong" not in str(caught.value)


def test_a_broker_that_does_not_answer_is_lost(port: int, run: Run) -> None:
    sink = RabbitMqSink(RabbitMqOptions(Secret(f"amqp://127.0.0.1:{port}/")))

    async def main() -> None:
        with pytest.raises(ConnectionLostError, match=f"RabbitMQ at 127.0.0.1:{port}: "):
            await sink.open()
        with pytest.raises(ConnectionLostError, match="is not connected"):
            await sink.write([])
        await sink.close()

    run(main())
