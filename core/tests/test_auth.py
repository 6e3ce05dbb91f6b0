"""A key pair is checked when it is taken, signs under the exchange's own header names, and is never shown."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.signing import SigningKey

from tickwire import ConfigError, CredentialsError, ManualClock
from tickwire.native import Ed25519Signer, HmacSigner, SignatureHeaders
from tickwire.plugin import Request, Signer

# RFC 8032 §7.1, test 1: the key pair and its signature of the empty text
RFC_SEED = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
RFC_KEY = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
RFC_SIGNATURE = bytes.fromhex(
    "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
)


def b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


KEY, SECRET = b64(RFC_KEY), b64(RFC_SEED)
OTHER_SECRET = b64(bytes(range(32)))
CLOCK = ManualClock(1_614_550_000_000_000_000)


def test_the_signature_is_that_of_the_standard() -> None:
    assert Ed25519Signer(KEY, SECRET, CLOCK).signature("") == b64(RFC_SIGNATURE)


def test_a_request_gets_key_time_window_and_signature_beside_its_own_headers() -> None:
    signer = Ed25519Signer(KEY, SECRET, CLOCK)
    signed = signer.sign(Request("GET", "/capital", {"a": 1}, headers={"Accept": "x"}, signed=True))
    assert signed == Request(
        "GET",
        "/capital",
        {"a": 1},
        headers={
            "Accept": "x",
            "X-API-Key": KEY,
            "X-Timestamp": "1614550000000",
            "X-Window": "5000",
            "X-Signature": signer.signature("1614550000000GET/capital"),
        },
        signed=True,
    )


def test_header_names_window_and_text_are_the_exchanges_own() -> None:
    class AcmeSigner(Ed25519Signer):
        headers = SignatureHeaders("ACME-KEY", "ACME-MS", "ACME-VALID", "ACME-SIGN")

        def signing_text(self, request: Request, timestamp: int) -> str:
            return f"{request.path}|{timestamp}"

    signer = AcmeSigner(KEY, SECRET, CLOCK, window=60_000)
    assert signer.sign(Request("GET", "/me")).headers == {
        "ACME-KEY": KEY,
        "ACME-MS": "1614550000000",
        "ACME-VALID": "60000",
        "ACME-SIGN": signer.signature("/me|1614550000000"),
    }


def test_a_signer_is_what_the_protocol_asks_for() -> None:
    assert isinstance(Ed25519Signer(KEY, SECRET, CLOCK), Signer)


@given(st.binary(min_size=32, max_size=32), st.text())
def test_every_pair_is_accepted_and_what_it_signs_is_verified_by_its_key(seed: bytes, text: str) -> None:
    try:
        raw = text.encode()
    except UnicodeEncodeError:
        return
    pair = SigningKey(seed)
    signer = Ed25519Signer(b64(bytes(pair.verify_key)), b64(seed), CLOCK)
    pair.verify_key.verify(raw, base64.b64decode(signer.signature(text)))


def test_blanks_around_a_pasted_key_do_no_harm() -> None:
    signer = Ed25519Signer(KEY, f" {SECRET}\n", CLOCK)
    assert signer.signature("") == b64(RFC_SIGNATURE)


def test_a_secret_of_another_key_is_refused_before_any_request() -> None:
    with pytest.raises(CredentialsError) as caught:
        Ed25519Signer(KEY, OTHER_SECRET, CLOCK)
    assert str(caught.value) == (
        f"api_key {KEY[:4]}… does not belong to api_secret → api_secret must be the base64 seed that belongs to "
        "api_key; copy both again from one key pair"
    )


MALFORMED = {
    "empty": "",
    "not base64": "!" * 44,
    "not ascii": "ключ",
    "too short": b64(bytes(31)),
    "64 bytes": b64(RFC_SEED + RFC_KEY),
    "hexadecimal": RFC_SEED.hex(),
    "url-safe": base64.urlsafe_b64encode(b"\xff" * 32).decode(),
}


@pytest.mark.parametrize("text", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_secret_is_refused(text: str) -> None:
    with pytest.raises(CredentialsError) as caught:
        Ed25519Signer(KEY, text, CLOCK)
    assert caught.value.message == "api_secret is not the base64 text of 32 bytes"
    assert caught.value.hint == "copy it again: 44 characters ending in '='"


@pytest.mark.parametrize("text", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_key_is_refused(text: str) -> None:
    with pytest.raises(CredentialsError) as caught:
        Ed25519Signer(text, SECRET, CLOCK)
    assert caught.value.message == "api_key is not the base64 text of 32 bytes"


@pytest.mark.parametrize(
    "secret", [OTHER_SECRET, OTHER_SECRET[:-1], OTHER_SECRET + "==", OTHER_SECRET * 2, "s3cr€t" * 9]
)
def test_no_error_shows_the_secret(secret: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Ed25519Signer(KEY, secret, CLOCK)
    shown: BaseException | None = caught.value
    while shown is not None:
        assert secret[:6] not in f"{shown} {shown!r}"
        shown = shown.__cause__


def test_no_repr_shows_the_secret_or_the_whole_key() -> None:
    signer = Ed25519Signer(KEY, SECRET, CLOCK)
    assert repr(signer) == f"<Ed25519Signer {KEY[:4]}…>"
    assert SECRET not in repr(vars(signer))


# RFC 4231 §4.2 and §4.3: keys and data that are text
HMACS = {
    "sha256, 20 bytes": (
        "sha256", "\x0b" * 20, "Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
    ),
    "sha256, Jefe": (
        "sha256", "Jefe", "what do ya want for nothing?",
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
    ),
    "sha384, Jefe": (
        "sha384", "Jefe", "what do ya want for nothing?",
        "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649",
    ),
    "sha512, Jefe": (
        "sha512", "Jefe", "what do ya want for nothing?",
        "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("name", "secret", "text", "digest"), HMACS.values(), ids=HMACS)
def test_a_digest_is_that_of_the_standard(name: str, secret: str, text: str, digest: str) -> None:
    class Signer(HmacSigner):
        hash_name = name

    class TextSigner(Signer):
        is_base64 = True

    assert Signer("k", secret, CLOCK).digest(text) == digest
    assert TextSigner("k", secret, CLOCK).digest(text) == b64(bytes.fromhex(digest))


def test_a_digest_is_hexadecimal_sha256_unless_told_otherwise() -> None:
    signer = HmacSigner("k", "Jefe", CLOCK)
    assert signer.digest("what do ya want for nothing?") == HMACS["sha256, Jefe"][3]


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]))))
def test_a_digest_depends_on_its_text_alone(many: list[str]) -> None:
    signer = HmacSigner("k", "Jefe", CLOCK)
    assert [signer.digest(text) for text in many] == [HmacSigner("k", "Jefe", CLOCK).digest(text) for text in many]


def test_the_time_signed_is_the_clocks_in_milliseconds() -> None:
    assert HmacSigner("k", "s", CLOCK).millis() == 1_614_550_000_000


def test_blanks_around_a_pasted_pair_do_no_harm_to_an_hmac() -> None:
    pasted = HmacSigner(" k\n", "\tJefe\r\n", CLOCK)
    assert (pasted.key, pasted.digest("x")) == ("k", HmacSigner("k", "Jefe", CLOCK).digest("x"))


@pytest.mark.parametrize(("key", "secret", "name"), [("", "s", "api_key"), ("k", " \n", "api_secret")])
def test_an_empty_pair_is_refused(key: str, secret: str, name: str) -> None:
    with pytest.raises(CredentialsError) as caught:
        HmacSigner(key, secret, CLOCK)
    assert str(caught.value) == f"{name} is empty → copy it again"


def test_no_repr_shows_an_hmacs_secret() -> None:
    signer = HmacSigner("A6EHwholekey", "topsecret", CLOCK)
    assert repr(signer) == "<HmacSigner A6EH…>"
    assert "topsecret" not in repr(vars(signer))
