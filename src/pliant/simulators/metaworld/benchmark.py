"""Meta-World's benchmarks: which classes they hold. Data only."""

from pliant import errors

VERSION = "3.1.1"
"""Of Meta-World. Another one may have other classes and other goals."""
FIRST = {"train": 0, "test": 50, "ood": 100}
"""The first goal of each split."""
COUNT = {"train": 50, "test": 40, "ood": 40}
"""Goals of each split."""
STRIDE = 1000
"""Task numbers between a class and the next."""
MOST_GOAL = 6
"""Numbers of the longest goal."""
WIDER = 1.25
"""Width of the box of shifted goals, in widths of the class's own."""


def _names(words: str) -> tuple[str, ...]:
    return tuple(f"{word}-v3" for word in words.split())


CLASSES = _names(
    "assembly basketball bin-picking box-close button-press-topdown button-press-topdown-wall"
    " button-press button-press-wall coffee-button coffee-pull coffee-push dial-turn disassemble"
    " door-close door-lock door-open door-unlock drawer-close drawer-open faucet-close faucet-open hammer"
    " hand-insert handle-press-side handle-press handle-pull-side handle-pull lever-pull peg-insert-side"
    " peg-unplug-side pick-out-of-hole pick-place pick-place-wall plate-slide-back-side plate-slide-back"
    " plate-slide-side plate-slide push-back push push-wall reach reach-wall shelf-place soccer"
    " stick-pull stick-push sweep-into sweep window-close window-open"
)
"""All 50, as ML1 has them, by number."""
ML10 = {
    "train": _names(
        "reach push pick-place door-open drawer-close button-press-topdown peg-insert-side window-open sweep basketball"
    ),
    "test": _names("drawer-open door-close shelf-place sweep-into lever-pull"),
}
ML25 = {
    "train": _names(
        "reach push pick-place door-open drawer-open drawer-close button-press-topdown peg-insert-side window-open window-close"
        " coffee-pull pick-out-of-hole disassemble pick-place-wall basketball stick-pull button-press-wall faucet-open"
        " door-lock lever-pull sweep-into faucet-close coffee-button button-press-topdown-wall dial-turn"
    ),
    "test": _names("basketball door-close shelf-place sweep button-press"),
}
"""`basketball-v3` is in both, as in Meta-World; its goals are not."""
_HELD_OUT_45 = _names("bin-picking box-close hand-insert door-lock door-unlock")
ML45 = {"train": tuple(name for name in CLASSES if name not in _HELD_OUT_45), "test": _HELD_OUT_45}


def require_class(name: str) -> str:
    """`name`, or UserError with the nearest of the 50 names."""
    if name not in CLASSES:
        raise errors.unknown("Meta-World task", name, CLASSES, "one of the 50 of Meta-World, such as reach-v3")
    return name
