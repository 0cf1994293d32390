"""Draw the concepts: lane and trial, stages, MAML and RL^2. Wide enough for a page, legible on a phone."""

import math
from collections.abc import Callable, Sequence

from svg import arrow, bar, box, bracket, document, text

WIDTH = 560
GAP = 3
"""User units between two episodes of a lane."""
TASKS = ("one", "two", "four")
"""Colours of tasks."""
MEMORY = "three"


def lane() -> str:
    """Two tasks of three lanes; the first lane in words."""
    left, width = 92, 440
    lanes = {
        "task 1": ((150, 120, 164), (100, 160, 120), (140, 90, 190)),
        "task 2": ((170, 110, 90), (90, 150, 194), (120, 130, 110)),
    }
    body = [text(16, 28, "A lane plays one trial: consecutive episodes of one task", "strong", size=16)]
    x = left
    for number, length in enumerate(lanes["task 1"][0]):
        body.append(text(x + length / 2, 56, f"episode {number}", "quiet", "middle", 13))
        x += length + GAP
    y = 66
    for (task, rows), colour in zip(lanes.items(), TASKS, strict=False):
        body.append(text(16, y + 35, task, "strong"))
        for row in rows:
            body += _lane(left, y, row, colour, width)
            y += 23
            if y == 66 + 23:  # the lane of which the words speak
                body.append(_memory(left, y, width))
                y += 9
        y += 16
    body += [bracket(left, y - 8, width, -7), text(left + width / 2, y + 17, "a trial, T steps", "quiet", "middle", 13)]
    body.append(arrow(left, y + 40, left + 40, y + 40, MEMORY, 2.4))
    body.append(text(left + 50, y + 45, "memory lives as long as its lane", size=13))
    body.append(_padding(left + 270, y + 33, 30, 14))
    body.append(text(left + 308, y + 45, "padding: not valid", size=13))
    return document("A lane plays one trial", WIDTH, y + 66, body)


def _lane(x: float, y: float, lengths: Sequence[float], colour: str, width: float) -> list[str]:
    """Episodes one after another, and padding to the end of the rollout."""
    body, start = [], x
    for length in lengths:
        body.append(bar(x, y, length, colour))
        x += length + GAP
    left = start + width - x
    if left > GAP:
        body.append(_padding(x, y, left, 16))
    return body


def _padding(x: float, y: float, width: float, height: float) -> str:
    size = f'width="{width:.1f}" height="{height:g}"'
    return f'<rect class="grid" stroke-dasharray="3 3" x="{x:.1f}" y="{y:.1f}" {size} rx="3"/>'


def _memory(x: float, y: float, width: float) -> str:
    return arrow(x, y, x + width, y, MEMORY, 2)


def stage() -> str:
    """What a stage is for either school, and the adaptation curve that both have."""
    body = [text(16, 28, "A stage is a point of the adaptation curve", "strong", size=16)]
    body.append(text(16, 58, "gradients: a rollout per stage, the parameters change between them", "quiet", size=13))
    for number in range(3):
        x = 16 + 190 * number
        body.append(text(x + 66, 84, f"stage {number}", "strong", "middle"))
        body += [bar(x, 94 + 20 * row, length, "one") for row, length in enumerate((132, 96, 118))]
        if number < 2:
            body += [arrow(x + 140, 122, x + 182, 122), text(x + 161, 112, "step", "quiet", "middle", 13)]
    body.append(text(16, 186, "memory: one rollout, the memory changes inside it", "quiet", size=13))
    for number, (x, length) in enumerate(((16, 200), (219, 160), (382, 162))):
        body.append(text(x + length / 2, 212, f"stage {number}", "strong", "middle"))
        body += [bar(x, 222, length, "two"), text(x + length / 2, 262, f"episode {number}", "quiet", "middle", 13)]
    body.append(_memory(16, 244, 528))
    points = [(150, 372), (300, 322), (450, 306)]
    body.append('<path class="axis" d="M60 290V392H528"/>')
    body.append(text(68, 304, "return", "quiet", size=13))
    body.append(text(528, 412, "stage, or steps of the task seen before", "quiet", "end", 13))
    body.append('<path class="line mean three" d="' + "M" + "L".join(f"{x} {y}" for x, y in points) + '"/>')
    for number, (x, y) in enumerate(points):
        body.append(f'<circle class="fill three" cx="{x}" cy="{y}" r="5"/>')
        body.append(text(x, y - 12 if number else y - 14, str(number), "", "middle", 13))
    return document("Stages of both schools, and the adaptation curve", WIDTH, 426, body)


