"""The kit's options for pytest; loaded in every run where tickwire is installed, hence light.

The entry point in the group ``pytest11`` has this module's own name, so that naming the module in a ``conftest.py`` or
with ``-p`` is harmless.
"""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the kit's options."""
    group = parser.getgroup("tickwire", "tickwire's conformance kit")
    group.addoption("--conformance-report", metavar="PATH", help="write what the conformance checks found, as JSON")
    group.addoption(
        "--conformance-examples", metavar="N", type=int, help="examples of each rule for all inputs (default: 100)"
    )
    group.addoption(
        "--write-events", action="store_true", help="write frames/*.events.jsonl anew instead of comparing with them"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Follow the run, if a report is wanted."""
    path = config.getoption("--conformance-report")
    if path:
        from tickwire.testing.reporter import Reporter

        config.pluginmanager.register(Reporter(path), "tickwire-conformance-report")
