"""The page of a comparison in a real browser, on a phone and on a desk: nothing sticks out, complains, runs or is asked for."""

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

from pliant.reporting import page

from . import comparisons

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions"),
    *("--host-resolver-rules=MAP * ~NOTFOUND", "--enable-logging=stderr", "--virtual-time-budget=5000", "--dump-dom"),
)
WIDTHS = (360, 1440)
LOOKER = """<!doctype html><meta charset="utf-8"><body>
<iframe id="page" style="border:0;width:{width}px;height:900px" srcdoc="{page}"></iframe><pre id="seen"></pre><script>
onload = () => {{
  const shown = document.getElementById("page").contentWindow, its = shown.document
  document.getElementById("seen").textContent = JSON.stringify({{
    width: its.documentElement.clientWidth,
    needed: its.documentElement.scrollWidth,
    resources: shown.performance.getEntriesByType("resource").map(each => each.name),
    scripts: its.scripts.length,
    text: its.body.textContent,
  }})
}}
</script>"""
pytestmark = pytest.mark.skipif(BROWSER is None, reason="there is no Chromium here")


class Seen(NamedTuple):
    """What a browser made of a page."""

    width: int
    needed: int
    resources: list[str]
    scripts: int
    text: str
    complaints: list[str]


def seen(text: str, width: int, tmp_path: Path) -> Seen:
    """Show a page in a frame of `width` CSS pixels."""
    path = tmp_path / f"{width}.html"
    path.write_text(LOOKER.format(width=width, page=html.escape(text)), encoding="utf-8")
    words = [str(BROWSER), *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", f"--window-size={width + 40},1000", path.as_uri()]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120)
    found = re.search(r'<pre id="seen">(.*?)</pre>', done.stdout, re.S)
    assert found and found[1], done.stderr[-2000:]
    complaints = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return Seen(**json.loads(html.unescape(found[1])), complaints=complaints)


def fits(found: Seen, width: int) -> bool:
    return found.width in range(width - 20, width + 1) and found.needed <= found.width  # less a scroll bar


@pytest.fixture(scope="module")
def crowd() -> str:
    """The page of a comparison whose agents have names that try to become markup."""
    kinds = [comparisons.KINDS[i % len(comparisons.KINDS)] for i in range(len(comparisons.HOSTILE))]
    return page.html(comparisons.document(kinds, comparisons.HOSTILE, tasks=2, points=3))


@pytest.fixture(scope="module")
def usual() -> str:
    return page.html(comparisons.document())


@pytest.mark.slow
@pytest.mark.parametrize("width", WIDTHS)
def test_a_page_fits_and_is_silent(width: int, usual: str, tmp_path: Path) -> None:
    found = seen(usual, width, tmp_path)
    assert fits(found, width), f"{found.needed} CSS pixels on a screen of {found.width}"
    assert (found.resources, found.scripts, found.complaints) == ([], 0, [])


@pytest.mark.slow
@pytest.mark.parametrize("width", WIDTHS)
def test_hostile_names_are_text_to_a_browser(width: int, crowd: str, tmp_path: Path) -> None:
    found = seen(crowd, width, tmp_path)
    assert fits(found, width), f"{found.needed} CSS pixels on a screen of {found.width}"
    assert (found.resources, found.scripts, found.complaints) == ([], 0, [])
    shown = re.sub(r"\s+", " ", found.text)
    missing = [name for name in comparisons.HOSTILE if name.isprintable() and re.sub(r"\s+", " ", name)[:20] not in shown]
    assert len(comparisons.HOSTILE) >= 30 and not missing


def test_what_sticks_out_complains_runs_or_is_asked_for_would_be_seen(tmp_path: Path) -> None:
    wide = '<p style="width:900px">wide</p><img src="https://example.org/x.png"><script>console.error("loud")</script>'
    found = seen(wide, 360, tmp_path)
    assert found.needed > found.width and found.scripts == 1
    assert found.resources == ["https://example.org/x.png"] and any("loud" in line for line in found.complaints)
