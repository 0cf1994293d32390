"""The table of campaigns of injected faults."""

from table_cells import read, said

NAMES = {
    "flips": "single bits that flip in the files of a run",
    "hostile": "folders of somebody else's",
    "edits": "senseless contents under checksums that fit",
    "kills": "processes that are killed",
    "groups": "processes that share a training and are killed",
    "commands": "wrong command lines",
    "misuses": "wrong calls from Python",
    "environments": "environments that misbehave",
}
"""What is done in each campaign, in the order of the table; one that is not here stands under its own name."""


def campaigns() -> str:
    """What came of each kind of fault."""
    document = read("faults") or {}
    found = {name: document[name] for name in [*NAMES, *document] if isinstance(document.get(name), dict)}
    rows = [
        [NAMES.get(name, name), kind, f"{held:,} / {tried:,}"]
        for name, counts in found.items()
        for kind, (held, tried) in counts["kinds"].items()
    ]
    text = "Faults that were injected, and how many were held: noticed or harmless, one right line, nothing lost, nothing run"
    return said(f"{text} (`benchmarks/faults.py`).", ["campaign", "kind of fault", "held"], rows) if rows else ""