def maml() -> str:
    """Parameters, inner steps of three tasks from them, and the outer step that moves them."""
    x, y = 150, 240
    ends = {"one": (-95, -115), "two": (50, -140), "four": (128, -50)}
    body = [text(16, 28, "MAML: parameters from which one step goes far", "strong", size=16)]
    for number, (colour, (a, b)) in enumerate(ends.items(), 1):
        half = x + 0.58 * a, y + 0.58 * b
        body += [arrow(x, y, *half, colour, 2), arrow(*half, x + 0.94 * a, y + 0.94 * b, colour, 2)]
        body.append(_star(x + 1.1 * a, y + 1.1 * b, colour))
        body.append(text(x + 1.1 * a, y + 1.1 * b - 14, f"task {number}", "", "middle", 13))
    body.append(f'<circle class="fill {MEMORY}" cx="68" cy="300" r="7"/>')
    body += [text(68, 325, "θ before", "quiet", "middle", 13), arrow(76, 294, x - 9, y + 7, MEMORY, 3.2)]
    body += [f'<circle class="fill {MEMORY}" cx="{x}" cy="{y}" r="8"/>', text(x + 4, y + 28, "θ", "strong", "middle", 16)]
    said = (
        ("five", "inner step", ("for each task, along its own", "rewards: 20 episodes, one", "gradient")),
        (MEMORY, "outer step", ("once per iteration: by what", "the adapted policies earned,", "through the inner steps")),
    )
    top = 76
    for colour, name, lines in said:
        body += [arrow(352, top - 5, 384, top - 5, colour, 2.6), text(392, top, name, "strong")]
        body += [text(352, top + 20 * (row + 1), line, "quiet", size=13) for row, line in enumerate(lines)]
        top += 106
    body.append(_star(360, top - 5, "five"))
    body += [text(376, top, "what would be best", "quiet", size=13)]
    body += [text(376, top + 18, "for the task alone", "quiet", size=13)]
    return document("MAML in the space of parameters", WIDTH, 346, body)


def _star(x: float, y: float, colour: str) -> str:
    places = [(9 if i % 2 == 0 else 4, math.pi * i / 5 - math.pi / 2) for i in range(10)]
    points = " ".join(f"{x + r * math.cos(a):.1f},{y + r * math.sin(a):.1f}" for r, a in places)
    return f'<polygon class="fill {colour}" points="{points}"/>'


def rl2() -> str:
    """A memory unrolled over two episodes of a trial."""
    body = [text(16, 28, "RL²: the memory does the learning", "strong", size=16)]
    size, top = 62, 128
    places = [34 + 84 * i + (32 if i > 2 else 0) for i in range(6)]
    for i, x in enumerate(places):
        middle = x + size / 2
        body.append(box(x, top, size, 44, [f"h{'₀₁₂₃₄₅'[i]}"]))
        body += [arrow(middle, top + 84, middle, top + 46, "five"), arrow(middle, top - 2, middle, top - 30, TASKS[i > 2])]
        body.append(text(middle, top - 38, "action", "quiet", "middle", 13))
        if i + 1 < len(places):
            body.append(arrow(x + size + 1, top + 22, places[i + 1] - 1, top + 22, MEMORY, 2.6))
    for start, end, name in ((0, 2, "episode 0"), (3, 5, "episode 1")):
        x, width = places[start], places[end] + size - places[start]
        body += [text(x + width / 2, 58, name, "strong", "middle"), bar(x, 64, width, TASKS[start > 2], 5)]
    edge = (places[2] + size + places[3]) / 2
    body.append(f'<path class="axis" stroke-dasharray="4 4" d="M{edge} 46V214"/>')
    said = (
        "each step reads: observation, last action, last reward, whether an episode opens",
        "An episode ends and the world opens anew; the memory goes on to the trial's end.",
        "Training changes the weights. On a new task only h changes.",
    )
    for number, line in enumerate(said):
        body.append(text(WIDTH / 2, (232, 260, 280)[number], line, "quiet" if number else "", "middle", 13))
    return document("RL^2: a memory over the episodes of a trial", WIDTH, 298, body)


DRAWINGS: dict[str, Callable[[], str]] = {"lane": lane, "stage": stage, "maml": maml, "rl2": rl2}
