"""What a capture may not hold: secrets by their text, by the key they stand under, and whatever is signed."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tickwire.plugin import Request
from tickwire.record.redaction import Redactor, masked_settings
from tickwire.run.interpolation import EnvText

KEY, SECRET = "my-api-key/+=", 's3cr3t"\\é'
LOGGED_IN = Redactor((KEY, SECRET), has_login=True)
PUBLIC = Redactor()

FRAMES = [
    (b'{"op":"login","args":[{"apiKey":"k","sign":"abc"}]}', b'{"op":"login","args":"***"}'),
    (b'{"op":"auth","args":["k",1700000000000,"abc"],"req_id":"1"}', b'{"op":"auth","args":"***","req_id":"1"}'),
    (
        b'{"method":"SUBSCRIBE","params":["account.orderUpdate"],"signature":["k","s","1","5000"]}',
        b'{"method":"SUBSCRIBE","params":["account.orderUpdate"],"signature":"***"}',
    ),
    (
        b'{"method":"subscribe","params":{"channel":"executions","token":"t0k3n"}}',
        b'{"method":"subscribe","params":{"channel":"executions","token":"***"}}',
    ),
    (b'{"method":"SUBSCRIBE","params":["depth.SOL_USDC"]}', b'{"method":"SUBSCRIBE","params":["depth.SOL_USDC"]}'),
    (b"ping", b"ping"),
    (b"\xff\xfe", b"\xff\xfe"),
]


@pytest.mark.parametrize(("frame", "kept"), FRAMES, ids=lambda value: value.decode("latin-1")[:40])
def test_logins_signatures_and_tokens_that_are_sent_are_masked(frame: bytes, kept: bytes) -> None:
    assert LOGGED_IN.payload(frame, is_ours=True) == kept
    assert PUBLIC.payload(frame, is_ours=True) == frame  # without credentials there is nothing to hide


def test_frames_that_come_keep_everything_but_secrets() -> None:
    frame = b'{"e":"trade","p":"99.00","t":1}'
    assert LOGGED_IN.payload(frame) is frame
    came = json.dumps({"e": "welcome", "listenKey": "abc", "of": KEY}).encode()
    assert LOGGED_IN.payload(came) == b'{"e":"welcome","listenKey":"***","of":"***"}'
    assert LOGGED_IN.payload({"info": {"apiKey": "x", "id": 1}, "rows": [(KEY, 2.5)]}) == {
        "info": {"apiKey": "***", "id": 1},
        "rows": [["***", 2.5]],
    }
    assert LOGGED_IN.payload(f"hello {SECRET}") == "hello ***"


def spellings(secret: str) -> list[str]:
    raw = secret.encode()
    return [
        secret, json.dumps(secret)[1:-1], quote(secret, safe=""), raw.hex(),
        base64.b64encode(raw).decode(), base64.urlsafe_b64encode(raw).decode(),
    ]  # fmt: skip


# a secret of which too little is secret would be found in its own mask
SECRETS = st.text(st.characters(min_codepoint=33, max_codepoint=0x24F), min_size=4, max_size=40).filter(
    lambda text: len(set(text)) > 2 and "***" not in text
)


@settings(deadline=None)
@given(SECRETS, st.text(max_size=20), st.text(max_size=20), st.booleans())
def test_no_spelling_of_a_secret_survives_in_any_frame(secret: str, before: str, after: str, is_ours: bool) -> None:
    redactor = Redactor((secret,), has_login=True)
    for spelling in spellings(secret):
        for payload in (f"{before}{spelling}{after}", f'{{"a":["{before}{spelling}"]}}'):
            kept = redactor.payload(payload.encode(), is_ours=is_ours)
            assert spelling.encode() not in kept
            assert spelling not in redactor.text(payload)


@settings(deadline=None)
@given(SECRETS)
def test_a_redactor_does_not_show_what_it_hides(secret: str) -> None:
    assert repr(Redactor((secret,), has_login=True)) == repr(Redactor(("other",), has_login=True))


def test_of_a_signed_request_only_method_and_path_are_kept() -> None:
    signed = Request(
        "POST", f"/api/v1/order?signature={SECRET}", {"symbol": "SOL", "signature": "s"}, b"body",
        {"X-API-Key": KEY, "X-Signature": "s"}, signed=True, base_url="https://api.example.com",
    )  # fmt: skip
    kept = LOGGED_IN.request(signed)
    assert kept == Request("POST", "/api/v1/order", signed=True, base_url="https://api.example.com")


def test_of_another_request_what_names_a_secret_is_masked() -> None:
    request = Request(
        "GET", f"/keys/{KEY}", {"symbol": "SOL", "token": "t", "limit": 5}, None,
        {"Accept": "application/json", "Authorization": "Bearer x", "X-MBX-USED-WEIGHT": "1"},
    )  # fmt: skip
    kept = LOGGED_IN.request(request)
    assert (kept.path, dict(kept.params)) == ("/keys/***", {"symbol": "SOL", "token": "***", "limit": 5})
    assert dict(kept.headers) == {"Accept": "application/json", "X-MBX-USED-WEIGHT": "1"}


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("wss://ws.example.com/stream", "wss://ws.example.com/stream"),
        ("wss://ws.example.com/stream?token=abc", "wss://ws.example.com/stream?***"),
        ("wss://user:pw@ws.example.com/stream", "wss://ws.example.com/stream"),
        ("wss://ws.example.com/ws/pqia91ma19a5s61cv6a81va65sdf19v8a65a1", "wss://ws.example.com/ws/***"),
        ("wss://ws.example.com/ws/solusdc@trade", "wss://ws.example.com/ws/solusdc@trade"),
    ],
)
def test_urls_keep_neither_user_nor_token(url: str, kept: str) -> None:
    assert LOGGED_IN.url(url, ["wss://ws.example.com/stream"]) == kept


def test_settings_keep_no_secret_whatever_it_is_called() -> None:
    settings: dict[str, Any] = {
        "depth": 5, "password": "pw", "nested": [{"sessionToken": "t", "note": f"of {KEY}"}],
        "from_env": EnvText("hidden"), "number_from_env": EnvText("15s"), "nothing": None,
    }  # fmt: skip
    assert masked_settings(settings, LOGGED_IN) == {
        "depth": 5, "password": "***", "nested": [{"sessionToken": "***", "note": "of ***"}],
        "from_env": "***", "number_from_env": "15s", "nothing": None,
    }  # fmt: skip
