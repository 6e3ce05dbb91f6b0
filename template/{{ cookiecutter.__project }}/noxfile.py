"""What to run before a release: ``nox`` runs all of it, each in an environment of its own."""

import nox

nox.options.default_venv_backend = "venv"
nox.options.reuse_venv = "yes"
nox.options.error_on_missing_interpreters = False


@nox.session(python=["3.11", "3.12", "3.13"])
def tests(session: nox.Session) -> None:
    """Run the tests, the conformance kit among them."""
    session.install(".[test]")
    session.run("pytest", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, format and types."""
    session.install(".[dev]")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy")


@nox.session
def doctor(session: nox.Session) -> None:
    """Show what core sees of the plugin."""
    session.install(".")
    session.run("tickwire", "doctor", "{{ cookiecutter.exchange }}")
