"""Refuses an id that is no Python identifier in lower case; ``tickwire new`` says the same before it comes here."""

import re
import sys

exchange = "{{ cookiecutter.exchange }}"
if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", exchange):
    sys.exit(f"{exchange!r} is no exchange's id: write lower-case letters, digits and single underscores")
