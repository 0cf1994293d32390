"""What the checks of a family, an algorithm or a policy have found: a document, a table, a line."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from rich.table import Table
from rich.text import Text

from pliant.storage import record
from pliant.storage.schema import check as schema

SCHEMA = schema.SCHEMA
Kind = Literal["family", "algorithm", "policy"]
Verdict = Literal["ok", "warning", "wrong", "skipped"]
STYLES: dict[Verdict, str] = {"ok": "green", "warning": "yellow", "wrong": "bold red", "skipped": "dim"}


class Finding(NamedTuple):
    """What one check has found."""

    check: str
    """Its name."""
    asks: str
    """What must hold, in words."""
    verdict: Verdict
    words: str
    """What is wrong, or a note."""
    mend: str
    """The line to write where something is wrong, else empty."""


@dataclass(frozen=True)
class Report:
    """What every check has found."""

    kind: Kind
    """What was checked."""
    name: str
    """As it was asked for."""
    family: str
    """As a family calls itself; empty if there is none."""
    seed: int
    settings: Mapping[str, Any]
    """Those that were given."""
    findings: tuple[Finding, ...]

    @property
    def failed(self) -> tuple[str, ...]:
        """Names of the checks that found something wrong."""
        return tuple(f.check for f in self.findings if f.verdict == "wrong")

    def line(self) -> str:
        """The result in one line."""
        count = Counter(f.verdict for f in self.findings)
        more = "".join(f", {count[v]} {v}" for v in ("warning", "skipped") if count[v])
        result = f"{len(self.failed)} of {len(self.findings)} checks failed" if self.failed else f"{count['ok']} checks passed"
        return f"{result} for {self.name}{more}" + (f": {', '.join(self.failed)}" if self.failed else "")

    def document(self) -> dict[str, Any]:
        """Everything, as the document pliant.check/1."""
        return {
            "schema": SCHEMA,
            "kind": self.kind,
            "name": self.name,
            "family": self.family,
            "seed": self.seed,
            "settings": dict(self.settings),
            "versions": record.versions(),
            "failed": list(self.failed),
            "findings": [f._asdict() for f in self.findings],
        }

    def table(self) -> Table:
        """A row for each check, for the terminal; one for all that were skipped."""
        table = Table(title=Text(self.line()), show_lines=False)
        for name in ("check", "", "what must hold, and what was found"):
            table.add_column(name, overflow="fold")
        for f in (f for f in self.findings if f.verdict != "skipped"):
            cell = Text(f.asks)
            if f.words:
                cell.append(f"\n{f.words}", "dim" if f.verdict == "ok" else STYLES[f.verdict])
            if f.mend:
                cell.append(f"\nto mend: {f.mend}")
            table.add_row(Text(f.check), Text(f.verdict, STYLES[f.verdict]), cell)
        if skipped := [f.check for f in self.findings if f.verdict == "skipped"]:
            cell = Text(f"not asked before what is wrong is mended: {', '.join(skipped)}", STYLES["skipped"])
            table.add_row("", Text("skipped", STYLES["skipped"]), cell)
        return table
