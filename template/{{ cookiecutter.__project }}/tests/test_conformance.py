"""The whole conformance kit, for {{ cookiecutter.title }}. The simulator is the one that info.py names."""

from pathlib import Path

from tickwire.testing import ExchangeConformance


class Test{{ cookiecutter.__class }}(ExchangeConformance):
    """What must hold of the plugin; ``pytest -k test_s`` runs the checks of a letter."""

    exchange = "{{ cookiecutter.exchange }}"
    frames = Path(__file__).parent / "frames"
{% if cookiecutter.auth == "hmac" %}
    credentials = {"api_key": "made-up-key", "api_secret": "made-up-secret"}
{% elif cookiecutter.auth == "ed25519" %}
    credentials = {
        "api_key": "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=",
        "api_secret": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
    }
{% endif %}
