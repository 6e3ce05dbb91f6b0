"""The recorder in a config's ``extensions:``: one capture where all entries name it alike, else one for each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tickwire import ConfigError
from tickwire.record.alone import recording_of
from tickwire.record.config_document import config_of_document, document_of
from tickwire.record.reading import open_capture
from tickwire.record.recording import FeedRecording
from tickwire.run.config import config_from
from tickwire.run.settings import Config


def config(**recorders: dict[str, Any] | None) -> Config:
    entries = {
        name: {"exchange": "acme", "symbols": ["SOL-USDC"], "extensions": {} if one is None else {"recorder": one}}
        for name, one in recorders.items()
    }
    return config_from({"exchanges": entries}, "night.yaml", environ={})


def test_entries_that_name_it_alike_are_one_recording_with_the_recorder_innermost(tmp_path: Path) -> None:
    named = {"path": str(tmp_path), "rotate_time": "15m"}
    recording = recording_of(config(one=named, two=named))
    assert recording is not None
    recorded = recording.recorded(config(one=named, two=named))
    assert recorded == recording.recorded(config(one=named, two=named))  # a reload finds nothing changed
    for entry in recorded.exchanges:
        mine = entry.extensions["recorder"]
        assert isinstance(mine, FeedRecording)
        assert (mine.recording, mine.feed) == (recording, entry.name)
    recording.close()
    assert open_capture(tmp_path).begun.config == document_of(config(one=named, two=named))


@pytest.mark.parametrize(
    "recorders", [{"one": None}, {"one": {"path": "a"}, "two": None}, {"one": {"path": "a"}, "two": {"path": "b"}}]
)
def test_otherwise_each_is_for_itself(recorders: dict[str, dict[str, Any] | None]) -> None:
    assert recording_of(config(**recorders)) is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pth": "a"}, "night.yaml: exchanges.one.extensions.recorder.pth: unknown key → did you mean path?"),
        ({}, "night.yaml: exchanges.one.extensions.recorder: path is missing → add path: …"),
        ({"path": ""}, "night.yaml: exchanges.one.extensions.recorder: path is no path → name a folder"),
    ],
)
def test_wrong_settings_are_named_by_their_place(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        recording_of(config(one=options))
    assert str(caught.value) == message


def test_a_config_survives_its_capture_but_for_secrets_sinks_and_proxies() -> None:
    document = {
        "name": "night",
        "recovery": {"backfill": "late", "hold": "5s", "resume": "1h"},
        "instruments": {"refresh": "10m"},
        "exchanges": {
            "desk": {
                "exchange": "acme", "plugin": "fast", "symbols": ["*-USDC", "!X-*"],
                "channels": ["trades", "l2_book:depth=50,interval=100ms"], "numbers": "decimal", "connections": 2,
                "options": {"note": "$${literal}", "depth": 5, "token": "t0k3n"}, "proxy": "http://u:pw@proxy:1",
                "credentials": {"api_key": "k3y-k3y", "api_secret": "s3cr3t"},
                "endpoints": {"rest": "https://a.example", "websocket": {"public": ["wss://b.example/ws"]}},
                "extensions": {"other": {"x": 1}, "recorder": {"path": "p"}}, "rest": {"limit": 3},
                "on_unknown_symbol": "warn",
            }
        },
        "sinks": {"a": {"type": "console"}},
    }  # fmt: skip
    before = config_from(document, environ={})
    kept = document_of(before)
    for secret in ("k3y-k3y", "s3cr3t", "t0k3n", "pw@"):
        assert secret not in repr(kept)
    after = config_of_document(kept, "run")
    [was], [now] = before.exchanges, after.exchanges
    same = ("name", "exchange", "plugin", "symbols", "channels", "endpoints", "connections", "numbers", "rest")
    assert [getattr(now, name) for name in same] == [getattr(was, name) for name in same]
    assert now.options == {"note": "${literal}", "depth": 5, "token": "***"}
    assert (now.proxy, now.extensions, now.on_unknown_symbol) == (None, {"other": {"x": 1}}, "warn")
    assert list(now.credentials or ()) == ["api_key", "api_secret"]
    assert (after.name, after.recovery, after.instruments.refresh, after.sinks) == ("night", before.recovery, 600.0, ())
