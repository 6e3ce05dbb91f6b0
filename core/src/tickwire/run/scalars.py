"""Single values, read strictly: nothing is converted but text that came from the environment."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from enum import Enum
from pathlib import Path
from typing import Any, get_args

from tickwire.model.channels import ChannelRequest
from tickwire.model.errors import ConfigError
from tickwire.run.interpolation import EnvText
from tickwire.run.mistakes import closest
from tickwire.run.proxies import Proxy
from tickwire.run.secrets import Secret

__all__ = [
    "channel_request", "enum", "file_path", "literal", "number", "proxy", "secret", "shown", "text", "true_or_false",
    "whole_number", "wrong",
]  # fmt: skip

_TRUE, _FALSE = {"true", "yes", "on", "1"}, {"false", "no", "off", "0"}


def wrong(expected: str, found: object, hint: str) -> ConfigError:
    """Make the error for a value of the wrong kind."""
    return ConfigError(f"expected {expected}, found {shown(found)}", hint=hint)


def shown(value: object) -> str:
    """Show a value in a message; never one from the environment, which may be a secret."""
    if isinstance(value, EnvText):
        return "what the environment says"
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    written = repr(value)
    return written if len(written) <= 60 else f"{written[:57]}…"


def true_or_false(value: object) -> bool:
    """Read a boolean; of texts only one from the environment."""
    if isinstance(value, bool):
        return value
    if isinstance(value, EnvText) and value.strip().lower() in _TRUE | _FALSE:
        return value.strip().lower() in _TRUE
    raise wrong("true or false", value, "write true or false, without quotes")


def whole_number(value: object) -> int:
    """Read an integer; 3.0 and true are none."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, EnvText):
        try:
            return int(value)
        except ValueError:
            pass
    raise wrong("a whole number", value, "write digits only, without quotes")


def number(value: object) -> float:
    """Read a finite number."""
    found: float | None = None
    if isinstance(value, int | float) and not isinstance(value, bool):
        found = float(value) if abs(value) < 1e300 else None
    elif isinstance(value, EnvText):
        try:
            found = float(value)
        except ValueError:
            found = None
    if found is None or not math.isfinite(found):
        raise wrong("a number", value, "write a finite number, without quotes")
    return found


def text(value: object) -> str:
    """Read a text; numbers must be quoted."""
    if isinstance(value, str):
        return value
    raise wrong("text", value, "put it in quotes" if isinstance(value, int | float) else "write one text")


def secret(value: object) -> Secret:
    """Read a secret; messages do not show it."""
    if isinstance(value, str) and value:
        return Secret(value)
    raise ConfigError("expected a text that is not empty", hint="put it in quotes, or write ${VARIABLE:?}")


def proxy(value: object) -> Proxy:
    """Read a proxy's URL, or ``env``; messages do not show it."""
    if isinstance(value, str):
        return Proxy.parse(value)
    raise ConfigError("this is no proxy URL", hint="write http://host:port, socks5://host:port, or env")


def file_path(value: object) -> Path:
    """Read a path; ``~/`` is the home directory."""
    if isinstance(value, str) and value and "\0" not in value:
        return Path(value).expanduser() if value.startswith("~/") else Path(value)
    raise wrong("a path", value, "write a file or directory")


def channel_request(value: object) -> ChannelRequest:
    """Read ``trades`` or ``{l2_book: {depth: 100}}``."""
    if isinstance(value, Mapping) and len(value) == 1:
        name, parameters = next(iter(value.items()))
        if isinstance(parameters, Mapping):
            written = ",".join(f"{key}={_plain(item)}" for key, item in parameters.items())
            return ChannelRequest.parse(f"{text(name)}:{written}" if written else text(name))
    if isinstance(value, str):
        return ChannelRequest.parse(value)
    raise wrong("a channel", value, "write trades, or l2_book: {depth: 100}")


def _plain(value: object) -> str:
    if isinstance(value, str | int) and not isinstance(value, bool):
        return str(value)
    raise wrong("a text or a whole number", value, "write depth: 100 or interval: 100ms")


def enum(target: type[Enum]) -> Callable[[object], Enum]:
    """Make a reader of an enum's values, in any case."""
    names = {str(member.value): member for member in target}

    def structure(value: object) -> Enum:
        word = text(value).strip().lower()
        if word in names:
            return names[word]
        meant = closest(word, names)
        hint = f"did you mean {meant}?" if meant else f"one of {', '.join(names)}"
        raise wrong(f"one of {', '.join(names)}", value, hint)

    return structure


def literal(target: Any) -> Callable[[object], object]:
    """Make a reader of a closed list of values."""
    allowed = get_args(target)

    def structure(value: object) -> object:
        for one in allowed:
            if one == value and isinstance(value, bool) is isinstance(one, bool):
                return one
        raise wrong(f"one of {', '.join(map(str, allowed))}", value, f"write {allowed[0]}")

    return structure
