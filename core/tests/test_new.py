"""``tickwire new``: which ids it takes, what it says of others, what it needs. What it writes: tests/integration."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from tickwire import ConfigError
from tickwire.cli.new import Auth, Book, corrected, new, scaffold

ROOT = Path(__file__).parents[2]


def refused(name: str, folder: Path) -> str:
    with pytest.raises(typer.BadParameter) as caught:
        new(name, True, folder)
    return str(caught.value)


FORM = "is no exchange's id: write lower-case letters, digits and single underscores"


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("Acme-X", f"{FORM} → did you mean acme_x?"),
        ("acme.exchange", f"{FORM} → did you mean acme_exchange?"),
        ("acme__x", f"{FORM} → did you mean acme_x?"),
        ("_acme_", f"{FORM} → did you mean acme?"),
        ("1inch", f"{FORM} → did you mean x1inch?"),
        ("ÄCME", f"{FORM} → did you mean cme?"),
        ("", FORM),
        ("../..", FORM),
        ("native", "is a name of tickwire's own → did you mean native_exchange?"),
        ("a" * 31, f"is longer than 30 characters → did you mean {'a' * 30}?"),
    ],
)
def test_a_bad_name_is_refused_with_the_corrected_one(name: str, why: str, tmp_path: Path) -> None:
    assert refused(name, tmp_path) == f"{name!r} {why}"
    assert list(tmp_path.iterdir()) == []


@given(name=st.text(max_size=40))
def test_what_is_proposed_is_taken(name: str) -> None:
    better = corrected(name)
    assert better == "" or (corrected(better) == better and re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", better))
    assert len(better) <= 30


def test_cookiecutter_itself_refuses_the_same_form() -> None:
    hook = (ROOT / "template" / "hooks" / "pre_gen_project.py").read_text()
    assert 're.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", exchange)' in hook
    assert FORM.removeprefix("is ") in hook


def test_without_cookiecutter_the_error_has_the_line_for_pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("cookiecutter", "cookiecutter.exceptions"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ConfigError) as caught:
        scaffold("acme", tmp_path, Auth.NONE, Book.REST, False)
    assert str(caught.value) == "tickwire new needs cookiecutter → pip install 'tickwire[new]'"


def test_the_choices_are_those_of_the_template() -> None:
    import json

    template = json.loads((ROOT / "template" / "cookiecutter.json").read_text())
    assert (template["auth"], template["book"]) == (list(Auth), list(Book))
