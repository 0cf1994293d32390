"""Settings and presets that should meet: a preset made for the tasks that the user typed, while another one is used."""

from collections.abc import Mapping
from typing import Any

from pliant.config import config, presets


def better_preset(algorithm: str, family: str, settings: Mapping[str, Any], preset: str | None = None) -> str | None:
    """The preset of the pair that was made for the family's settings in `settings`, if it is not the one that is taken.

    None if the user has chosen a preset or types no setting of the family, and if the plain preset was made for what is typed.
    """
    typed = {flag: value for flag, value in settings.items() if flag.startswith("family.")}
    if preset is not None or not typed:
        return None
    plain = config.load_config(algorithm, family)
    wanted = config.override(plain, typed).parts["family"]
    if wanted == plain.parts["family"]:
        return None
    for name in presets.names(algorithm, family):
        if name and config.load_config(algorithm, family, preset=name).parts["family"] == wanted:
            return name
    return None


def of_presets(algorithm: str, family: str, settings: Mapping[str, Any], preset: str | None = None) -> str:
    """One line that names the better preset; empty if there is none."""
    name = better_preset(algorithm, family, settings, preset)
    if name is None:
        return ""
    used = "the plain preset" if "" in presets.names(algorithm, family) else "no preset"
    said = f"preset {name} was made for these settings of {family}, but {used} is used"
    return f"{said}: --preset {name} takes it (in Python, preset={name!r})"
