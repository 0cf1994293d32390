"""Draw the house from the code's own imports: the rooms of the package, floor by floor, and which room imports which.

    python docs/house.py             # rewrites docs/images/house.svg and the table in docs/design.md
    python docs/house.py --check     # exit status 1 if either says anything else
"""

import ast
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from xml.sax.saxutils import escape

DOCS = Path(__file__).resolve().parent
SOURCE = DOCS.parent / "src" / "pliant"
WORDS = ("types", "errors", "streams", "version")
"""Single files that every room may import; they are drawn as the ground."""
WIDTH, ROOM, FLOOR, SIDE, TOP = 880, (130, 38), 84, 20, 20
STYLE = """
  text { fill: #1f2328; font: 13px system-ui, sans-serif }
  .room { fill: #f6f8fa; stroke: #8c959f }
  .ground { fill: #eaeef2; stroke: #8c959f }
  .card { fill: #ffffff }
  .arrow { fill: none; stroke: #2f74c0; stroke-opacity: .55; stroke-width: 1.3 }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc }
    .card { fill: #0d1117 }
    .room { fill: #161b22; stroke: #6e7681 }
    .ground { fill: #21262d; stroke: #6e7681 }
    .arrow { stroke: #6cb0ff }
  }"""


@cache
def files() -> dict[str, list[Path]]:
    """The files of every room; a file that stands alone is a room of its own."""
    found: dict[str, list[Path]] = {}
    for path in sorted(SOURCE.rglob("*.py")):
        parts = path.relative_to(SOURCE).parts
        found.setdefault(parts[0].removesuffix(".py"), []).append(path)
    del found["__init__"], found["__main__"]
    return found


@cache
def arrows() -> dict[str, frozenset[str]]:
    """Which rooms a room imports, the words left out."""
    return {
        room: frozenset(there for path in paths for there in _imported(path)) - {room, *WORDS}
        for room, paths in files().items()
        if room not in WORDS
    }


def _imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == "pliant":
            yield from (alias.name for alias in node.names if alias.name in files())
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("pliant."):
            yield node.module.split(".")[1]


def floors() -> list[list[str]]:
    """Rooms from the ground up: each stands above all that it imports."""
    height: dict[str, int] = {}

    def rise(room: str) -> int:
        if room not in height:
            height[room] = 1 + max((rise(below) for below in arrows()[room]), default=-1)
        return height[room]

    for room in arrows():
        rise(room)
    return [sorted(room for room, h in height.items() if h == floor) for floor in range(max(height.values()) + 1)]


def direct() -> dict[str, set[str]]:
    """The arrows that no longer way replaces: what a drawing needs, and no more."""

    def reached(room: str) -> set[str]:
        below = arrows()[room]
        return set(below).union(*(reached(r) for r in below))

    return {room: {b for b in below if not any(b in reached(o) for o in below - {b})} for room, below in arrows().items()}


def purpose(room: str) -> str:
    """The first line of a room's docstring."""
    path = SOURCE / room / "__init__.py"
    path = path if path.is_file() else SOURCE / f"{room}.py"
    return (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").partition("\n")[0]


def svg() -> str:
    """The drawing."""
    stack = floors()
    height = TOP * 2 + FLOOR * len(stack) + ROOM[1]
    place: dict[str, tuple[float, float]] = {}
    for level, rooms in enumerate(reversed(stack)):
        gap = (WIDTH - 2 * SIDE) / len(rooms)
        order = sorted(rooms, key=lambda room: _pull(room, place))
        for n, room in enumerate(order):
            place[room] = SIDE + gap * (n + 0.5), TOP + level * FLOOR + ROOM[1] / 2
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">']
    lines.append(f"<title>The rooms of pliant, floor by floor, and which imports which</title><style>{STYLE}\n</style>")
    lines.append(f'<rect class="card" width="{WIDTH}" height="{height}" rx="8"/>')
    lines.append('<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">')
    lines.append('<path d="M0 0L8 4L0 8z" fill="#2f74c0" fill-opacity=".7"/></marker></defs>')
    for room, below in sorted(direct().items()):
        for other in sorted(below):
            (x, y), (u, v) = place[room], place[other]
            y, v = y + ROOM[1] / 2, v - ROOM[1] / 2
            bend = (v - y) / 2
            curve = f"M{x:.0f} {y:.0f}C{x:.0f} {y + bend:.0f} {u:.0f} {v - bend:.0f} {u:.0f} {v:.0f}"
            lines.append(f'<path class="arrow" d="{curve}" marker-end="url(#tip)"/>')
    lines += [_box(room, *place[room], "room") for room in sorted(place)]
    ground = height - TOP - ROOM[1]
    lines.append(f'<rect class="ground" x="{SIDE}" y="{ground}" width="{WIDTH - 2 * SIDE}" height="{ROOM[1]}" rx="6"/>')
    words = "words that every room speaks: " + ", ".join(WORDS)
    lines.append(f'<text x="{WIDTH / 2:.0f}" y="{ground + 24}" text-anchor="middle">{words}</text>')
    return "\n".join([*lines, "</svg>"]) + "\n"


def _pull(room: str, place: Mapping[str, tuple[float, float]]) -> tuple[float, str]:
    """How far right those above pull a room."""
    above = [place[other][0] for other, below in direct().items() if room in below and other in place]
    return (sum(above) / len(above) if above else WIDTH / 2), room


def _box(room: str, x: float, y: float, kind: str) -> str:
    left, top = x - ROOM[0] / 2, y - ROOM[1] / 2
    return (
        f'<rect class="{kind}" x="{left:.0f}" y="{top:.0f}" width="{ROOM[0]}" height="{ROOM[1]}" rx="6"/>'
        f'<text x="{x:.0f}" y="{y + 5:.0f}" text-anchor="middle">{escape(room)}</text>'
    )


def table() -> str:
    """The rooms with what they are for, from the top floor down."""
    rows = ["| room | what it is for | imports |", "| --- | --- | --- |"]
    for rooms in reversed(floors()):
        for room in rooms:
            below = ", ".join(f"`{other}`" for other in sorted(arrows()[room])) or "nothing but the words"
            rows.append(f"| `{room}` | {purpose(room)} | {below} |")
    rows += [f"| `{word}` | {purpose(word)} | |" for word in WORDS]
    return "\n".join(rows)


def pages() -> dict[Path, str]:
    """The drawing and the page that holds the table, as they should be."""
    page = DOCS / "design.md"
    text = page.read_text(encoding="utf-8")
    filled = f"<!-- house -->\n![The rooms of pliant and which imports which](images/house.svg)\n\n{table()}\n<!-- /house -->"
    made, number = re.subn(r"<!-- house -->.*<!-- /house -->", lambda _: filled, text, flags=re.S)
    if number != 1:
        raise SystemExit(f"{page.name} needs one place for the house, between <!-- house --> and <!-- /house -->")
    return {DOCS / "images" / "house.svg": svg(), page: made}


def main(words: Sequence[str]) -> int:
    """Rewrite what is out of date, or say what is."""
    stale = {path: text for path, text in pages().items() if not path.exists() or path.read_text(encoding="utf-8") != text}
    for path, text in stale.items():
        print(path.relative_to(DOCS.parent))
        if "--check" not in words:
            path.write_text(text, encoding="utf-8")
    return int("--check" in words and bool(stale))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
