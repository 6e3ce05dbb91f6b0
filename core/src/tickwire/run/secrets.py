"""Secrets: their text is given by ``reveal`` alone; ``repr``, ``str`` and log lines are masked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tickwire.model.errors import CredentialsError

__all__ = ["ConfigCredentials", "Secret"]


class Secret:
    """A text that does not show itself."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Give the text."""
        return self._text

    def __repr__(self) -> str:
        return "Secret('***')"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __reduce__(self) -> str:
        raise TypeError("a Secret is not pickled")


class ConfigCredentials:
    """The secrets of one exchange entry, by name."""

    def __init__(self, secrets: Mapping[str, str | Secret], path: str = "credentials") -> None:
        """Take over secrets.

        Args:
            secrets: Texts by name.
            path: Where they are configured, for messages.
        """
        self._secrets = {name: text if isinstance(text, Secret) else Secret(text) for name, text in secrets.items()}
        self._path = path

    def reveal(self, name: str) -> str:
        """Give a secret's text: the only way to it.

        Raises:
            CredentialsError: It was not set.
        """
        if name not in self._secrets:
            raise CredentialsError(f"{name} is not set", hint=f"add {name}: ${{{name.upper()}:?}}", path=self._path)
        return self._secrets[name].reveal()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ConfigCredentials) and (other._secrets, other._path) == (self._secrets, self._path)

    def __hash__(self) -> int:
        return hash((ConfigCredentials, tuple(self._secrets.items())))

    def __iter__(self) -> Iterator[str]:
        """Give the names that are set."""
        return iter(self._secrets)

    def __len__(self) -> int:
        return len(self._secrets)

    def __repr__(self) -> str:
        return f"ConfigCredentials({', '.join(f'{name}=***' for name in self._secrets)})"
