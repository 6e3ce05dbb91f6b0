"""Settings: what a config file can say, and that a password is never shown."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import attrs
import pytest

from tickwire import ConfigError, Registry, Secret
from tickwire.run.config import load_config
from tickwire.run.entries import SinkEntry
from tickwire.run.structuring import structure_options
from tickwire_sinks.options import MqttOptions, NatsJetStreamOptions, place_of

SINKS = {info.type: info for info in Registry.discover({}).sinks.values() if "tickwire_sinks" in info.factory}
URLS = {
    "redis_streams": "redis://me:hunter2@db.example:6379/1",
    "postgres": "postgresql://me:hunter2@db.example/market",
    "nats_jetstream": "nats://me:hunter2@one.example:4222,nats://me:hunter2@two.example:4222",
    "rabbitmq": "amqps://me:hunter2@mq.example/market",
    "mqtt": "mqtts://me:hunter2@broker.example",
}


@pytest.mark.parametrize("type_", URLS)
def test_a_url_is_enough_and_its_password_is_not_shown(type_: str) -> None:
    options: Any = structure_options(SINKS[type_].options_type, {"url": URLS[type_]})
    assert options.url == Secret(URLS[type_])
    assert "hunter2" not in repr(options)


@pytest.mark.parametrize("type_", URLS)
@pytest.mark.parametrize("url", ["http://x", "hunter2", "{scheme}://me:hunter2@db.example:port/x", "{scheme}://"])
def test_a_wrong_url_is_refused_without_being_shown(type_: str, url: str) -> None:
    text = url.format(scheme=URLS[type_].partition(":")[0])
    with pytest.raises(ConfigError, match=r"url is no URL") as caught:
        structure_options(SINKS[type_].options_type, {"url": text})
    shown = f"{caught.value}{caught.value.__cause__!r}{caught.value.__context__!r}"
    assert "hunter2" not in shown


@pytest.mark.parametrize(
    ("type_", "values", "message"),
    [
        ("redis_streams", {"maxlen": 0}, "maxlen is 0"),
        ("postgres", {"schema": ""}, "schema is ''"),
        ("postgres", {"schema": "x" * 64}, "at most 63 bytes"),
        ("nats_jetstream", {"stream": "a.b"}, "stream is 'a.b'"),
        ("nats_jetstream", {"replicas": 0}, "replicas is 0"),
        ("rabbitmq", {"exchange": ""}, "exchange is empty"),
        ("mqtt", {"topics": "x"}, "did you mean topic?"),
    ],
)
def test_what_cannot_be_is_refused(type_: str, values: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message.replace("?", r"\?")):
        structure_options(SINKS[type_].options_type, {"url": URLS[type_], **values})


def test_durations_are_written_as_everywhere() -> None:
    made = structure_options(NatsJetStreamOptions, {"url": URLS["nats_jetstream"], "max_age": "7d", "timeout": "250ms"})
    assert (made.max_age, made.timeout, made.duplicates) == (604_800.0, 0.25, 120.0)


def test_the_place_of_a_url_is_host_and_port() -> None:
    urls = ["mqtt://me:p@ss@broker.example:1883/x", "redis://h", "unix:///run/redis.sock"]
    assert [place_of(Secret(url)) for url in urls] == ["broker.example:1883", "h", "/run/redis.sock"]


def test_a_config_file_names_them_and_their_settings(tmp_path: Path) -> None:
    file = tmp_path / "night.yaml"
    sinks = "".join(f'  {type_}: {{type: {type_}, url: "{url}", queue: 10}}\n' for type_, url in URLS.items())
    file.write_text(f"exchanges:\n  acme: {{symbols: [A-B]}}\nsinks:\n{sinks}")
    assert [entry.type for entry in load_config(file, {}).sinks] == list(URLS)


@pytest.mark.parametrize("info", SINKS.values(), ids=SINKS)
def test_every_setting_is_explained(info: Any) -> None:
    for field in attrs.fields(info.options_type):
        assert f"\n    {field.name}: " in inspect.cleandoc(info.options_type.__doc__)


@pytest.mark.parametrize("info", SINKS.values(), ids=SINKS)
def test_no_setting_has_the_name_of_one_that_every_sink_has(info: Any) -> None:
    assert not set(attrs.fields_dict(info.options_type)) & set(attrs.fields_dict(SinkEntry))


def test_all_are_declared() -> None:
    assert list(URLS) == [type_ for type_ in SINKS if type_ in URLS]
    assert MqttOptions in [info.options_type for info in SINKS.values()]
