"""The README's tables of robots, games, driving and industry, in both languages."""

import statistics
from collections.abc import Callable
from typing import Any

Read = Callable[[str], dict[str, Any] | None]
Table = Callable[[list[str], list[list[str]]], str]

WORDS: dict[str, dict[str, Any]] = {
    "README.md": {
        "said": "Robots, games, driving and industry: held-out tasks, final agents, mean of all seeds (± standard"
        " deviation); *before* is the agent as it meets"
        " a task, in its first episode or before a gradient step, *after* its last episode or step. Tracking errors"
        " are means over the steps of an episode (`python benchmarks/trials.py reactor`, `minigrid`; `learning.py motor`;"
        " `driving.py maml`; `manipulation.py reach`, `push`, `ml10`):",
        "head": ["family", "agent", "measured", "before", "after", "beside it", "seeds", "minutes per seed (cores)"],
        "reactor": "tracking error, K",
        "minigrid": "goal reached in unseen rooms",
        "motor": "tracking error of unseen motors, % of the limits",
        "driving": "episodes that crash on highway-env",
        "robots": "success on test goals, published protocol, one seed",
        "beside": {"pi": "PI tuned on the nominal plant", "robust": "PI tuned on training plants", "random": "random",
            "idm": "careful driver"},
        "workers": "Environments in worker processes: CartPole-v1 with 64 lanes and a policy in the loop takes {rate:,.0f}"
        " steps a second, {ratio:.1f} times as many as Gymnasium's AsyncVectorEnv in the same run. Of {faults} kills, hangs,"
        " exceptions and NaNs at random steps all left the trial as if nothing had happened, after at most {slowest:.1f} s"
        " besides the time-out (`benchmarks/workers.py`).",
    },
    "README.zh-CN.md": {
        "said": "机器人、游戏、驾驶与工业：留出任务、最终的智能体、全部种子的均值（± 标准差）；*之前* 指智能体初遇任务时"
        "（第一个回合，或梯度更新之前），*之后* 指最后一个回合或最后一次更新之后。"
        "跟踪误差是一个回合各步的均值（`python benchmarks/trials.py reactor`、`minigrid`；"
        "`learning.py motor`；`driving.py maml`；`manipulation.py reach`、`push`、`ml10`）：",
        "head": ["任务族", "智能体", "量", "之前", "之后", "对照", "种子", "每个种子的分钟数（核数）"],
        "reactor": "跟踪误差，K",
        "minigrid": "在没见过的房间里到达目标",
        "motor": "没见过的电机的跟踪误差，占限值的 %",
        "driving": "在 highway-env 上发生碰撞的回合",
        "robots": "测试目标上的成功率，按论文的评估方式，一个种子",
        "beside": {"pi": "按标称对象整定的 PI", "robust": "按训练对象整定的 PI", "random": "随机", "idm": "谨慎的驾驶员"},
        "workers": "工作进程里的环境：CartPole-v1，64 条并行，策略在环内，每秒 {rate:,.0f} 步，"
        "是同一次运行中 Gymnasium AsyncVectorEnv 的 {ratio:.1f} 倍。在随机步发生的 {faults} 次杀死、卡住、异常与 NaN "
        "之后，试验都与什么也没发生时完全相同，除超时外最多用去 {slowest:.1f} 秒（`benchmarks/workers.py`）。",
    },
}

ROBOTS = {"reach": "`metaworld-ml1` reach-v3", "push": "`metaworld-ml1` push-v3", "ml10": "`metaworld-ml10`"}


def worlds(readme: str, read: Read, table: Table) -> str:
    """Every world that has been measured, one row each."""
    words = WORDS[readme]
    rows = [row for row in (part(words, read) for part in (_reactor, _motor, _minigrid, _driving)) if row]
    rows += _robots(words, read)
    return f"{words['said']}\n\n{table(words['head'], rows)}" if rows else ""


