"""The five rows of the READMEs, in both languages from one description."""

from typing import NamedTuple

import recorded
from table_cells import Document, read, steps, table
from table_gradients import PUBLISHED
from table_worlds import kelvin

LANGUAGES = {"README.md": 0, "README.zh-CN.md": 1}
"""Which of the two words of a `Row` a README shows."""
HEAD = (("task", "measured", "pliant", "beside it"), ("任务", "量", "pliant", "对照"))
MEASURED = ("point", "compared-half-cheetah-vel", "rl2-bandit-10-5", "rl2-reactor")
"""The results behind the rows, but for the one of speed."""
OUTDATED = (
    "Measured before a [change](CHANGELOG.md) that touches them: {}; `make studies` measures them again.",
    "以下各行测于一项会影响它们的[改动](CHANGELOG.md)之前：{}；`make studies` 会重新测量。",
)
Said = tuple[str, str]


class Row(NamedTuple):
    """A row, its words in English and in Chinese; numbers stand once."""

    task: Said
    measured: Said
    ours: str
    beside: Said


def front(readme: str) -> str:
    """The table of a README."""
    chosen = LANGUAGES[readme]
    rows = ((row.task[chosen], row.measured[chosen], row.ours, row.beside[chosen]) for row in _rows())
    text = table(HEAD[chosen], rows)
    if outdated := [f"`{name}`" for name in MEASURED if not recorded.is_current(name)]:
        text += f"\n\n{OUTDATED[chosen].format(', '.join(outdated))}"
    return text


def _rows() -> list[Row]:
    return [_learned("point"), _replay(), _bandit(), _reactor(), _stepping()]


def _learned(family: str) -> Row:
    (row,) = [r for r in _tracked(family)["summary"] if (r["algorithm"], r["split"]) == ("maml", "test")]
    measured = "MAML: return after 0 / 1 / 2 / 3 gradient steps", "MAML：0 / 1 / 2 / 3 次梯度更新后的回报"
    published = f"published {PUBLISHED[family]}", f"论文 {PUBLISHED[family]}"
    return Row((f"`{family}`", f"`{family}`"), measured, steps(row["return"][:4]), published)


def _replay() -> Row:
    agents = {agent["name"]: agent for agent in _tracked("compared-half-cheetah-vel")["agents"]}
    ours, theirs = (agents[name]["curve"][0]["return"]["mean"] for name in ("replay", "rl2"))
    some, more = (f"{agents[name]['cost']['train_env_steps'] / 1e6:.1f}" for name in ("replay", "rl2"))
    return Row(
        ("`half-cheetah-vel`", "`half-cheetah-vel`"),
        (f"`replay`: return of the first episode, after {some} M steps", f"`replay`：训练 {some} 百万步后的首回合回报"),
        f"{ours:.1f}",
        (f"RL^2 after {more} M steps {theirs:.1f}", f"RL^2，训练 {more} 百万步 {theirs:.1f}"),
    )


def _bandit() -> Row:
    summary = _tracked("rl2-bandit-10-5")["summary"]
    gittins, optimum = f"{summary['players']['gittins']:.2f}", f"{summary['optimum']:.2f}"
    return Row(
        ("`bandit`, 5 arms", "`bandit`，5 臂老虎机"),
        ("RL^2: total reward of 10 pulls", "RL^2：拉 10 次的总奖励"),
        f"{summary['trial_return']:.2f}",
        (f"Gittins index {gittins}, exact optimum {optimum}", f"Gittins 指数 {gittins}，精确最优值 {optimum}"),
    )


def _reactor() -> Row:
    before, after, pi = kelvin()
    robust = f"{pi['pi-robust']:.2f}"
    return Row(
        ("`reactor`, unseen plants", "`reactor`，未见过的对象"),
        ("RL^2: tracking error in K, first / last episode", "RL^2：跟踪误差（K），首 / 末回合"),
        f"{before.split(' ')[0]} / {after.split(' ')[0]}",
        (f"PI controller tuned on training plants {robust}", f"在训练对象上整定的 PI 控制器 {robust}"),
    )


def _stepping() -> Row:
    document = _tracked("stepping")
    rates, cores = document["robots"]["HalfCheetah"]["steps_per_second"], document["machine"]["cores"]
    ours, envpool = (f"{max(v for k, v in rates.items() if k.startswith(kind)):,.0f}" for kind in ("pliant", "envpool"))
    return Row(
        ("half-cheetah, speed", "half-cheetah，速度"),
        (f"environment steps per second on {cores} cores", f"{cores} 核上每秒的环境步数"),
        ours,
        (f"EnvPool {envpool}, in the same run", f"EnvPool {envpool}，同一次运行"),
    )


def _tracked(name: str) -> Document:
    document = read(name)
    assert document is not None, f"benchmarks/results/{name}.json is missing"
    return document
