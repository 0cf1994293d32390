"""Settings in which agents differ."""

from pliant.reporting import facts, tables, words
from pliant.reporting.section import Comparison, Section


def table(comparison: Comparison) -> list[tables.Table]:
    """A row for every setting that not all agents share."""
    agents = comparison["agents"]
    each = [facts.settings(a["config"]) for a in agents]
    names = dict.fromkeys(name for one in each for name in one)
    own = [name for name in names if len({one.get(name) for one in each}) > 1]
    rows = [[_code(name), *(_code(one.get(name)) for one in each)] for name in own]
    note = f"What all agents share is left out; {words.NONE} is a setting that an agent does not have."
    return [tables.Table("Settings that differ", ["setting", *(words.shown(a["name"]) for a in agents)], rows, note)]


def _code(text: str | None) -> tables.Cell:
    return tables.Cell(words.NONE if text is None else words.shown(text), kind="code")


SECTION = Section(
    name="settings",
    title="Settings and versions",
    lead="In what agents differ.",
    order=90,
    tables=table,
    apart=True,
)
