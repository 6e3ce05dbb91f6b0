"""Errors as a capture keeps them, and back again."""

from __future__ import annotations

from tickwire.model import errors
from tickwire.model.errors import ConnectionLostError, TickwireError
from tickwire.record.entries import Failure
from tickwire.record.redaction import Redactor

__all__ = ["failure_of", "raised"]

_PLAIN = (str, int, float, bool, type(None))


def failure_of(error: BaseException | None, secrets: Redactor) -> Failure | None:
    """Note an error down; its cause is not kept."""
    if error is None:
        return None
    if not isinstance(error, TickwireError):
        return Failure(ConnectionLostError.__name__, secrets.text(f"{type(error).__name__}: {error}"))
    facts = {name: value for name, value in vars(error).items() if name != "message" and isinstance(value, _PLAIN)}
    kept = {name: secrets.text(value) if isinstance(value, str) else value for name, value in facts.items()}
    return Failure(type(error).__name__, secrets.text(error.message), kept)


def raised(failure: Failure) -> TickwireError:
    """Make the error again: of the same class, with the same facts."""
    kind = getattr(errors, failure.kind, ConnectionLostError)
    error: TickwireError = kind.__new__(kind)
    # each class takes arguments of its own; what they became is what was kept
    Exception.__init__(error, failure.message)
    vars(error).update({"hint": None} | failure.facts | {"message": failure.message})
    return error
