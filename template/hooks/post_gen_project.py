"""Removes what signs and what is private where nothing is signed."""

from pathlib import Path

if "{{ cookiecutter.auth }}" == "none":
    for name in ("src/{{ cookiecutter.__package }}/auth.py", "tests/frames/orders.jsonl", "tests/frames/orders.events.jsonl"):
        Path(name).unlink()
