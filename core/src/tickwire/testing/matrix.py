"""What works on which exchange, as Markdown made from reports: ``python -m tickwire.testing.matrix REPORT…``."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

from tickwire import Channel, TickwireError
from tickwire.testing.report import CheckResult, Report, read_report

__all__ = ["matrix"]

_WORDS = {"passed": "yes", "failed": "**fails**", "xfailed": "not yet", "skipped": "–", "absent": "–"}
_ABILITIES = {
    "book equal at every sequence": ("B1",),
    "book checksum": ("B6",),
    "snapshot over REST": ("R18",),
    "history of trades": ("R19",),
    "login": ("A4",),
    "exact decimals": ("V6",),
}


def matrix(reports: Sequence[Report]) -> str:
    """Write the table: a column for each report, a row for each channel and ability, then the counts."""
    exchanges = [report.exchange for report in reports]
    head = ["", *(_name(report, exchanges.count(report.exchange) > 1) for report in reports)]
    rows = [head, ["---"] * len(head)]
    for channel in Channel:
        cells = [_word(report, [one for one in report.checks if one.case == channel]) for report in reports]
        if set(cells) != {_WORDS["absent"]}:
            rows.append([f"`{channel}`", *cells])
    rows += [
        [name, *(_word(report, [one for one in report.checks if one.id in ids]) for report in reports)]
        for name, ids in _ABILITIES.items()
    ]
    rows.append(["checks passed", *(str(report.count("passed")) for report in reports)])
    rows.append(["plugin", *(f"{report.distribution} {report.version}" for report in reports)])
    rows.append(["date", *(report.date for report in reports)])
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _name(report: Report, has_twin: bool) -> str:
    return f"{report.exchange} by {report.plugin}" if has_twin else report.exchange


def _word(report: Report, cases: Sequence[CheckResult]) -> str:
    return _WORDS[report.outcome(cases)]


def main(paths: Iterable[str]) -> int:
    """Print the table of some reports; gives the exit code."""
    try:
        reports = [read_report(path) for path in paths]
    except (OSError, TickwireError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    if not reports:
        sys.stderr.write("python -m tickwire.testing.matrix REPORT…\n")
        return 2
    sys.stdout.write(matrix(reports))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
