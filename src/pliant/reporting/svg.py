"""Figures as SVG: one look for all of them, text that stays text, and nothing in them that could do anything but be seen.

A figure can be put into a page beside others: its ids are its own, it has no style sheet, script or link, its ink takes the
colour of the page. The same figure always gives the same text.
"""

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from xml.etree import ElementTree

SIZE = (4.4, 3.3)
"""Inches: a column of a paper, and on a phone the text is still large enough."""
INK = "#1b1f24"
"""Axes and text; in a page the colour of its text."""
FONTS = "'Helvetica Neue', Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif"
LOOK: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "pliant",
    "text.parse_math": False,  # a name may have dollars in it
    "font.family": "DejaVu Sans",
    "font.size": 8.5,
    "axes.labelsize": 8.5,
    "legend.fontsize": 8,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "lines.linewidth": 1.6,
    "lines.markersize": 4.5,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": INK,
    "grid.alpha": 0.13,
    "grid.linewidth": 0.5,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "legend.frameon": False,
    **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), INK),
}

SPACE, LINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
_TAGS = set(
    "svg g defs use path rect circle ellipse line polyline polygon text tspan clipPath image title desc"
    " linearGradient radialGradient stop marker pattern".split()
)
_ROUNDED = {"d", "x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "r", "points", "width", "height"}
_LONG_NUMBER = re.compile(r"-?\d+\.\d{3,}(?![\de])")
_REFERENCE = re.compile(r"url\(#([^)\s]+)\)")


@contextmanager
def look() -> Iterator[None]:
    """Within, matplotlib draws as all figures here are drawn."""
    import matplotlib

    with matplotlib.rc_context(LOOK), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)  # the reader's fonts have it
        yield


def drawn(figure: Any, title: str) -> str:
    """A matplotlib figure as the text of an SVG file, called `title` for those who cannot see it. To be used within `look`."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    root = _cleaned(ElementTree.fromstring(buffer.getvalue()), "")
    root.set("style", "stroke-linejoin: round; stroke-linecap: butt")  # what matplotlib says in a style sheet
    name = ElementTree.Element(f"{{{SPACE}}}title")
    name.text = title
    root.insert(0, name)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + _text(root) + "\n"


def inline(svg: str, prefix: str, title: str) -> str:
    """An SVG file as a part of a page: without what a file alone needs, `prefix` before its ids, as wide as there is room."""
    root = _cleaned(ElementTree.fromstring(svg), prefix)
    for name in root.findall(f"{{{SPACE}}}title"):
        root.remove(name)  # a page shows it when the pointer rests on the figure, all over the figure
    width, height = (root.attrib.pop(side, "") for side in ("width", "height"))
    root.attrib.pop("version", "")
    if "viewBox" not in root.attrib:
        root.set("viewBox", f"0 0 {_number(width)} {_number(height)}")
    root.set("role", "img")
    root.set("aria-label", title)
    return _text(root).replace(INK, "currentColor")


def _cleaned(root: ElementTree.Element, prefix: str) -> ElementTree.Element:
    """The same picture with known elements only, short numbers, and ids only where something refers to them."""
    _prune(root)
    used = set()
    for element in root.iter():
        for name, value in element.attrib.items():
            used.update(_REFERENCE.findall(value))
            if name.endswith("href") and value.startswith("#"):
                used.add(value[1:])
    for element in root.iter():
        for name, value in list(element.attrib.items()):
            if name == "id" and value not in used:
                del element.attrib[name]
            else:
                element.set(name, _attribute(name, value, prefix))
        if element.tag not in (f"{{{SPACE}}}text", f"{{{SPACE}}}tspan", f"{{{SPACE}}}title", f"{{{SPACE}}}desc"):
            element.text = None
        element.tail = None if not (element.tail or "").strip() else element.tail
    return root


def _prune(parent: ElementTree.Element) -> None:
    """Take out elements that are no part of a picture, and attributes that act or lead out of the file."""
    for name, value in list(parent.attrib.items()):
        plain = name.rpartition("}")[2].lower()
        outward = plain == "href" and not value.startswith(("#", "data:image/png;base64,"))
        loads = "url(" in _REFERENCE.sub("", value).lower() or "\\" in value or "@import" in value.lower()
        if plain.startswith("on") or outward or (loads and plain != "aria-label"):
            del parent.attrib[name]
    for child in list(parent):
        space, _, tag = str(child.tag).rpartition("}")
        if tag in _TAGS and space == f"{{{SPACE}":
            _prune(child)
        else:
            parent.remove(child)


def _attribute(name: str, value: str, prefix: str) -> str:
    if name == "id":
        return prefix + value
    if name.endswith("href"):
        return f"#{prefix}{value[1:]}" if value.startswith("#") else value
    if name in _ROUNDED:
        return " ".join(_LONG_NUMBER.sub(lambda number: f"{float(number[0]):.2f}", value).split())
    if name == "style":
        value = re.sub(r"font-family: [^;]*", f"font-family: {FONTS}", value)
    return _REFERENCE.sub(lambda found: f"url(#{prefix}{found[1]})", value)


def _text(root: ElementTree.Element) -> str:
    ElementTree.register_namespace("", SPACE)
    ElementTree.register_namespace("xlink", LINK)
    return ElementTree.tostring(root, encoding="unicode")


def _number(length: str) -> str:
    found = re.match(r"[\d.]+", length)
    return found[0] if found else "100"
