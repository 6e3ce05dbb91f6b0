"""Signing, against the vectors computed from the documented strings (ED25519 is deterministic)."""

from __future__ import annotations

import json

import pytest

from tickwire import CredentialsError, ManualClock, RequestRejectedError
from tickwire.plugin import Request
from tickwire_backpack.auth import BackpackSigner

SEED = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
KEY = "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg="
OTHER_KEY = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="  # of RFC 8032, test 1
MS = 1_614_550_000_000


def at(ms: int, window: int = 5_000) -> BackpackSigner:
    return BackpackSigner(KEY, SEED, ManualClock(ms * 1_000_000), window=window)


BATCH = [
    {"symbol": "SOL_USDC_PERP", "side": "Bid", "orderType": "Limit", "price": "141", "quantity": "12"},
    {"symbol": "SOL_USDC_PERP", "side": "Bid", "orderType": "Limit", "price": "140", "quantity": "11"},
]
VECTORS = {
    "order cancel": (
        Request("DELETE", "/api/v1/order", body=b'{"symbol":"BTC_USDT","orderId":28}'),
        MS,
        "instruction=orderCancel&orderId=28&symbol=BTC_USDT&timestamp=1614550000000&window=5000",
        "80cYcHmUHbvcO3IonY2y+nObqUTRkZrNbRsPB30r+NjqgKfP5DIFKryC0ea11fMcweyoymFT+S2cGbPACyinDw==",
    ),
    "capital": (
        Request("GET", "/api/v1/capital"),
        MS,
        "instruction=balanceQuery&timestamp=1614550000000&window=5000",
        "nYfMx/rzW4i3vncDLl8SNxrjlZerfdUU1YvITOiclzGv0wbH0+CUQs4pH1hDKd/nhuhm1kBMs99y82z2j0gkDg==",
    ),
    "batch of orders": (
        Request("POST", "/api/v1/orders", body=json.dumps(BATCH).encode()),
        1_750_793_021_519,
        "instruction=orderExecute&orderType=Limit&price=141&quantity=12&side=Bid&symbol=SOL_USDC_PERP&"
        "instruction=orderExecute&orderType=Limit&price=140&quantity=11&side=Bid&symbol=SOL_USDC_PERP&"
        "timestamp=1750793021519&window=5000",
        "/RiVIEmATq6bDKSR8I9tEY3qY/MRt45Y5/Wi4mKYjt3SaqoLFfOiYrYNRddqSXfrcDdY/b0n3duPew5JKrn/CA==",
    ),
}


@pytest.mark.parametrize(("request_", "ms", "text", "signature"), VECTORS.values(), ids=VECTORS)
def test_requests_sign_the_documented_text(request_: Request, ms: int, text: str, signature: str) -> None:
    signer = at(ms)
    assert signer.signing_text(request_, ms) == text
    signed = signer.sign(request_)
    assert signed.headers == {
        "X-API-Key": KEY,
        "X-Timestamp": str(ms),
        "X-Window": "5000",
        "X-Signature": signature,
    }
    assert (signed.method, signed.path, signed.body) == (request_.method, request_.path, request_.body)


def test_a_subscription_signs_its_instruction_and_never_its_streams() -> None:
    assert at(MS).subscription() == [
        KEY,
        "Uf+mBpqN/y/EzT77rzrj7ga4mdvZmzq4XW+Lh+9B0K0wLMFJrInMKcACIpSpVaPNzrFEpPhINxEP2rNI3E92CA==",
        "1614550000000",
        "5000",
    ]


def signed_text(request: Request, window: int = 5_000) -> str:
    return at(MS, window).signing_text(request, MS)


END = "&timestamp=1614550000000&window=5000"


def test_parameters_of_a_query_are_sorted_by_name_and_their_values_stand_as_sent() -> None:
    request = Request("GET", "/wapi/v1/history/fills", {"symbol": "MU.US_USDC", "limit": 100, "from": 1})
    assert signed_text(request) == "instruction=fillHistoryQueryAll&from=1&limit=100&symbol=MU.US_USDC" + END


def test_names_are_sorted_as_ascii_so_capitals_come_first() -> None:
    request = Request("GET", "/api/v1/orders", {"b": 1, "a": 2, "B": 3})
    assert signed_text(request) == "instruction=orderQueryAll&B=3&a=2&b=1" + END


def test_booleans_are_lower_case_and_nulls_left_out() -> None:
    body = json.dumps({"symbol": "SOL_USDC", "postOnly": True, "reduceOnly": False, "clientId": None}).encode()
    request = Request("POST", "/api/v1/order", body=body)
    assert signed_text(request) == "instruction=orderExecute&postOnly=true&reduceOnly=false&symbol=SOL_USDC" + END


@pytest.mark.parametrize("text", ["12", "12.0", "0.10", "1e-7", "100000000000000000000.000000000000000001"])
def test_decimal_texts_are_signed_exactly_as_sent(text: str) -> None:
    request = Request("POST", "/api/v1/order", body=json.dumps({"price": text}).encode())
    assert signed_text(request) == f"instruction=orderExecute&price={text}" + END


def test_integers_of_any_size_are_signed_without_an_exponent() -> None:
    request = Request("DELETE", "/api/v1/order", body=b'{"orderId":113392053149171712}')
    assert signed_text(request) == "instruction=orderCancel&orderId=113392053149171712" + END


def test_a_query_and_a_body_are_sorted_apart_query_first() -> None:
    request = Request("DELETE", "/api/v1/orders", {"z": 1}, b'{"a":2}')
    assert signed_text(request) == "instruction=orderCancelAll&z=1&a=2" + END


def test_the_window_is_always_part_of_text_and_headers() -> None:
    request = Request("GET", "/api/v1/capital")
    text = "instruction=balanceQuery&timestamp=1614550000000&window=60000"
    assert signed_text(request, 60_000) == text
    signer = at(MS, 60_000)
    assert signer.sign(request).headers["X-Window"] == "60000"
    assert signer.subscription()[3] == "60000"


def test_every_signature_has_a_fresh_timestamp() -> None:
    clock = ManualClock(MS * 1_000_000)
    signer = BackpackSigner(KEY, SEED, clock)
    first = signer.subscription()
    later = BackpackSigner(KEY, SEED, ManualClock((MS + 1) * 1_000_000)).subscription()
    assert (first[2], later[2]) == ("1614550000000", "1614550000001")
    assert first[1] != later[1]


def test_an_endpoint_without_a_known_instruction_is_refused_here_and_not_by_the_exchange() -> None:
    with pytest.raises(RequestRejectedError, match="GET /api/v1/new has no known instruction to sign"):
        at(MS).sign(Request("GET", "/api/v1/new"))


def test_a_key_of_another_seed_is_refused_at_once_with_a_hint_and_without_the_secret() -> None:
    with pytest.raises(CredentialsError) as caught:
        BackpackSigner(OTHER_KEY, SEED, ManualClock())
    assert str(caught.value) == (
        "api_key 11qY… does not belong to api_secret → api_secret must be the base64 seed that belongs to api_key; "
        "copy both again from one key pair"
    )
    assert SEED[:8] not in repr(caught.value)


def test_neither_repr_nor_signed_request_show_the_secret() -> None:
    signer = at(MS)
    assert repr(signer) == "<BackpackSigner A6EH…>"
    assert SEED[:8] not in repr(signer.sign(Request("GET", "/api/v1/capital")))
    assert SEED[:8] not in repr(vars(signer))
