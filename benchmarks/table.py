"""Redraw the tables of measured results in docs/results.md and in both READMEs from benchmarks/results.

    python benchmarks/table.py               # rewrites what stands between the result markers
    python benchmarks/table.py --check       # exit status 1 if a page says anything else
"""

import sys
from collections.abc import Callable

import recorded
import studies
import table_faults
import table_front
import table_gradients
import table_memories
import table_replay
import table_speed
import table_studies
import table_worlds
from table_cells import ROOT

START, END = "<!-- results -->", "<!-- /results -->"
RESULTS = "docs/results.md"
SECTIONS: dict[str, tuple[Callable[[], str], ...]] = {
    "Adaptation by gradients": (
        table_gradients.learning,
        table_gradients.waves,
        table_gradients.shares,
        table_gradients.estimates,
    ),
    "Every agent beside every other": (table_studies.studies,),
    "Robots, games, driving and industry": (table_worlds.worlds, table_worlds.episodes),
    "Adaptation by memory": (table_memories.trials, table_replay.replay, table_memories.tabular, table_memories.schools),
    "What memories are for": (
        table_memories.binding,
        table_memories.recall,
        table_memories.dependent,
        table_memories.two_step,
        table_memories.popgym,
    ),
    "Speed": (
        table_speed.steppers,
        table_speed.iterations,
        table_speed.recurrent,
        table_speed.workers,
        table_speed.busy,
        table_speed.costs,
    ),
    "Intervals": (table_studies.intervals,),
    "Faults": (table_faults.campaigns,),
}


def sections() -> str:
    """All tables, under their headings."""
    drawn = {head: [text for draw in draws if (text := draw())] for head, draws in SECTIONS.items()}
    return "\n\n".join([*outdated(), *("\n\n".join([f"## {head}", *texts]) for head, texts in drawn.items() if texts)])


def outdated() -> list[str]:
    """The sentence that names what is to be measured again, if anything is."""
    names = [name for name in studies.STUDIES if recorded.read(name) and not recorded.is_current(name)]
    if not names:
        return []
    return [
        "**Measured before a change that touches them**, which [the changelog](changelog.md) describes; `make studies` measures"
        f" them again: {', '.join(names)}."
    ]


def redrawn(page: str) -> str:
    """The text of a page with its results redrawn."""
    head, start, rest = (ROOT / page).read_text(encoding="utf-8").partition(START)
    _, end, tail = rest.partition(END)
    assert start and end, f"{page} has no place for results: add {START} and {END}"
    drawn = sections() if page == RESULTS else table_front.front(page)
    return f"{head}{START}\n\n{drawn}\n\n{END}{tail}"


def main() -> int:
    pages = (RESULTS, *table_front.LANGUAGES)
    stale = {page: text for page in pages if (text := redrawn(page)) != (ROOT / page).read_text(encoding="utf-8")}
    if "--check" in sys.argv:
        print("\n".join(f"{page} is not what benchmarks/results say: python benchmarks/table.py" for page in stale))
        return bool(stale)
    for page, text in stale.items():
        (ROOT / page).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
