"""Counts and spans of ids as a person writes them: ``1 trade``, ``1,204 trades``, ``7``, ``7…9``."""

from __future__ import annotations

__all__ = ["counted", "span_text"]


def counted(count: int, noun: str) -> str:
    """Write a count with its noun, whose plural takes an s."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def span_text(first: int, last: int) -> str:
    """Write a span of ids, both inclusive."""
    return f"{first}" if first == last else f"{first}…{last}"
