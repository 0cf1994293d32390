"""A page and what comes with it, written beside each other."""

import os
import shutil
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pliant import errors
from pliant.reporting import markdown, page, plots
from pliant.system import files


def require_writable(out: Path) -> None:
    """Raise UserError unless a page and what goes beside it may be written to `out`."""
    out, folder = Path(out), _folder(Path(out))
    if out.suffix != ".html":
        raise errors.UserError(f"--out is {out}: expected a name that ends in .html")
    for path in (out, out.with_suffix(".md"), out.with_suffix(".csv")):
        files.require_writable(path, advice="choose another --out")
    if os.path.lexists(folder) and not folder.is_dir():
        raise errors.UserError(f"cannot write {folder}: it is a file; choose another --out")
    other = next((p.name for p in sorted(folder.glob("*")) if p.suffix != ".svg"), None)
    if other is not None:
        raise errors.UserError(f"{folder}, where the figures go, holds something else ({other!r}): choose another --out")


def write(comparison: Mapping[str, Any], out: Path, behaviours: page.Behaviours | None = None) -> list[Path]:
    """Write the page to `out`, Markdown, CSV and a folder of figures beside it: all of them whole, or none.

    What an earlier report left there is replaced. Raises UserError if the system cannot.
    """
    out = Path(out)
    require_writable(out)
    made, folder = plots.figures(comparison), _folder(out)
    texts = {
        out: page.html(comparison, behaviours, made),
        out.with_suffix(".md"): markdown.text(comparison, made, folder.name),
        out.with_suffix(".csv"): page.csv(comparison),
    }
    stage = out.parent / f".tmp-{uuid.uuid4().hex[:12]}"
    try:
        stage.mkdir(parents=True)
        try:
            for path, text in texts.items():
                files.write_synced(stage / path.name, text.encode())
            plots.save(made, stage / folder.name)
            _place([*texts, folder], stage)
        finally:
            shutil.rmtree(stage, ignore_errors=True)
        files.sync_folder(out.parent)
    except OSError as error:
        raise files.cannot("write", out, error) from error
    return [*texts, *(folder / f"{figure.name}.svg" for figure in made)]


def _place(paths: Sequence[Path], stage: Path) -> None:
    """Move what was made in `stage` to where it belongs; if one cannot be, put everything back as it was."""
    moved: list[tuple[Path, Path]] = []  # from, to
    (stage / "before").mkdir()
    try:
        for path in paths:
            if os.path.lexists(path):
                path.rename(stage / "before" / path.name)
                moved.append((path, stage / "before" / path.name))
            (stage / path.name).rename(path)
            moved.append((stage / path.name, path))
    except BaseException:
        for source, target in reversed(moved):
            target.rename(source)
        raise


def _folder(out: Path) -> Path:
    return out.with_name(f"{out.stem}-figures")
