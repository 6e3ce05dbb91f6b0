"""A: signing is deterministic, secrets stay secret, and a wrong key is noticed at start."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterable
from typing import Any

import attrs
import pytest

from tickwire import CredentialsError, ManualClock, RefusedError, RequestRejectedError, TickwireError
from tickwire.plugin import Control, LoggedIn, LoginRefused, Request, Router, Send, Signer
from tickwire.testing.checks import check
from tickwire.testing.declaration import require_credentials
from tickwire.testing.kit import Conformance
from tickwire.testing.speaking import START
from tickwire.testing.subject import Subject
from tickwire.testing.subscribing import say
from tickwire.testing.verdicts import SPOKEN, cannot, refuse, verify

__all__ = ["AuthChecks", "verify_login", "with_wrong_secret"]

_FILE = "auth.py"
_SKIP = "no credentials are declared"
_PUBLIC = {"api_key", "key", "key_id", "api_key_id", "account", "user_id", "address"}
"""Names whose values a signed request shows by its nature."""
_MALFORMED = ("", " ", "kit: no key", "ключ", "A" * 43, "0" * 64)


class AuthChecks(Conformance):
    """The checks whose ids begin with A."""

    @check(
        "A1",
        proves="the same request at the same time is signed alike, and the signature is added",
        skip_when=_SKIP,
        file=_FILE,
    )
    def test_a1_signatures_are_deterministic(self, subject: Subject) -> None:
        require_credentials(subject)
        request = subject.signed
        one, other = (_sign(subject, _signer(subject), request) for _ in range(2))
        verify(one == other, _FILE, "two signers sign one request differently", "take the time from the clock given")
        verify(one != request, _FILE, "a signed request is as it was before", "add the signature to headers or params")
        verify(
            (one.method, one.path) == (request.method, request.path), _FILE, "it asks for something else", "sign only"
        )

    @check(
        "A2",
        proves="no repr, str, log line or error of signer, options and requests shows a secret",
        skip_when=_SKIP,
        file=_FILE,
    )
    def test_a2_secrets_are_not_shown(self, subject: Subject, caplog: pytest.LogCaptureFixture) -> None:
        require_credentials(subject)
        with caplog.at_level(logging.DEBUG):
            strategies = subject.strategies(with_credentials=True)
            signer = strategies.signer
            assert signer is not None
            signed = _sign(subject, signer, subject.signed)
            routers = [strategies.router(name) for name in subject.info.sockets]
        shown = {
            "the signer": _shown(signer),
            "the routing": _shown(strategies.routing),
            "the transport": _shown(strategies.transport),
            "a router": "".join(map(_shown, routers)),
            "a log line": caplog.text,
        }
        for what, text in shown.items():
            _verify_masked(subject, what, text, subject.credentials)
        secret = [name for name in subject.credentials if name not in _PUBLIC]
        _verify_masked(subject, "a signed request", _shown(signed), secret)

    @check(
        "A3",
        proves="a missing or malformed key is a CredentialsError at start that does not quote it",
        skip_when=_SKIP,
        file=_FILE,
    )
    def test_a3_wrong_keys_are_refused(self, subject: Subject) -> None:
        require_credentials(subject)
        for name in subject.info.credentials:
            rest = {key: value for key, value in subject.credentials.items() if key != name}
            _verify_refused(subject, rest or {"nothing": "of use"}, f"without {name}", must_raise=True)
            for malformed in _MALFORMED:
                _verify_refused(subject, {**rest, name: malformed}, f"with {name} malformed", must_raise=False)

    @check(
        "A4",
        proves="opening a private socket sends a login that holds no secret",
        skip_when="no credentials are declared, or no socket has a login",
        file=_FILE,
    )
    def test_a4_a_login_is_sent(self, subject: Subject) -> None:
        require_credentials(subject)
        private = [name for name, endpoint in subject.info.sockets.items() if endpoint.login]
        if not private:
            cannot("no socket has a login")
        for name in private:
            sent = _opened(subject.strategies(with_credentials=True).router(name), name)
            payloads = [one.payload for one in sent if isinstance(one, Send)]
            verify(payloads, "routing.py", f"socket {name!r} needs a login, and opened() sends none", "send it there")
            secret = [key for key in subject.credentials if key not in _PUBLIC]
            _verify_masked(subject, "the login", "".join(map(str, payloads)), secret)

    @check(
        "A5",
        proves="the exchange takes the login, and one with another secret is LoginRefused",
        skip_when="no credentials are declared, no socket has a login, or there is no simulator",
        file=_FILE,
    )
    def test_a5_logins_are_understood(self, subject: Subject) -> None:
        require_credentials(subject)
        private = [name for name, endpoint in subject.info.sockets.items() if endpoint.login]
        if not private:
            cannot("no socket has a login")
        for name in private:
            verify_login(subject, name)
            try:
                answers = _log_in(with_wrong_secret(subject), name)
            except CredentialsError:
                continue  # that secret is no key of this kind: refused before it is sent
            what = f"a login with another secret is answered with {answers}"
            is_refused = any(isinstance(one, LoginRefused) for one in answers)
            verify(is_refused, "routing.py", what, "give LoginRefused(reason)")


def verify_login(subject: Subject, socket: str) -> None:
    """See that the exchange takes the login on a private socket.

    Raises:
        Nonconformity: It does not, or the router does not say so.
    """
    answers = _log_in(subject, socket)
    what = f"the login on socket {socket!r} is answered with {answers}"
    is_refused = any(isinstance(one, LoginRefused) for one in answers)
    verify(not is_refused, _FILE, what, "sign what the exchange's documents say, to the letter")
    verify(any(isinstance(one, LoggedIn) for one in answers), SPOKEN, what, "give LoggedIn()")


def with_wrong_secret(subject: Subject) -> Subject:
    """Give the subject with another secret than the dress knows."""
    secret = [key for key in subject.info.credentials if key not in _PUBLIC][:1]
    return attrs.evolve(subject, credentials={**subject.credentials, **dict.fromkeys(secret, "kit-wrong")})


def _log_in(subject: Subject, socket: str) -> list[object]:
    exchange = subject.speaking()
    router = subject.loaded(exchange, with_credentials=True).router(socket)
    sends = [one for one in _opened(router, socket) if isinstance(one, Send)]
    return list(say(sends, router, exchange.connect()))


def _opened(router: Router[Any], socket: str) -> list[Control]:
    try:
        return list(router.opened())
    except Exception as error:  # whatever it is: the check names it
        refuse(_FILE, f"opening socket {socket!r} raises {type(error).__name__}: {error}", "give the login's frame")


def _signer(subject: Subject) -> Signer:
    signer = subject.strategies(clock=ManualClock(START), with_credentials=True).signer
    assert signer is not None
    return signer


def _sign(subject: Subject, signer: Signer, request: Request) -> Request:
    try:
        return signer.sign(request)
    except RequestRejectedError as error:
        refuse("test_conformance.py", str(error), "write signed_request = Request(…): one that the signer can sign")


def _shown(thing: object) -> str:
    return f"{thing!r} {thing}"


def _verify_masked(subject: Subject, what: str, text: str, names: Iterable[str]) -> None:
    for name in names:
        is_shown = len(subject.credentials[name]) > 3 and subject.credentials[name] in text
        verify(not is_shown, _FILE, f"{what} shows {name}", "leave it out: attrs.field(repr=False), or a __repr__")


def _verify_refused(subject: Subject, credentials: dict[str, str], what: str, *, must_raise: bool) -> None:
    wrong = attrs.evolve(subject, credentials=credentials)
    try:
        wrong.strategies(with_credentials=True)
    except (CredentialsError, RefusedError) as error:
        _verify_masked(wrong, f"the error {what}", "".join(traceback.format_exception(error)), _secrets(wrong))
        return
    except TickwireError as error:
        refuse(_FILE, f"{what} it raises {type(error).__name__}: {error}", "check keys at start: CredentialsError")
    verify(not must_raise, _FILE, f"{what} it assembles", "ask for each with credentials.reveal(name) at start")


def _secrets(subject: Subject) -> list[str]:
    return [name for name in subject.credentials if name not in _PUBLIC]
