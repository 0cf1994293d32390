"""What an algorithm and a family are called where people read it: in the names of folders, in titles, in videos."""

import re
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any


def name(full: str) -> str:
    """`room` for code outside pliant named as `room.py`, `there/room.py` or `package.room`; other names as they are."""
    if full.endswith(".py"):
        return PurePath(full).stem
    parts = full.split(".")
    return parts[-1] if all(part.isidentifier() for part in parts) else full


def family(full: str, settings: Mapping[str, Any]) -> str:
    """A family with its settings: of `gymnasium` the id of its environment, where one is given."""
    env = settings.get("env")
    if full == "gymnasium" and env and isinstance(env, str):
        return env.rpartition(":")[2]  # the module that registers it says nothing
    return name(full)


def family_of(document: Mapping[str, Any]) -> str:
    """The family of a config as in run.json, or of a document that holds one or the family's settings."""
    parts = document.get("config", document).get("parts", {})
    return family(document["family"], document.get("family_settings", parts.get("family", {})))


def folder(shown: str) -> str:
    """A shown name as part of a folder's: `ALE/Pong-v5` as `Pong-v5`."""
    return re.sub(r"[^A-Za-z0-9._-]", "-", shown.rpartition("/")[2])
