"""Flags of settings: `--inner.steps 3`, and those of the family without its part, `--env CartPole-v1`."""

from collections.abc import Sequence

from pliant import errors


def split_dotted(argv: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Take the dotted flags out: (the rest, {"inner.steps": "3"}). One without a value means true."""
    rest: list[str] = []
    settings: dict[str, str] = {}
    words = list(argv)
    while words:
        word = words.pop(0)
        name, equals, value = _parts(word)
        if not word.startswith("--") or "." not in name:
            rest.append(word)
            continue
        _put(settings, name, name, value if equals else _value(words))
    return rest, settings


def family_flags(family: str | None, argv: Sequence[str], settings: dict[str, str]) -> list[str]:
    """Settings of the family may be written without their part: --env as --family.env. Returns the words that are none."""
    if not argv or family is None:
        return list(argv)
    from pliant.cli import names

    known = names.of_family(family)
    rest: list[str] = []
    words = list(argv)
    while words:
        word = words.pop(0)
        name, equals, value = _parts(word)
        if not word.startswith("--") or name not in known:
            rest.append(word)
            continue
        _put(settings, f"family.{name}", name, value if equals else _value(words))
    return rest


def _parts(word: str) -> tuple[str, str, str]:
    name, equals, value = word.removeprefix("--").partition("=")
    return name.replace("-", "_"), equals, value


def _value(words: list[str]) -> str:
    """The value that follows a flag, taken off `words`."""
    return words.pop(0) if words and not words[0].startswith("--") else "true"


def _put(settings: dict[str, str], setting: str, flag: str, value: str) -> None:
    if setting in settings:
        raise errors.UserError(f"--{flag} is given twice: {settings[setting]!r} and {value!r}")
    settings[setting] = value
