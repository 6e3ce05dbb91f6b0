"""The kits' checks as the pages list them: ``python -m tickwire.testing.catalogue``, with ``sinks`` those of sinks."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from tickwire.testing.checks import GROUPS, SINK_GROUP, checks_of
from tickwire.testing.conformance import ExchangeConformance
from tickwire.testing.sinks import SinkConformance

__all__ = ["catalogue", "sink_catalogue"]


def catalogue() -> str:
    """Write a Markdown table for each group: id, what it proves, when it is skipped, where to look."""
    return "\n".join(_table(ExchangeConformance, GROUPS))


def sink_catalogue() -> str:
    """Write the same for the kit of sinks."""
    return "\n".join(_table(SinkConformance, SINK_GROUP))


def _table(kit: type, groups: Mapping[str, str]) -> list[str]:
    parts = []
    for letter, name in groups.items():
        own = [one for one in checks_of(kit) if one.id.startswith(letter)]
        rows = [f"| {one.id} | {one.proves} | {one.skip_when or 'never'} | `{one.file}` |" for one in own]
        head = ["| id | proves that | skipped when | look at |", "|---|---|---|---|"]
        parts.append("\n".join([f"### {letter}: {name}", "", *head, *rows, ""]))
    return parts


if __name__ == "__main__":
    sys.stdout.write(sink_catalogue() if sys.argv[1:] == ["sinks"] else catalogue())
