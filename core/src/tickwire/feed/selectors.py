"""Which of an exchange's symbols are meant: names, shell globs, and ``!`` for what they are not to include."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from fnmatch import fnmatchcase

import attrs

__all__ = ["Selected", "is_glob", "select"]


@attrs.frozen
class Selected:
    """What selectors came to.

    Attributes:
        symbols: The symbols, each once, in the order of the selectors.
        unlisted: Positions of the names that are not listed.
        idle: Positions of the globs that match nothing, and of the exclusions that exclude nothing.
    """

    symbols: tuple[str, ...]
    unlisted: tuple[int, ...] = ()
    idle: tuple[int, ...] = ()


def is_glob(selector: str) -> bool:
    """Tell a pattern from a name."""
    return any(letter in selector for letter in "*?[")


def select(selectors: Sequence[str], symbols: Collection[str], closed: Collection[str] = ()) -> Selected:
    """Apply selectors in their order: each takes symbols in, and one that begins with ``!`` takes some out again.

    Args:
        selectors: E.g. ``["*-USDC-PERP", "SOL-USDC", "!X-*"]``; case matters, as it does in symbols.
        symbols: All there are.
        closed: Those that do not trade: a name takes them in, a glob does not.
    """
    picked: dict[str, None] = {}
    unlisted: list[int] = []
    idle: list[int] = []
    for number, selector in enumerate(selectors):
        if selector.startswith("!"):
            out = [symbol for symbol in picked if fnmatchcase(symbol, selector[1:])]
            for symbol in out:
                del picked[symbol]
            if not out:
                idle.append(number)
        elif is_glob(selector):
            found = [symbol for symbol in symbols if symbol not in closed and fnmatchcase(symbol, selector)]
            picked.update(dict.fromkeys(found))
            if not found:
                idle.append(number)
        elif selector in symbols:
            picked[selector] = None
        else:
            unlisted.append(number)
    return Selected(tuple(picked), tuple(unlisted), tuple(idle))
