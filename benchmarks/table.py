"""Redraw the tables of measured results in README.md and README.zh-CN.md from benchmarks/results.

    python benchmarks/table.py               # rewrites what stands between the result markers
    python benchmarks/table.py --check       # exit status 1 if a README says anything else
"""

import json
import statistics
import sys
from pathlib import Path
from typing import Any

import table_studies
import table_worlds
from learning import TASKS

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
START, END = "<!-- results -->", "<!-- /results -->"
PUBLISHED = {"point": "-40.41 / -11.68 / -3.33 / -3.23", "half-cheetah-dir": "-50.69 / 293.19 / 313.48 / 315.65"}
"""Finn et al. 2017, Tables 4 and 5; the half-cheetah there is an older simulator."""
ALGORITHMS = ("maml", "fomaml", "reptile")
TRIALS = ("bandit-10-5", "bandit-10-10", "bandit-100-5", "bandit-100-10", "bandit-500-5", "tabular", "gridnavi")
STEPPERS = ("bare", "pliant", "envpool", "gymnasium")
WORDS = {
    "README.md": {
        "learning": "Return per episode after 0 / 1 / 2 / 3 gradient steps of 20 episodes each (cartpole and half-cheetah-vel:"
        " 10), mean over 40 tasks and all seeds ± standard deviation over seeds of the last; *untrained* is the same adaptation"
        " from random parameters. half-cheetah-dir has only two tasks: there `test` means new trials of both, not new tasks.",
        "head": ["family", "algorithm", "tasks", "return after 0 / 1 / 2 / 3 steps", "seeds", "minutes per seed (cores)"],
        "published": "published: MAML",
        "sinusoid": "Sine waves, mean squared error from 5 points after 1 / 5 / 10 gradient steps, three seeds, 1,000 new waves"
        " (published: MAML 0.67 / 0.38 / 0.35, pretrained 2.41 / 2.23 / 2.19):",
        "method": ["method", "mean squared error"],
        "trials": "RL^2, return of a whole trial on {tasks} test tasks, held out but for gridnavi's, which has 21 goals in all"
        " (standard error over tasks {error}), mean of all seeds ± standard deviation over seeds; beside it"
        " classical players, the Bayes-optimal agent, and who knows the task"
        " (`python benchmarks/trials.py STUDY`; bandit-100-5: 100 pulls of 5 arms):",
        "trial": ["study", "memory", "RL^2", "best players", "Bayes-optimal", "told the task", "seeds",
            "minutes per seed (cores)"],
        "tabular": "Random MDPs, return of each of the ten episodes, {tasks} test tasks (standard error of the total"
        " {error:.1f}), rl2 the mean of {seeds} seeds; informed players know from what the MDPs are drawn"
        " (`python benchmarks/trials.py tabular`; published totals, Duan et al. 2016: RL^2 156.2, BEB 150.2, OPSRL 144.1):",
        "tabular head": ["agent", "episode {}", "all"],
        "schools": "Both schools on `point`, return of an episode by the environment steps that the agent has seen of its task"
        " before it, mean of all seeds ± standard deviation over seeds of the last; test tasks, {memory} for `rl2` and"
        " {gradient} for the others (`python benchmarks/trials.py point`):",
        "school": ["algorithm", "return (steps seen)", "seeds", "training: million steps, minutes per seed (cores)"],
        "binding": "What external memory is for: share of questions answered about symbols that were shown once with one of"
        " four labels, the questions after a delay of distractors. `external` / a GRU with as many parameters, both after"
        " {trials} trials of training; {seeds} seeds, ± half of a 95 % interval over seeds, {tasks} new trials each"
        " (`python benchmarks/memories.py binding`); guessing has 0.25:",
        "binding head": ["pairs", "delay {} steps"],
        "recall": "What episodic memory is for: regret per episode when a context is met for the first, second, ... time, other"
        " contexts in between; {seeds} seeds, ± half of a 95 % interval over seeds, {tasks} new trials each"
        " (`python benchmarks/memories.py recall`):",
        "recall head": ["memory", "parameters", "encounter {}"],
        "recall bounds": {"optimal": "Bayes-optimal", "amnesic": "Bayes-optimal, forgetting between episodes"},
        "dependent": "Two arms whose probabilities add up to 1 (Wang et al. 2016): regret of 100 pulls, {seeds} seeds, ± half"
        " of a 95 % interval over seeds, {tasks} trials each (`python benchmarks/memories.py dependent`):",
        "dependent head": ["arms", "RL^2", "Bayes-optimal", "RL^2 without the reward as input", "chance"],
        "two-step": "The two-step task (Wang et al. 2016), learned from the reward alone: regret of 100 episodes {regret}"
        " (Bayes-optimal {optimal}; {seeds} seeds, ± half of a 95 % interval over seeds, {tasks} trials each). After a reward"
        " by the common transition the first action is repeated with probability {s11}, by the rare one {s10}; without a reward"
        " {s01} and {s00}: the reward x transition interaction of model-based choices. Among episodes of equal merit, where"
        " habits show none, it is {interactions} by seed, all p {p} (`python benchmarks/memories.py two-step`).",
        "stepping": "Environment steps per second, {cores} cores, random actions, all in one run (`benchmarks/stepping.py`):",
        "steppers": ["robot", "bare `mj_step`", "pliant, 400 lanes", "EnvPool {envpool}", "Gymnasium AsyncVectorEnv"],
        "speed": "A whole MAML iteration, second order, with 20 tasks x 20 episodes x 2 rollouts (`benchmarks/speed.py`):",
        "iteration": ["family", "outer step", "seconds", "beside a reference in the same run"],
        "passes": "{:.1f} x one forward and backward pass over its 80,000 samples",
        "share": "{:.0%} of the steps per second of bare `mj_step`, learning included",
        "recurrent": "RL^2 with a GRU of 256 units on bandits of 5 arms and 100 pulls, {cores} cores, acting and learning (4"
        " epochs), all in one run (`benchmarks/recurrent.py`). With equally many trials and minibatches, pliant / RecurrentPPO"
        " with its two LSTMs, of actor and critic: {ratio:.1f}; an LSTM on either side: {alike:.1f}. One step of the policy"
        " in 256 lanes takes {acting:.2f} times as long as a bare `torch.nn.GRUCell` with"
        " two heads; the bandit alone makes {pulls:.0f} million pulls a second; peak memory of learning by a GRU of 64 units,"
        " 64 trials, 100 steps at a time, from trials of 100 / 1,000 / 10,000 steps: {memory} MiB. An iteration with"
        " another memory of 64 units takes, as a multiple of `gru`: {others}.",
        "recurrent head": ["agent", "trials per iteration", "environment steps per second"],
    },
    "README.zh-CN.md": {
        "learning": "每回合回报，分别在 0 / 1 / 2 / 3 次梯度更新之后，"
        "每次更新使用 20 个回合（cartpole 与 half-cheetah-vel 为 10 个）；"
        "40 个任务、全部种子的均值 ± 最后一项在种子间的标准差。*untrained* 指从随机参数出发做同样的适应。"
        "half-cheetah-dir 只有两个任务，因此其 `test` 指两个任务的新试验，而非新任务。",
        "head": ["任务族", "算法", "任务", "0 / 1 / 2 / 3 次更新后的回报", "种子", "每个种子的分钟数（核数）"],
        "published": "论文：MAML",
        "sinusoid": "正弦波回归，用 5 个点更新 1 / 5 / 10 次后的均方误差，三个种子，1,000 条新波形"
        "（论文：MAML 0.67 / 0.38 / 0.35，预训练 2.41 / 2.23 / 2.19）：",
        "method": ["方法", "均方误差"],
        "trials": "RL^2：在 {tasks} 个测试任务上整个试验的回报（除 gridnavi 共有 21 个目标外均为留出任务；"
        "任务间标准误差 {error}），"
        "全部种子的均值 ± 种子间标准差；"
        "旁列经典策略、贝叶斯最优智能体，以及知道任务者"
        "（`python benchmarks/trials.py STUDY`；bandit-100-5：5 臂，拉 100 次）：",
        "trial": ["任务", "记忆", "RL^2", "最好的经典策略", "贝叶斯最优", "知道任务", "种子", "每个种子的分钟数（核数）"],
        "tabular": "随机 MDP，十个回合各自的回报，{tasks} 个测试任务（总和的标准误差 {error:.1f}），"
        "rl2 为 {seeds} 个种子的均值；"
        "informed 者知道 MDP 的抽样分布（`python benchmarks/trials.py tabular`；"
        "论文中的总和，Duan et al. 2016：RL^2 156.2，BEB 150.2，OPSRL 144.1）：",
        "tabular head": ["智能体", "第 {} 回合", "总和"],
        "schools": "两个流派在 `point` 上：每回合的回报，括号内是智能体在此之前在该任务上经历的环境步数；"
        "全部种子的均值 ± 最后一项在种子间的标准差；`rl2` 用 {memory} 个测试任务，其余用 {gradient} 个"
        "（`python benchmarks/trials.py point`）：",
        "school": ["算法", "回报（已历步数）", "种子", "训练：百万步，每个种子的分钟数（核数）"],
        "binding": "外部记忆的用处：符号与四个标签之一只一同出现一次，经过若干步干扰之后提问，表中为答对的比例。"
        "`external` / 参数同样多的 GRU，均训练 {trials} 次试验；{seeds} 个种子，± 为种子间 95 % 区间之半，"
        "每个种子 {tasks} 次新试验（`python benchmarks/memories.py binding`）；猜测为 0.25：",
        "binding head": ["符号数", "延迟 {} 步"],
        "recall": "情景记忆的用处：同一情境第一次、第二次……出现时每回合的遗憾，其间有其他情境；"
        "{seeds} 个种子，± 为种子间 95 % 区间之半，每个种子 {tasks} 次新试验（`python benchmarks/memories.py recall`）：",
        "recall head": ["记忆", "参数", "第 {} 次相遇"],
        "recall bounds": {"optimal": "贝叶斯最优", "amnesic": "贝叶斯最优，但回合之间遗忘"},
        "dependent": "两臂的概率之和为 1（Wang et al. 2016）：拉 100 次的遗憾，{seeds} 个种子，± 为种子间 95 % 区间之半，"
        "每个种子 {tasks} 次试验（`python benchmarks/memories.py dependent`）：",
        "dependent head": ["臂", "RL^2", "贝叶斯最优", "输入中没有奖励的 RL^2", "随机"],
        "two-step": "两步任务（Wang et al. 2016），只从奖励中学习：100 回合的遗憾 {regret}"
        "（贝叶斯最优 {optimal}；{seeds} 个种子，± 为种子间 95 % 区间之半，每个种子 {tasks} 次试验）。"
        "经常见转移得到奖励之后，重复第一个动作的概率为 {s11}，经罕见转移为 {s10}；没有奖励时为 {s01} 与 {s00}："
        "这正是有模型选择的奖励 × 转移交互作用。在同等好坏的回合之间（习惯在此不显出交互作用），"
        "它按种子为 {interactions}，p 均 {p}（`python benchmarks/memories.py two-step`）。",
        "stepping": "{cores} 核、随机动作时每秒的环境步数，均在同一次运行中测得（`benchmarks/stepping.py`）：",
        "steppers": ["机器人", "裸 `mj_step`", "pliant，400 条并行", "EnvPool {envpool}", "Gymnasium AsyncVectorEnv"],
        "speed": "一次完整的二阶 MAML 迭代：20 个任务 × 20 个回合 × 2 次采样（`benchmarks/speed.py`）：",
        "iteration": ["任务族", "外层更新", "秒", "与同一次运行中的参照相比"],
        "passes": "其 80,000 个样本一次前向加反向传播的 {:.1f} 倍",
        "share": "裸 `mj_step` 每秒步数的 {:.0%}，包含学习时间",
        "recurrent": "RL^2，256 个单元的 GRU，5 臂、拉 100 次的老虎机，{cores} 核，包含采样与学习（4 轮），"
        "均在同一次运行中测得（`benchmarks/recurrent.py`）。试验数与小批量数相同时，"
        "pliant / RecurrentPPO（演员与评论家各一个 LSTM）："
        "{ratio:.1f}；两边都只用一个 LSTM：{alike:.1f}。"
        "256 条并行时策略走一步所需时间是裸 `torch.nn.GRUCell` 加两个输出层的 {acting:.2f} 倍；"
        "老虎机本身每秒 {pulls:.0f} 百万次拉动；64 个单元的 GRU、64 次试验、每次回传 100 步，"
        "从 100 / 1,000 / 10,000 步的试验中学习的峰值内存：{memory} MiB。"
        "换用 64 个单元的其他记忆时，一次迭代所需时间是 `gru` 的倍数：{others}。",
        "recurrent head": ["智能体", "每次迭代的试验数", "每秒环境步数"],
    },
}


