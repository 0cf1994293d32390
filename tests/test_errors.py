"""Suggestions of what was meant: the nearest name, and none where nobody can tell."""

import pytest

from pliant import errors

FLAGS = ["--inner.lr", "--inner.steps", "--outer.lr", "--outer.lr_end", "--policy", "--policy.hidden", "--train.lanes"]
FAMILIES = ["half-cheetah-dir", "half-cheetah-vel", "point", "bandit", "cartpole", "motor", "driving"]
IDS = ["CartPole-v0", "CartPole-v1", "Pendulum-v1", "Pong-v5", "Bow-v1", "reach-v3", "reach-wall-v3"]

MEANT = [
    ("--lr", FLAGS, ["--inner.lr", "--outer.lr"]),
    ("--lr-end", FLAGS, ["--outer.lr_end"]),
    ("--stps", FLAGS, ["--inner.steps"]),
    ("--inner.step", FLAGS, ["--inner.steps"]),
    ("--lanes", FLAGS, ["--train.lanes"]),
    ("--polciy", FLAGS, ["--policy"]),
    ("piont", FAMILIES, ["point"]),
    ("Point", FAMILIES, ["point"]),
    ("half_cheetah_vel", FAMILIES, ["half-cheetah-vel"]),
    ("half-cheetah", FAMILIES, ["half-cheetah-dir", "half-cheetah-vel"]),
    ("cartpol-v1", IDS, ["CartPole-v1"]),
    ("CartPole", IDS, ["CartPole-v0", "CartPole-v1"]),
    ("Pendulum-v9", IDS, ["Pendulum-v1"]),
    ("reach", IDS, ["reach-v3"]),
    ("raech-v3", IDS, ["reach-v3"]),
]
NOT_MEANT = [
    ("--tensorboard", FLAGS),
    ("--config", FLAGS),
    ("--learning-rate", FLAGS),
    ("--lt", FLAGS),
    ("version", ["train", "evaluate", "adapt", "compare", "report", "sweep", "watch", "check", "list", "completion"]),
    ("Foo-v1", IDS),
    ("joint", FAMILIES),
    ("", FAMILIES),
    ("v1", IDS),
]


@pytest.mark.parametrize(("got", "names", "meant"), MEANT)
def test_what_was_meant_is_named(got: str, names: list[str], meant: list[str]) -> None:
    assert errors.nearest(got, names) == meant
    asked = " or ".join(repr(name) for name in meant)
    assert f"unknown thing {got!r}: did you mean {asked}?" in str(errors.unknown("thing", got, names))


@pytest.mark.parametrize(("got", "names"), NOT_MEANT)
def test_no_false_friend_is_named(got: str, names: list[str]) -> None:
    assert errors.nearest(got, names) == []
    assert "did you mean" not in str(errors.unknown("thing", got, names))


def test_a_suggestion_names_a_few_at_most() -> None:
    versions = [f"Ant-v{n}" for n in range(9)]
    assert errors.nearest("Ant", versions) == versions[-errors.MOST_NEAR :]
    assert errors.nearest("ant-dri", [f"ant-dir{n}" for n in "ab"]) == []
    assert errors.nearest("robot", [f"robot-{n}" for n in range(9)]) == []


def test_slips_are_counted_as_by_hand() -> None:
    pairs = {("abc", "abc"): 0, ("abc", "acb"): 1, ("abc", "ab"): 1, ("abc", "abcd"): 1, ("abc", "axc"): 1, ("abcd", "badc"): 2}
    for (a, b), slips in pairs.items():
        assert errors._slips(a, b) == errors._slips(b, a) == slips


def test_too_little_memory_is_one_line() -> None:
    processor = RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 800 bytes. Error code 12")
    card = RuntimeError("CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total capacity of 8 GiB")
    for error, asked in ((processor, "800 bytes"), (card, "20.00 GiB"), (MemoryError(), "")):
        tried = f" (tried to allocate {asked})" if asked else ""
        assert errors.one_line(error) == f"there is not enough memory{tried}: fewer tasks, lanes or units take less"
    assert errors.one_line(RuntimeError("a bug")) is None
