"""The README's tables of comparisons under one budget, of what adaptation costs, and of intervals, in both languages."""

from collections.abc import Sequence
from typing import Any

from table_worlds import Read, Table

from pliant.reporting import verdicts

FAMILIES = ("point", "half-cheetah-vel")
WORDS: dict[str, dict[str, Any]] = {
    "README.md": {
        "said": "Every learner and every baseline on `{family}` after a like amount of training, return on {tasks} test"
        " tasks, {seeds} seeds, 95 % intervals over seeds and tasks (`python benchmarks/compared.py {family}`; trained"
        " {trained} minutes of one core, evaluated {evaluated}; [the page](docs/studies/{family}.html)):",
        "head": ["agent", "million training steps", "steps seen of a task", "before", "after", "minus pretrain", ""],
        "costs": "Operations of one adaptation and of one iteration grow with tasks, lanes and horizon with an exponent"
        " of {exponent:.2f}, for MAML, FOMAML, Reptile and RL^2. MAML's outer step takes {least:.1f} to {most:.1f} times as"
        " long as FOMAML's with 1 to 5 inner steps, a whole iteration {whole_least:.1f} to {whole_most:.1f} times ("
        "`python benchmarks/growth.py`).",
        "coverage": "In {studies:,} made-up studies each of {settings} kinds of normal effects, 95 % intervals of the"
        " difference of two agents hold the truth in {least:.1f} to {most:.1f} %, mean {mean:.1f} %; of the mean of one, in"
        " {own_least:.1f} to {own_most:.1f} %, mean {own_mean:.1f} % (`python benchmarks/coverage.py`).",
        "verdicts": {},
    },
    "README.zh-CN.md": {
        "said": "`{family}` 上的全部学习者与全部基线，训练量相近：{tasks} 个测试任务上的回报，{seeds} 个种子，95"
        " % 区间涵盖种子与任务（`python benchmarks/compared.py {family}`；训练用去单核 {trained} 分钟，评估 {evaluated} 分"
        "钟；[整页报告](docs/studies/{family}.html)）：",
        "head": ["智能体", "训练步数（百万）", "在任务中见过的步数", "之前", "之后", "减去 pretrain", ""],
        "costs": "对 MAML、FOMAML、Reptile 与 RL^2，一次适应与一次迭代的运算量随任务数、并行数与步数增长的指数是"
        " {exponent:.2f}。内层为 1 到 5 步时，MAML 的外层更新用时是 FOMAML 的 {least:.1f} 到 {most:.1f} 倍，整次迭代是"
        " {whole_least:.1f} 到 {whole_most:.1f} 倍（`python benchmarks/growth.py`）。",
        "coverage": "在 {settings} 类正态效应、每类 {studies:,} 次模拟研究中，两个智能体之差的 95 % 区间有 {least:.1f} 到"
        " {most:.1f} % 包含真值，平均 {mean:.1f} %；单个智能体均值的区间有 {own_least:.1f} 到 {own_most:.1f} %，平均"
        " {own_mean:.1f} %（`python benchmarks/coverage.py`）。",
        "verdicts": {"better": "更好", "worse": "更差", "no difference shown": "未见差别", "too few seeds": "种子太少"},
    },
}
Document = dict[str, Any]


def studies(readme: str, read: Read, table: Table) -> str:
    """A table for each comparison that has been made."""
    found = [document for family in FAMILIES if (document := read(f"compared-{family}"))]
    return "\n\n".join(_study(WORDS[readme], document, table) for document in found)


def _study(words: Document, document: Document, table: Table) -> str:
    spent = document["study"]["minutes"]
    said = words["said"].format(
        family=document["family"],
        tasks=document["tasks"],
        seeds=len(document["agents"][0]["seeds"]),
        trained=round(spent["training, of one core"]),
        evaluated=round(spent["evaluations"]),
    )
    rows = []
    for agent in document["agents"]:
        row, name = verdicts.beside(document, agent["name"], "pretrain"), f"`{agent['name']}`"
        steps = agent["efficiency"]
        counts = [f"{steps['train_env_steps'] / 1e6:.1f}", f"{steps['adapt_env_steps']:,.0f}"]
        verdict = words["verdicts"].get(row["verdict"], row["verdict"]) if row else ""
        means = [_mean(each["mean"], each["ci95"]) for each in (agent["no_adaptation"], agent["final"])]
        rows.append([name, *counts, *means, _mean(row["difference"], row["ci95"]) if row else "", verdict])
    return f"{said}\n\n{table(words['head'], rows)}"


def _mean(value: float, ends: Sequence[float]) -> str:
    return f"{value:.1f} [{ends[0]:.1f}, {ends[1]:.1f}]"


def costs(readme: str, read: Read) -> str:
    """How cost grows, and what FOMAML saves."""
    document = read("growth")
    if not document:
        return ""
    flops = [row["fit"]["flops"]["exponent"] for row in document["growth"] if row["axis"] != "parameters"]
    ratios = {name: [row[f"{name}_ratio"] for row in document["fomaml"]] for name in ("seconds", "iteration_seconds")}
    return str(
        WORDS[readme]["costs"].format(
            exponent=max(flops),
            least=min(ratios["seconds"]),
            most=max(ratios["seconds"]),
            whole_least=min(ratios["iteration_seconds"]),
            whole_most=max(ratios["iteration_seconds"]),
        )
    )


def intervals(readme: str, read: Read) -> str:
    """How often intervals hold the truth."""
    document = read("coverage")
    if not document:
        return ""
    found = {row["interval"]: row for row in document["summary"] if row["kind"] == "normal"}
    one, own = ({k: 100 * found[name][k] for k in ("least", "largest", "mean")} for name in ("difference", "mean"))
    return str(
        WORDS[readme]["coverage"].format(
            studies=document["studies"],
            settings=found["difference"]["settings"],
            least=one["least"],
            most=one["largest"],
            mean=one["mean"],
            own_least=own["least"],
            own_most=own["largest"],
            own_mean=own["mean"],
        )
    )
