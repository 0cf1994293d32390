"""What an algorithm and a family are called where people read it: in the names of folders, in titles, in videos."""

import re
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any


def name(full: str) -> str:
    """`room` for code outside pliant named as `room.py`, `there/room.py` or `package.room`; pliant's own names as they are."""
    return PurePath(full).stem if full.endswith(".py") else full.rpartition(".")[2]


def family(config: Mapping[str, Any]) -> str:
    """The family of a config as in run.json: of the family `gymnasium` the id of its environment, where one is given."""
    env = config.get("parts", {}).get("family", {}).get("env", "")
    if config["family"] == "gymnasium" and env:
        return str(env).rpartition(":")[2]  # the module that registers it says nothing
    return name(str(config["family"]))


def folder(shown: str) -> str:
    """A shown name as part of a folder's: `ALE/Pong-v5` as `Pong-v5`."""
    return re.sub(r"[^A-Za-z0-9._-]", "-", shown.rpartition("/")[2])
