"""Tables of speed: environment steps, whole iterations, memories, worker processes, and how cost grows."""

from table_cells import Document, read, said

STEPPERS = ("bare", "pliant", "envpool", "gymnasium")


def steppers() -> str:
    """Environment steps per second beside what anybody can install."""
    document = read("stepping")
    if not document:
        return ""
    rows = [[robot, *rates(measured)] for robot, measured in document["robots"].items() if measured["quiet"]]
    machine = document["machine"]
    text = f"Environment steps per second, {machine['cores']} cores, random actions, all in one run (`benchmarks/stepping.py`):"
    envpool = f"EnvPool {machine['versions']['envpool']}"
    head = ["robot", "bare `mj_step`", "pliant, 400 lanes", envpool, "Gymnasium AsyncVectorEnv"]
    return said(text, head, rows) if rows else ""  # of a machine that was not quiet, ratios mean nothing


def rates(measured: Document) -> list[str]:
    """The best rate of each stepper, with ours as a multiple of it."""
    found, ratios = measured["steps_per_second"], measured["ours_as_multiple_of"]
    best = {kind: max(v for k, v in found.items() if k.startswith(kind)) for kind in STEPPERS}
    return [f"{best[k]:,.0f}" + (f" (pliant: {ratios[k]:.2f} x)" if k in ratios else "") for k in STEPPERS]


def iterations() -> str:
    """Whole iterations of MAML."""
    document = read("speed")
    if not document:
        return ""
    rows = []
    for name, measured in document["results"].items():
        family, _, method = name.partition(" ")
        if family == "point":
            beside = f"{measured['ratio']:.1f} x one forward and backward pass over its 80,000 samples"
        elif family == "half-cheetah":
            beside = f"{measured['share_of_bare']:.0%} of the steps per second of bare `mj_step`, learning included"
        else:
            continue
        rows.append([family, method, f"{measured['seconds']:.2f}", beside])
    text = "A whole MAML iteration, second order, with 20 tasks x 20 episodes x 2 rollouts (`benchmarks/speed.py`):"
    return said(text, ["family", "outer step", "seconds", "beside a reference in the same run"], rows)


def recurrent() -> str:
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
    beside = {
        way: " and ".join(f"{each[way]['ratio']:.1f} (`{memory}`)" for memory, each in found["off-policy"].items())
        for way in ("like AMAGO", "like a preset")
    }
    peaks = " / ".join(f"{found['peak MiB'][n]:.0f}" for n in ("100", "1000", "10000"))
    text = (
        f"RL^2 with a GRU of 256 units on bandits of 5 arms and 100 pulls, {document['machine']['cores']} cores, acting and"
        " learning (4 epochs), all in one run (`benchmarks/recurrent.py`). With equally many trials and minibatches, pliant /"
        f" RecurrentPPO with its two LSTMs, of actor and critic: {found['learning']['ratio']:.1f}; an LSTM on either side:"
        f" {found['learning']['ratio, one LSTM each']:.1f}. One step of the policy in 256 lanes takes"
        f" {found['acting']['ratio']:.2f} times as long as a bare `torch.nn.GRUCell` with two heads; the bandit alone makes"
        f" {found['pulls per second'] / 1e6:.0f} million pulls a second; peak memory of learning by a GRU of 64 units, 64"
        f" trials, 100 steps at a time, from trials of 100 / 1,000 / 10,000 steps: {peaks} MiB. An iteration with another"
        f" memory of 64 units takes, as a multiple of `gru`: {others}. With 3 layers of 256 units and 24 trials of"
        " 200 steps an update, `replay` learns from as many of their steps a second as AMAGO did on two cores of this kind on"
        f" another day, times {beside['like AMAGO']} where every update has a pass of the memory and every step counts, times"
        f" {beside['like a preset']} where a pass serves four updates of actor and critic, at 32 steps of each trial."
    )
    return said(text, ["agent", "trials per iteration", "environment steps per second"], rows)


def workers() -> str:
    """Worker processes: speed and faults."""
    document = read("workers")
    if not document or "speed" not in document or "faults" not in document:
        return ""
    speed, kinds = document["speed"], document["faults"]["kinds"]
    slowest = max(each["slowest_seconds"] - (each["limit"] - 10.0) for each in kinds.values())
    return (
        "Environments in worker processes: CartPole-v1 with 64 lanes and a policy in the loop takes"
        f" {speed['steps_per_second']['pliant']:,.0f} steps a second,"
        f" {speed['pliant_as_a_multiple_of']['asynchronous']:.1f} times as many as Gymnasium's AsyncVectorEnv in the same run."
        f" Of {sum(each['times'] for each in kinds.values())} kills, hangs, exceptions and NaNs at random steps all left the"
        f" trial as if nothing had happened, after at most {slowest:.1f} s besides the time-out (`benchmarks/workers.py`)."
    )


def costs() -> str:
    """How cost grows, and what FOMAML saves."""
    document = read("growth")
    if not document:
        return ""
    flops = [row["fit"]["flops"]["exponent"] for row in document["growth"] if row["axis"] != "parameters"]
    outer, whole = ([row[f"{name}_ratio"] for row in document["fomaml"]] for name in ("seconds", "iteration_seconds"))
    return (
        "Operations of one adaptation and of one iteration grow with tasks, lanes and horizon with an exponent of"
        f" {max(flops):.2f}, for MAML, FOMAML, Reptile and RL^2. MAML's outer step takes {min(outer):.1f} to {max(outer):.1f}"
        f" times as long as FOMAML's with 1 to 5 inner steps, a whole iteration {min(whole):.1f} to {max(whole):.1f} times"
        " (`python benchmarks/growth.py`; [all exponents](evaluation.md#compute))."
    )


def busy() -> str:
    """What an iteration takes on a machine that others use."""
    document = read("busy")
    if not document:
        return ""
    shares = [each["times_fair_share"][load] for each in document["beside"].values() for load in ("1", "2")]
    halves = {plan: [each["times_half"][plan] for each in document["two"].values()] for plan in ("by_seeds", "by_hand")}
    return (
        "A busy machine: beside one and beside two processes that compute all the time, an iteration of each of the"
        f" {len(document['beside'])} presets takes {min(shares):.2f} to {max(shares):.2f} times its fair share of the"
        f" {document['machine']['cores']} cores. Two trainings at once take {min(halves['by_seeds']):.2f} to"
        f" {max(halves['by_seeds']):.2f} times as long as on half of the cores each when `--seeds` begins them, and"
        f" {min(halves['by_hand']):.2f} to {max(halves['by_hand']):.2f} times when each is begun by hand"
        f" ({len(document['two'])} presets; `benchmarks/busy.py`), with threads of torch that look out for work"
        f" {int(document['spin_count']):,} times before they sleep."
    )
