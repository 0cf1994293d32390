"""What every drawing of the documentation is made of: a document in the reader's colours, lines of text, boxes and arrows."""

from collections.abc import Sequence
from xml.sax.saxutils import escape

STYLE = """
  .card { fill: #ffffff; stroke: #d0d7de }
  text { fill: #1f2328 }
  .quiet { fill: #59636e }
  .strong { font-weight: 600 }
  .axis { stroke: #59636e; stroke-width: 1; fill: none }
  .grid { stroke: #d0d7de; stroke-width: 1; fill: none }
  .mean { stroke-width: 2.4; fill: none }
  .seed { stroke-width: 1; fill: none; opacity: 0.45 }
  .player { stroke-dasharray: 5 4 }
  .band { opacity: 0.16 }
  .one { color: #2f74c0 }  .two { color: #c96a1b }  .three { color: #1f7a45 }  .four { color: #8a4fb0 }
  .five { color: #6b7280 }  .six { color: #b0364f }  .seven { color: #0f8a8a }  .eight { color: #8a6d00 }
  .nine { color: #c2408f }
  .line { stroke: currentColor }
  .fill { fill: currentColor }
  @media (prefers-color-scheme: dark) {
    .card { fill: #0d1117; stroke: #3d444d }
    text { fill: #f0f6fc }
    .quiet { fill: #9198a1 }
    .axis { stroke: #9198a1 }
    .grid { stroke: #2b323b }
    .one { color: #6cb0ff }  .two { color: #f0a35e }  .three { color: #56c987 }  .four { color: #c796ea }
    .five { color: #a5adb8 }  .six { color: #ef7f95 }  .seven { color: #4fd0d0 }  .eight { color: #d9bb4a }
    .nine { color: #f59ad0 }
  }"""


def document(title: str, width: int, height: int, body: Sequence[str]) -> str:
    """A whole SVG file."""
    font = "system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif"
    size = f'width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" font-family="{font}" font-size="14">',
            f"<title>{escape(title)}</title>",
            f"<style>{STYLE}\n</style>",
            f'<rect class="card" x="0.5" y="0.5" width="{width - 1}" height="{height - 1}" rx="8"/>',
            *body,
            "</svg>\n",
        ]
    )


def text(x: float, y: float, said: str, kind: str = "", anchor: str = "start", size: int = 14) -> str:
    """A line of text."""
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}">{escape(said)}</text>'


def bar(x: float, y: float, width: float, colour: str, height: float = 16, kind: str = "fill") -> str:
    """A stretch of time."""
    return f'<rect class="{kind} {colour}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:g}" rx="3"/>'


def arrow(x: float, y: float, to_x: float, to_y: float, colour: str = "five", wide: float = 1.6) -> str:
    """A straight arrow with its head at the end."""
    length = ((to_x - x) ** 2 + (to_y - y) ** 2) ** 0.5
    a, b = (to_x - x) / length, (to_y - y) / length
    size = 5 + 1.5 * wide
    back_x, back_y = to_x - size * a, to_y - size * b
    side_x, side_y = size / 2 * b, size / 2 * a
    corners = ((to_x, to_y), (back_x - side_x, back_y + side_y), (back_x + side_x, back_y - side_y))
    head = "M" + "L".join(f"{u:.1f} {v:.1f}" for u, v in corners) + "z"
    line = f'<path class="line {colour}" stroke-width="{wide:g}" fill="none" d="M{x:.1f} {y:.1f}L{back_x:.1f} {back_y:.1f}"/>'
    return f'{line}<path class="fill {colour}" d="{head}"/>'


def bracket(x: float, y: float, width: float, rise: float = 7) -> str:
    """A bracket over or, with a negative rise, under a stretch."""
    return f'<path class="axis" d="M{x:.1f} {y:.1f}v{-rise:g}h{width:.1f}v{rise:g}"/>'


def box(x: float, y: float, width: float, height: float, lines: Sequence[str]) -> str:
    """A box with lines of text in its middle, the first one strong."""
    top = y + height / 2 - 9 * (len(lines) - 1) + 5
    kinds = [("quiet", 13) if i else ("strong", 14) for i in range(len(lines))]
    said = [text(x + width / 2, top + 18 * i, lines[i], kind, "middle", size) for i, (kind, size) in enumerate(kinds)]
    size = f'width="{width:.1f}" height="{height:g}"'
    return f'<rect class="grid" x="{x:.1f}" y="{y:.1f}" {size} rx="6"/>' + "".join(said)
