"""Hook implementations, nothing else."""

from collections.abc import Iterable

from tickwire import hookimpl
from tickwire.plugin import SinkInfo
from tickwire_sinks.database_options import ClickHouseOptions, InfluxOptions, QuestOptions
from tickwire_sinks.options import (
    MqttOptions,
    NatsJetStreamOptions,
    PostgresOptions,
    RabbitMqOptions,
    RedisStreamsOptions,
)
from tickwire_sinks.stream_options import KafkaOptions, SocketOptions, WebhookOptions, ZeroMqOptions


@hookimpl
def tickwire_sinks() -> Iterable[SinkInfo]:
    """Declare the sinks; the libraries they need are imported when a config uses them."""
    here = "tickwire_sinks"
    return [
        SinkInfo(
            "redis_streams", RedisStreamsOptions, f"{here}.redis_streams:RedisStreamsSink",
            "Redis Streams, and the last event of each kind under a key",
        ),
        SinkInfo("postgres", PostgresOptions, f"{here}.postgres:PostgresSink", "PostgreSQL tables, each event once"),
        SinkInfo("nats_jetstream", NatsJetStreamOptions, f"{here}.nats_jetstream:NatsJetStreamSink", "NATS JetStream"),
        SinkInfo("rabbitmq", RabbitMqOptions, f"{here}.rabbitmq:RabbitMqSink", "a RabbitMQ topic exchange, confirmed"),
        SinkInfo("mqtt", MqttOptions, f"{here}.mqtt:MqttSink", "topics of an MQTT broker, QoS 1"),
        SinkInfo("kafka", KafkaOptions, f"{here}.kafka:KafkaSink", "Kafka topics, keyed by instrument, acks=all"),
        SinkInfo("zeromq", ZeroMqOptions, f"{here}.zeromq:ZeroMqSink", "ZeroMQ PUSH or PUB"),
        SinkInfo("socket", SocketOptions, f"{here}.sockets:SocketSink", "JSON lines over TCP, UDP or a Unix socket"),
        SinkInfo("webhook", WebhookOptions, f"{here}.webhook:WebhookSink", "quality events, posted to a web server"),
        SinkInfo("influxdb", InfluxOptions, f"{here}.influxdb:InfluxSink", "InfluxDB 1, 2 or 3, each event once"),
        SinkInfo("questdb", QuestOptions, f"{here}.questdb:QuestSink", "QuestDB tables, each event once"),
        SinkInfo("clickhouse", ClickHouseOptions, f"{here}.clickhouse:ClickHouseSink", "ClickHouse tables"),
    ]  # fmt: skip
