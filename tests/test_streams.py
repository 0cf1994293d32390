"""What a stream draws depends on its address alone."""

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from pliant.streams import Stream


def test_the_same_address_gives_the_same_bits() -> None:
    one, two = Stream(3).at("acts", 17), Stream(3).at("acts").at(17)
    assert torch.equal(one.normal(4, 5), two.normal(4, 5))
    assert torch.equal(one.uniform(4, 5), two.uniform(4, 5))
    assert np.array_equal(one.rng().random(5), two.rng().random(5))
    assert torch.equal(one.normal(4, 5), one.normal(4, 5)), "drawing must not move the stream"


def test_every_part_of_an_address_counts() -> None:
    streams = [
        Stream(0),
        Stream(1),
        Stream(0).at("acts"),
        Stream(0).at("tasks"),
        Stream(0).at("acts", 1),
        Stream(0).at("acts", "1"),
        Stream(0).at("acts", 11),
        Stream(0).at("acts", 1, 1),
        Stream(0).at(0),
        Stream(0).at("0"),
        Stream(0).at("a", "b"),
        Stream(0).at("a, b"),
        Stream(0).at("a', 'b"),
    ]
    assert len({s.key for s in streams}) == len(streams)
    assert len({float(s.rng().random()) for s in streams}) == len(streams)
    assert len({float(torch.rand((), generator=s.generator(), dtype=torch.float64)) for s in streams}) == len(streams)


@pytest.mark.parametrize("one, other", [(7306, 58310), (130780, 136276), (97171, 149159), (64598, 173281)])
def test_addresses_whose_keys_agree_in_32_bits_draw_other_numbers(one: int, other: int) -> None:
    """Of torch's seeds 32 bits reach its generator."""
    a, b = Stream(0).at("acts", one), Stream(0).at("acts", other)
    assert a.key % 2**32 == b.key % 2**32
    assert not torch.equal(a.normal(1, 3), b.normal(1, 3)) and not torch.equal(a.uniform(1, 3), b.uniform(1, 3))
    assert not np.array_equal(a.rng().random(3), b.rng().random(3))
    assert not torch.equal(a.generator().get_state(), b.generator().get_state())
    assert not torch.equal(torch.rand(3, generator=a.generator()), torch.rand(3, generator=b.generator()))


def test_a_million_addresses_draw_a_million_numbers(length: Callable[[int, int], int]) -> None:
    addresses = length(100_000, 1_000_000)
    drawn = Stream(0).at("acts").uniform(addresses, dtype=torch.float64)
    assert len(np.unique(drawn.numpy())) == addresses
    assert len({Stream(0, ("acts", i)).key for i in range(0, addresses, 50)}) == addresses // 50


@pytest.mark.parametrize("three", [np.int64(3), np.int8(3), np.uint32(3), np.array(3), torch.tensor(3)])
def test_equal_integers_are_equal_addresses(three: Any) -> None:
    assert Stream(three).at("a", three) == Stream(3).at("a", 3) == Stream(three, ("a", three))
    assert torch.equal(Stream(three).at("a", three).normal(2, 3), Stream(3).at("a", 3).normal(2, 3))
    assert Stream(0).at(np.str_("a")) == Stream(0).at("a")
    assert repr(Stream(three).at(np.str_("a"), three)) == "Stream(seed=3, path=('a', 3))"


@pytest.mark.parametrize("wrong", [True, np.True_, 1.0, np.float64(3), None, ("a",), b"a", torch.ones(2)])
def test_what_is_no_word_and_no_integer_is_no_address(wrong: Any) -> None:
    for make in (Stream, Stream(0).at, lambda name: Stream(0, ("a", name))):
        with pytest.raises(TypeError, match="expected an integer or a word"):
            make(wrong)
    with pytest.raises(TypeError, match="a seed is 'a'"):
        Stream("a")  # type: ignore[arg-type]


def test_all_of_the_state_of_a_torch_generator_is_drawn() -> None:
    """Against NumPy's own Mersenne Twister, which gives the same words from the same state."""
    words = Stream(4).at("x").rng().integers(2**32, size=624, dtype=np.uint32)
    theirs = np.random.MT19937()
    theirs.state = {"bit_generator": "MT19937", "state": {"key": words, "pos": 624}}
    expected = [int(x) % 2**27 for x in theirs.random_raw(1000)]
    ours = torch.empty(1000, dtype=torch.int64).random_(2**27, generator=Stream(4).at("x").generator())
    assert ours.tolist() == expected


def test_a_task_draws_the_same_numbers_whatever_other_tasks_are_there() -> None:
    stream = Stream(5).at("acts", 2)
    for few, many in [
        (stream.normal(2, 3, 4), stream.normal(7, 3, 4)),
        (stream.uniform(2, 3, 4, dtype=torch.float64), stream.uniform(7, 3, 4, dtype=torch.float64)),
    ]:
        assert torch.equal(few, many[:2])
        assert not torch.equal(many[0], many[1])


def test_a_key_does_not_depend_on_the_process() -> None:
    address = "Stream(7).at('acts', 3, 'stage', 1).key"
    code = f"from pliant.streams import Stream; print({address})"
    environment = os.environ | {"PYTHONHASHSEED": "1"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert int(done.stdout) == Stream(7).at("acts", 3, "stage", 1).key


def test_keys_cover_all_64_bits_and_seed_both_generators() -> None:
    keys = [Stream(0).at(i).key for i in range(200)]
    assert all(0 <= key < 2**64 for key in keys)
    assert any(key >= 2**63 for key in keys) and any(key < 2**63 for key in keys)
    for i in range(200):
        Stream(0).at(i).generator()
        Stream(0).at(i).rng()


def test_numbers_are_distributed_as_promised() -> None:
    normal = Stream(0).at("n").normal(100, 1000, dtype=torch.float64)
    uniform = Stream(0).at("u").uniform(100, 1000, dtype=torch.float64)
    # Five standard errors of 100,000 samples.
    assert abs(float(normal.mean())) < 5 / 100_000**0.5
    assert abs(float(normal.var()) - 1) < 5 * (2 / 100_000) ** 0.5
    assert abs(float(uniform.mean()) - 0.5) < 5 * (1 / 12 / 100_000) ** 0.5
    assert float(uniform.min()) >= 0 and float(uniform.max()) < 1
    assert abs(float(torch.corrcoef(normal[:2])[0, 1])) < 5 / 1000**0.5, "two tasks must be independent"


def test_drawing_leaves_the_global_generators_alone() -> None:
    before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()  # type: ignore[union-attr, index]
    Stream(0).normal(3, 4)
    Stream(0).uniform(3, 4)
    Stream(0).rng().random()
    assert torch.equal(before, torch.get_rng_state())
    assert np.array_equal(numpy_before, np.random.get_state()[1])  # type: ignore[index]


def test_shapes_and_dtypes_are_those_asked_for() -> None:
    assert Stream(0).normal(2).shape == (2,)
    assert Stream(0).normal(2, 3, 0).shape == (2, 3, 0)
    assert Stream(0).normal(2, 3).dtype == torch.float32
    assert Stream(0).uniform(2, 3, dtype=torch.float64).dtype == torch.float64
