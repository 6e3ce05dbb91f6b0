"""MQTT against a real Mosquitto."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode

from tickwire import ConfigError, ConnectionLostError, Record, Secret, Trade, encode_record
from tickwire.testing import write_batches
from tickwire_sinks.mqtt import CODES, MqttSink
from tickwire_sinks.options import MqttOptions

Run = Callable[..., Any]
Listen = Callable[..., Any]
Trades = Callable[..., list[Record]]


@pytest.fixture
def root(needs: Callable[[str, int, str], None], name: str) -> str:
    needs("Mosquitto", 1883, "mosquitto -d")
    return name


def options(root: str, **more: Any) -> MqttOptions:
    return MqttOptions(Secret("mqtt://127.0.0.1:1883"), f"{root}/{{exchange}}/{{channel}}/{{symbol}}", **more)


@pytest.mark.parametrize("protocol", ["mqtt5", "mqtt3"])
def test_every_event_is_a_message_on_the_topic_of_its_kind(
    root: str, every_event: list[Record], listen: Listen, run: Run, protocol: str
) -> None:
    listener = listen(root)
    run(write_batches(MqttSink(options(root, protocol=protocol)), every_event))
    found = listener.take(len(every_event))
    assert [payload for _, payload in found] == [encode_record(one) for one in every_event]
    assert [unquote(topic.split("/")[3]) for topic, _ in found] == [one.event.symbol or "_" for one in every_event]


def test_messages_come_in_order(root: str, trades: Trades, listen: Listen, run: Run) -> None:
    listener, batch = listen(root), trades(900)
    run(write_batches(MqttSink(options(root)), batch[:850], batch[850:], []))
    assert [payload for _, payload in listener.take(900)] == [encode_record(one) for one in batch]


def test_the_last_event_of_each_topic_is_kept_for_who_comes_later(
    root: str, trades: Trades, listen: Listen, run: Run
) -> None:
    batch = trades(8)
    run(write_batches(MqttSink(options(root, retain=True)), batch))
    listener = listen(root)
    found = listener.take(2)
    for topic, _ in found:
        listener.forget(topic)
    assert dict(found) == {f"{root}/acme/trades/{one.event.symbol}": encode_record(one) for one in batch}


def test_a_killed_broker_is_told_at_once_and_after_its_restart_what_was_sent_again_is_there(
    serve: Callable[..., Any], port: int, folder: Path, trades: Trades, listen: Listen, run: Run
) -> None:
    file = folder / "mosquitto.conf"
    file.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n")
    broker = serve("mosquitto", "-v", "-c", str(file), ready=b" running")
    sink = MqttSink(MqttOptions(Secret(f"mqtt://127.0.0.1:{port}")))
    batch = trades(200)

    async def main() -> Any:
        await sink.open()
        await sink.write(batch[:100])
        broker.kill()
        with pytest.raises(ConnectionLostError, match=f"MQTT broker at 127.0.0.1:{port}"):
            await sink.write(batch[100:])
        with pytest.raises(ConnectionLostError):
            await sink.open()
        await sink.close()
        broker.start()
        listener = listen("tickwire", port)
        await sink.open()
        await sink.write(batch[100:])
        await sink.close()
        return listener.take(100)

    assert [payload for _, payload in run(main())] == [encode_record(one) for one in batch[100:]]


@pytest.fixture
def guarded(serve: Callable[..., Any], port: int, folder: Path) -> str:
    """A broker of its own where ``someone`` (no password of his is known) may do nothing, and anybody a little."""
    (folder / "passwords").touch(0o600)
    (folder / "rights").write_text("topic write open/#\n")
    file = folder / "mosquitto.conf"
    files = f"password_file {folder / 'passwords'}\nacl_file {folder / 'rights'}\n"
    file.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n{files}user root\n")
    serve("mosquitto", "-v", "-c", str(file), ready=b" running")
    return f"127.0.0.1:{port}"


@pytest.mark.parametrize("protocol", ["mqtt5", "mqtt3"])
def test_a_wrong_password_is_the_users_to_mend_and_is_not_shown(guarded: str, run: Run, protocol: Any) -> None:
    sink = MqttSink(MqttOptions(Secret(f"mqtt://someone:wrong@{guarded}"), protocol=protocol))
    with pytest.raises(ConfigError, match=rf"MQTT broker at {guarded}: Not authorized → look at url") as caught:
        run(sink.open())
    assert "wrong" not in str(caught.value)
    run(sink.close())


def test_a_topic_that_may_not_be_published_refuses_its_own_records_only(guarded: str, trades: Trades, run: Run) -> None:
    batch = trades(8)

    async def main() -> None:
        sink = MqttSink(MqttOptions(Secret(f"mqtt://{guarded}"), "{symbol}/x"))
        await sink.open()
        with pytest.raises(ConfigError, match=rf"MQTT broker at {guarded}: Not authorized → look at url"):
            await sink.write(batch)
        fine = Record(Trade("acme", "open", 1, 2, 3.0, 4.0), "RUN", 1, "k")
        await sink.write([fine])
        await sink.close()

    run(main())


def test_a_topic_that_is_too_long_is_refused(root: str, trades: Trades, listen: Listen, run: Run) -> None:
    listener, batch = listen(root), trades(3)
    long = Record(Trade("acme", "X" * 70_000, 1, 2, 3.0, 4.0), "RUN", 9, "long")

    async def main() -> None:
        sink = MqttSink(options(root))
        await sink.open()
        with pytest.raises(ValueError, match="topic"):
            await sink.write([*batch[:2], long])
        await sink.write(batch[2:])
        await sink.close()

    run(main())
    assert [payload for _, payload in listener.take(3)] == [encode_record(one) for one in batch]


def test_every_reason_code_has_its_meaning() -> None:
    ours = {PacketTypes.CONNACK, PacketTypes.PUBACK}
    known = ReasonCode(PacketTypes.CONNACK).names
    codes = {code for code, names in known.items() if any(ours & set(kinds) for kinds in names.values())}
    assert {code for code in codes if code >= 0x80} <= set(CODES)
