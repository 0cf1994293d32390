"""What a user should know of settings that are right: a preset that fits better, a schedule that is stretched."""

from collections.abc import Mapping
from typing import Any

from pliant.config import config, presets, registry


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


def of_schedules(old: config.Config, new: config.Config) -> str:
    """One line on what becomes of the schedules of a run that goes on with more iterations; empty if it has none."""
    before, after = old.parts["train"].iterations, new.parts["train"].iterations
    scheduled = getattr(registry.load("algorithm", new.algorithm), "scheduled", None)
    names = list(scheduled(new.parts)) if scheduled and after != before else []
    if not names:
        return ""
    said = f"{' and '.join(names)} {'changes' if len(names) == 1 else 'change'} over the whole of a training"
    return f"{said}, which has {after} iterations from now on instead of {before}: the run differs from one begun with {after}"
