"""Counts, sizes and spans of ids as a person writes them: ``1 trade``, ``1,204 trades``, ``40.6 kB``, ``7…9``."""

from __future__ import annotations

__all__ = ["counted", "size_text", "span_text"]


def counted(count: int, noun: str) -> str:
    """Write a count with its noun, whose plural takes an s."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def size_text(size: int) -> str:
    """Write a number of bytes: ``812 B``, ``40.6 kB``, ``1.2 GB``."""
    if size < 1_000:
        return f"{size} B"
    value = float(size)
    for unit in ("kB", "MB", "GB"):
        value /= 1_000
        if value < 999.95:
            return f"{value:.1f} {unit}"
    return f"{value / 1_000:,.1f} TB"


def span_text(first: int, last: int) -> str:
    """Write a span of ids, both inclusive."""
    return f"{first}" if first == last else f"{first}…{last}"
