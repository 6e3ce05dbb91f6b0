"""A pytest plugin that writes down how each test ended, and on which sources.

``failed`` is only what a test or the kit says itself: an assertion of its own. Whatever else goes wrong is ``broken``,
an error of the import, of a fixture or of the product's, and a test out of time.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Generator, Iterator
from pathlib import Path
from types import TracebackType

import pytest

import tickwire

_PRODUCT = Path(tickwire.__file__).parent
_ended: dict[str, tuple[str, str]] = {}


def pytest_runtest_setup() -> None:
    random.seed(0)  # a back-off's jitter must not decide whether a bug is seen


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.when == "call" or not report.passed:
        outcome, why = str(report.outcome), ""
        if report.failed:
            error = call.excinfo.value if call.excinfo is not None else None
            said = next(_verdicts(error), None) if report.when == "call" else None
            outcome, why = ("failed", said) if said is not None else ("broken", f"{type(error).__name__}: {error}")
        _ended[item.nodeid] = (outcome, why.strip().partition("\n")[0])
    return report


def pytest_sessionfinish() -> None:
    seen = {"sources": str(_PRODUCT), "ended": _ended}
    Path(os.environ["MUTANTS_WITNESS"]).write_text(json.dumps(seen))


def _verdicts(error: BaseException | None) -> Iterator[str]:
    if isinstance(error, BaseExceptionGroup):
        for one in error.exceptions:
            yield from _verdicts(one)
    elif isinstance(error, AssertionError) and not _is_of_the_product(error.__traceback__):
        yield str(error) or "assertion"
    elif isinstance(error, pytest.fail.Exception) and not str(error).startswith("Timeout"):
        yield str(error)


def _is_of_the_product(trace: TracebackType | None) -> bool:
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    raised = Path(trace.tb_frame.f_code.co_filename) if trace is not None else Path()
    return _PRODUCT in raised.parents and _PRODUCT / "testing" not in raised.parents