def read(name: str) -> dict[str, Any] | None:
    """A tracked result, or None if it has not been measured."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def learning(words: dict[str, Any]) -> str:
    """The table of adaptation curves."""
    rows = []
    for family in ("point", "half-cheetah-dir", "half-cheetah-vel", "cartpole"):
        document = read(family)
        summary = document["summary"] if document else []
        for row in sorted(summary, key=lambda row: ALGORITHMS.index(row["algorithm"].removeprefix("untrained "))):
            curve = " / ".join(f"{value:.1f}" for value in row["return"])
            spread = f" ± {row['sd_over_seeds'][-1]:.1f}" if row["sd_over_seeds"] else ""
            cores = next(run["cores"] for run in document["runs"] if run["algorithm"] == row["algorithm"])
            minutes = "" if row["algorithm"].startswith("untrained") else f"{row['train_minutes']:.0f} ({cores})"
            rows.append([family, row["algorithm"], row["split"], curve + spread, str(len(row["seeds"])), minutes])
        if document and family in PUBLISHED:
            rows.append([family, words["published"], "test", PUBLISHED[family], "", ""])
    return f"{words['learning']}\n\n{table(words['head'], rows)}" if rows else ""


def trials(words: dict[str, Any]) -> str:
    """The table of agents with memory, players and bounds beside them."""
    rows, tasks, errors = [], set(), set()
    for study in TRIALS:
        if document := read(f"rl2-{study}"):
            summary = document["summary"]
            spread = summary["sd_over_seeds"]
            ours = f"{summary['trial_return']:.2f}" + ("" if spread is None else f" ± {spread:.2f}")
            best = sorted(summary["players"].items(), key=lambda each: -each[1])[:2]
            players = ", ".join(f"{name} {value:.2f}" for name, value in best)
            bounds = ["" if summary[b] is None else f"{summary[b]:.2f}" for b in ("optimum", "ceiling")]
            cores = str(document["runs"][0]["cores"])
            minutes = f"{summary['train_minutes']:.0f} ({cores})"
            memory = document["runs"][0]["config"]["policy"]
            rows.append([study, f"`{memory}`", ours, players, *bounds, str(len(document["runs"])), minutes])
            tasks.add(document["tasks"])
            errors.add(summary["std_error_over_tasks"])
    if not rows:
        return ""
    span = {"tasks": _span(tasks, ",.0f"), "error": _span(errors, ".2f")}
    return f"{words['trials'].format(**span)}\n\n{table(words['trial'], rows)}"


def tabular(words: dict[str, Any]) -> str:
    """What is earned in each episode of a random MDP."""
    document = read("rl2-tabular")
    if not document:
        return ""
    summary, run = document["summary"], document["runs"][0]
    curves = {f"`rl2`, `{run['config']['policy']}`": (summary["return"], summary["trial_return"])}
    for name, each in sorted(run["players"]["each"].items(), key=lambda each: -each[1]["trial_return"]["mean"]):
        curves[name] = each["return"], each["trial_return"]["mean"]
    rows = [[name, *(f"{x:.1f}" for x in curve), f"{total:.1f}"] for name, (curve, total) in curves.items()]
    agent, episode, total = words["tabular head"]
    head = [agent, *(episode.format(i + 1) for i in range(len(summary["return"]))), total]
    said = words["tabular"].format(error=summary["std_error_over_tasks"], **_basis(document))
    return f"{said}\n\n{table(head, rows)}"


def schools(words: dict[str, Any]) -> str:
    """Adaptation by gradient and by memory, by the steps that each has seen of its task."""
    document, gradients = read("rl2-point"), read("point")
    if not document or not gradients:
        return ""
    groups = {"rl2": document["runs"]}
    for run in gradients["runs"]:
        if run["algorithm"] in ALGORITHMS and run["split"] == "test":
            groups.setdefault(run["algorithm"], []).append(run)
    rows = []
    for name, runs in groups.items():
        n = len(runs)
        curve = zip(*(zip(run["return"], run["steps_seen"], strict=True) for run in runs), strict=True)
        told = [f"{sum(r for r, _ in each) / n:.1f} ({sum(s for _, s in each) / n:,.0f})" for each in curve]
        told[-1] += f" ± {statistics.stdev(run['return'][-1] for run in runs):.1f}" if n > 1 else ""
        steps, minutes = (sum(run[key] for run in runs) / n for key in ("train_env_steps", "train_minutes"))
        rows.append([name, ", ".join(told), str(n), f"{steps / 1e6:.1f}, {minutes:.0f} ({runs[0]['cores']})"])
    tasks = {"memory": document["tasks"], "gradient": TASKS}
    return f"{words['schools'].format(**tasks)}\n\n{table(words['school'], rows)}"


def binding(words: dict[str, Any]) -> str:
    """External memory beside a GRU, by pairs and delay."""
    document = read("memories-binding")
    if not document:
        return ""
    summary = document["summary"]
    sizes = sorted({(int(name.split()[1]), int(name.split()[-1])) for name in summary})
    each = {
        size: " / ".join(_within(summary[f"{who} {size[0]} pairs delay {size[1]}"]) for who in ("external", "gru"))
        for size in sizes
    }
    delays = sorted({d for _, d in sizes})
    rows = [[str(p), *(each[p, d] for d in delays)] for p in sorted({p for p, _ in sizes})]
    head = [words["binding head"][0], *(words["binding head"][1].format(d) for d in delays)]
    settings = document["runs"][0]["config"]["parts"]["train"]
    trials = settings["iterations"] * settings["meta_batch"] * settings["lanes"]
    return f"{words['binding'].format(trials=f'{trials:,}', **_basis(document))}\n\n{table(head, rows)}"


def recall(words: dict[str, Any]) -> str:
    """Episodic memory beside LSTMs, by encounter."""
    document = read("memories-recall")
    if not document:
        return ""
    summary, first = document["summary"], document["runs"][0]
    rows = []
    for name, s in summary.items():
        half = s["ci95"] or [None] * len(s["mean"])
        cells = [_within({"mean": m, "ci95": c}) for m, c in zip(s["mean"], half, strict=True)]
        rows.append([name, f"{s['parameters']:,}", *cells])
    bounds = words["recall bounds"].items()
    rows += [[said, "", *(f"{x:.2f}" for x in first[bound])] for bound, said in bounds if first[bound]]
    encounters = len(next(iter(summary.values()))["mean"])
    head = [*words["recall head"][:2], *(words["recall head"][2].format(i + 1) for i in range(encounters))]
    return f"{words['recall'].format(**_basis(document))}\n\n{table(head, rows)}"


def dependent(words: dict[str, Any]) -> str:
    """Two arms that depend on each other."""
    document = read("memories-dependent")
    if not document:
        return ""
    summary, rows = document["summary"], []
    for name in (name for name in summary if "hidden" not in name):
        run = next(run for run in document["runs"] if run["cell"] == name)
        hidden = _within(summary[f"{name}, reward hidden"])
        rows.append([name, _within(summary[name]), f"{run['optimal']:.3f}", hidden, f"{run['chance']:.1f}"])
    return f"{words['dependent'].format(**_basis(document))}\n\n{table(words['dependent head'], rows)}"


def two_step(words: dict[str, Any]) -> str:
    """How the last episode moves the next choice."""
    document = read("memories-two-step")
    if not document:
        return ""
    (measured,) = document["summary"].values()
    runs = document["runs"]
    effects = [run["signature"]["among equals"]["interaction"] for run in runs]
    stay = [run["signature"]["plain"]["stay"] for run in runs]
    places = {f"s{r}{c}": f"{sum(each[r][c] for each in stay) / len(stay):.2f}" for r in (0, 1) for c in (0, 1)}
    sizes = ", ".join(f"{each['size']:.3f}" for each in effects)
    highest = max(each["p_value"] for each in effects)
    p = next((f"< {10.0**n:g}" for n in range(-15, 0) if highest < 10.0**n), f"= {highest:.2f}")
    numbers = {"regret": _within(measured), "optimal": runs[0]["optimal"], "interactions": sizes, "p": p}
    return str(words["two-step"].format(**numbers, **places, **_basis(document)))


def _basis(document: dict[str, Any]) -> dict[str, str]:
    """How much a study measured."""
    return {"seeds": str(len({run["seed"] for run in document["runs"]})), "tasks": format(document["tasks"], ",")}


def _within(measured: dict[str, Any]) -> str:
    """A mean and half the width of its interval, if there is one."""
    return f"{measured['mean']:.2f}" + ("" if measured["ci95"] is None else f" ± {measured['ci95']:.2f}")


def _span(values: set[float], form: str) -> str:
    """The least and the most of them, or the one."""
    return " - ".join(dict.fromkeys(format(x, form) for x in (min(values), max(values))))


def waves(words: dict[str, Any]) -> str:
    """The table of the sine-wave example."""
    document = read("sinusoid")
    if not document:
        return ""
    rows = [[m, " / ".join(f"{x:.2f}" for x in s["mse"])] for m, s in document["summary"].items()]
    return f"{words['sinusoid']}\n\n{table(words['method'], rows)}"


def speed(words: dict[str, Any]) -> str:
    """The tables of steps per second and of whole iterations."""
    parts = []
    if document := read("stepping"):
        rows = []
        for robot, measured in document["robots"].items():
            if not measured["quiet"]:  # then wall-clock ratios mean nothing
                continue
            rates = measured["steps_per_second"]
            best = {kind: max(v for k, v in rates.items() if k.startswith(kind)) for kind in STEPPERS}
            ratios = measured["ours_as_multiple_of"]
            cells = [f"{best[k]:,.0f}" + (f" (pliant: {ratios[k]:.2f} x)" if k in ratios else "") for k in STEPPERS]
            rows.append([robot, *cells])
        known = {"cores": document["machine"]["cores"], "envpool": document["machine"]["versions"]["envpool"]}
        head = [cell.format(**known) for cell in words["steppers"]]
        if rows:
            parts.append(f"{words['stepping'].format(**known)}\n\n{table(head, rows)}")
    if document := read("speed"):
        rows = []
        for name, measured in document["results"].items():
            family, _, method = name.partition(" ")
            if family == "point":
                rows.append([family, method, f"{measured['seconds']:.2f}", words["passes"].format(measured["ratio"])])
            elif family == "half-cheetah":
                rows.append([family, method, f"{measured['seconds']:.2f}", words["share"].format(measured["share_of_bare"])])
        parts.append(f"{words['speed']}\n\n{table(words['iteration'], rows)}")
    return "\n\n".join(parts)


def recurrent(words: dict[str, Any]) -> str:
    """Acting and learning with memory, beside what anybody can install."""
    document = read("recurrent")
    if not document:
        return ""
    found = document["results"]
    rows = []
    for name, rate in found["learning"]["steps_per_second"].items():
        agent, _, trials = name.replace("pliant, 2,000", "pliant, GRU, 2,000").partition(", 2,000")
        agent = "pliant, GRU" if agent == "pliant" else agent
        rows.append([agent, "2,000" if trials else "64", f"{rate:,.0f}"])
    others = ", ".join(f"`{name}` {ratio:.1f}" for name, ratio in found["memories"].items() if name != "gru")
    peaks = " / ".join(f"{found['peak MiB'][n]:.0f}" for n in ("100", "1000", "10000"))
    said = words["recurrent"].format(
        cores=document["machine"]["cores"], ratio=found["learning"]["ratio"],
        alike=found["learning"]["ratio, one LSTM each"], acting=found["acting"]["ratio"],
        pulls=found["pulls per second"] / 1e6, memory=peaks, others=others,
    )  # fmt: skip
    return f"{said}\n\n{table(words['recurrent head'], rows)}"


def redrawn(readme: str) -> str:
    """The README's text with its results redrawn."""
    text = (ROOT / readme).read_text(encoding="utf-8")
    head, _, rest = text.partition(START)
    draws = (learning, trials, tabular, schools, binding, recall, dependent, two_step, waves, speed, recurrent)
    parts = [draw(WORDS[readme]) for draw in draws]
    parts.insert(1, table_worlds.worlds(readme, read, table))
    parts.insert(1, table_studies.studies(readme, read, table))
    parts += [table_worlds.workers(readme, read), table_studies.costs(readme, read), table_studies.intervals(readme, read)]
    parts = [part for part in parts if part]
    return head + START + "\n" + "\n\n".join(parts) + "\n" + END + rest.partition(END)[2]


def main() -> int:
    stale = [name for name in WORDS if redrawn(name) != (ROOT / name).read_text(encoding="utf-8")]
    if "--check" in sys.argv:
        print("\n".join(f"{name} is not what benchmarks/results say: python benchmarks/table.py" for name in stale))
        return bool(stale)
    for name in stale:
        (ROOT / name).write_text(redrawn(name), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
