"""What mkdocs does on the way: pages that are files of the repository's root, with their links turned to the site's."""

import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
INCLUDED = {"changelog.md": "CHANGELOG.md", "contributing.md": "CONTRIBUTING.md"}


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """The text of a page: that of the file which it stands for, if it stands for one."""
    name = INCLUDED.get(page.file.src_uri)
    return linked((ROOT / name).read_text(encoding="utf-8")) if name else markdown


def linked(text: str) -> str:
    """Links from the root of the repository as links from docs/."""
    own = {root: page for page, root in INCLUDED.items()}

    def turned(found: re.Match[str]) -> str:
        target = found[1]
        return f"]({own.get(target, target.removeprefix('docs/'))}"

    return re.sub(r"\]\(([^)#:\s]+)(?=[)#])", turned, text)
