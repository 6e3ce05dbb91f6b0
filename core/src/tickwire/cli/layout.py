"""Prints records as aligned columns for people and as JSON for machines; the same in a terminal and in a pipe."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

__all__ = ["columns", "print_json"]


def columns(rows: Iterable[Sequence[str]], gap: str = "  ") -> list[str]:
    """Align texts in columns; the last one of each row may be of any length."""
    kept = list(rows)
    widths: list[int] = []
    for row in kept:
        for number, cell in enumerate(row[:-1]):
            if number == len(widths):
                widths.append(0)
            widths[number] = max(widths[number], len(cell))
    return [gap.join([*map(str.ljust, row[:-1], widths), row[-1]]).rstrip() for row in kept]


def print_json(value: object) -> None:
    """Print one document, indented."""
    print(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())