def workers(readme: str, read: Read) -> str:
    """Worker processes: speed and faults."""
    document = read("workers")
    if not document or "speed" not in document or "faults" not in document:
        return ""
    speed, kinds = document["speed"], document["faults"]["kinds"]
    late = {kind: each["slowest_seconds"] - (each["limit"] - 10.0) for kind, each in kinds.items()}
    return str(
        WORDS[readme]["workers"].format(
            rate=speed["steps_per_second"]["pliant"],
            ratio=speed["pliant_as_a_multiple_of"]["asynchronous"],
            faults=sum(each["times"] for each in kinds.values()),
            slowest=max(late.values()),
        )
    )


def _trained(runs: list[dict[str, Any]]) -> list[str]:
    minutes = sum(run["train_minutes"] for run in runs) / len(runs)
    return [str(len(runs)), f"{minutes:.0f} ({runs[0]['cores']})"]


def _spread(values: list[float], share: bool = False) -> str:
    """Mean and standard deviation over seeds, of a share in per cent."""
    mean, deviation = statistics.mean(values), statistics.stdev(values)
    return f"{mean:.0%} ± {deviation:.0%}" if share else f"{mean:.2f} ± {deviation:.2f}"


def _reactor(words: dict[str, Any], read: Read) -> list[str] | None:
    if not (document := read("rl2-reactor")):
        return None
    settings = document["runs"][0]["config"]["parts"]["family"]
    kelvin = 50 / settings["horizon"]  # of error a step that cost a return of -1
    summary, named = document["summary"], words["beside"]
    episodes = len(summary["return"])
    before, after = (_spread([-kelvin * run["return"][i] for run in document["runs"]]) for i in (0, -1))
    beside = {name: -kelvin * value / episodes for name, value in summary["players"].items()}
    others = f"{named['pi']} {beside['pi']:.2f}, {named['robust']} {beside['pi-robust']:.2f}"
    return ["`reactor`", "rl2, `gru`", words["reactor"], before, after, others, *_trained(document["runs"])]


def _minigrid(words: dict[str, Any], read: Read) -> list[str] | None:
    if not (document := read("rl2-minigrid")):
        return None
    before, after = (_spread([run["success"][i] for run in document["runs"]], share=True) for i in (0, -1))
    return ["`minigrid`", "rl2, `gru`", words["minigrid"], before, after, "", *_trained(document["runs"])]


def _motor(words: dict[str, Any], read: Read) -> list[str] | None:
    if not (document := read("motor")):
        return None
    runs = [run for run in document["runs"] if (run["algorithm"], run["split"]) == ("maml", "test")]
    share = 200 / runs[0]["config"]["parts"]["family"]["horizon"]  # an error of twice a limit costs 1
    before, after = (_spread([-share * run["return"][i] for run in runs]) for i in (0, -1))
    beside, named = runs[0]["players"], words["beside"]
    others = f"{named['pi']} {-share * beside['pi']:.2f}, {named['robust']} {-share * beside['robust-pi']:.2f}"
    return ["`motor`", "maml", words["motor"], before, after, others, *_trained(runs)]


def _driving(words: dict[str, Any], read: Read) -> list[str] | None:
    if not (document := read("driving-maml")):
        return None
    runs = [row for row in document["runs"] if (row["simulator"], row["split"]) == ("highway-env", "test")]
    before, after = (_spread([row["crashes"][i]["mean"] for row in runs], share=True) for i in (0, -1))
    minutes = [row["train_minutes"] for row in document["runs"] if "train_minutes" in row]
    others = f"{words['beside']['idm']} {document['players']['idm']:.0%}"
    cost = [str(len(runs)), f"{sum(minutes) / len(minutes):.0f} (1)"]
    return ["`driving`", "maml", words["driving"], before, after, others, *cost]


def _robots(words: dict[str, Any], read: Read) -> list[list[str]]:
    """Meta-World: the best algorithm of each study, the others beside it."""
    document, rows = read("metaworld") or {}, []
    for study, family in ROBOTS.items():
        if study in document:
            best, *rest = sorted(document[study]["rows"], key=lambda row: -row["headline"]["mean"])
            before, after = f"{best['success'][0]:.0%}", f"{best['headline']['mean']:.0%}"
            others = ", ".join(f"{row['algorithm']} {row['headline']['mean']:.0%}" for row in rest)
            rows.append([family, best["algorithm"], words["robots"], before, after, others, *_trained([best])])
    return rows
