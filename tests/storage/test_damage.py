"""Documents that are damaged, foreign or senseless are refused in one line, wherever they are read."""

import copy
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import pliant
from pliant import errors
from pliant.comparing import compare, contenders, kept
from pliant.storage import documents, parsing, record, validation
from pliant.storage.schema import evaluation, run
from pliant.storage.schema.kinds import KINDS

from .held import HELD, changed, held, kind_of, put, refused

WHOLE = json.dumps({"schema": run.SCHEMA})
UNREADABLE = {
    "1e999": (b'{"schema": "pliant.run/1", "x": 1e999}', "1e999: a number that is not finite"),
    "NaN": (b'{"x": NaN}', "NaN: a number that is not finite"),
    "a number of 5000 digits": (b'{"x": ' + b"9" * 5000 + b"}", "is not JSON (Exceeds the limit"),
    "a number above 64 bits": (b'{"x": 99999999999999999999}', "is not JSON"),
    "nested to the end of the stack": (b'{"x": ' + b"[" * 100_000, "nested too deeply"),
    "nested": (b'{"x": ' + b"[" * 40 + b"]" * 40 + b"}", "is nested deeper than 32 levels"),
    "twice": (b'{"schema": "pliant.run/1", "schema": "x"}', "'schema' stands twice in one object"),
    "UTF-16": (WHOLE.encode("utf-16"), "byte 0 is not UTF-8"),
    "a byte order mark": (WHOLE.encode("utf-8-sig"), "is not JSON"),
    "half a character": (b'{"x": "\\ud800"}', "which is not Unicode text"),
    "a list": (b"[]", "is not a JSON object"),
    "nothing": (b"", "is not JSON"),
    "zeros": (bytes(100), "is not JSON"),
    "cut off": (WHOLE.encode()[:-5], "is not JSON"),
    "two": (WHOLE.encode() * 2, "is not JSON (Extra data"),
    "another schema": (b'{"schema": ["a\\nb"]}', "has schema ['a\\nb']: expected 'pliant.run/1'"),
    "too long": (b" " * (run.KIND.most + 1), "is longer than"),
}


@pytest.mark.parametrize("what", UNREADABLE)
def test_what_is_no_document_is_refused(what: str, tmp_path: Path) -> None:
    data, said = UNREADABLE[what]
    path = tmp_path / "run.json"
    path.write_bytes(data)
    if what == "a number above 64 bits":
        said = "holds the number 99999999999999999999..., which is too large"
    assert said in refused(path, run.KIND)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    assert "is not a file" in refused(tmp_path / "pipe", run.KIND)
    assert "is not a file" in refused(tmp_path / "folder", run.KIND)
    with pytest.raises(errors.UserError, match="cannot read .*nothing: no such file"):
        documents.read(tmp_path / "nothing", run.KIND)


@pytest.mark.parametrize("name", ["evaluation", "sweep"])
def test_an_edited_document_is_refused(name: str, tmp_path: Path) -> None:
    path = documents.write_json(tmp_path / "x.json", changed(name, put("train_seed", 1)))
    assert "was edited since it was measured" in refused(path, KINDS[name])
    path = documents.write_json(tmp_path / "x.json", changed(name, put("sha256", ...)))
    assert "was edited since it was measured" in refused(path, KINDS[name])


def test_an_adapted_policys_curve_is_read_with_its_seal(tmp_path: Path) -> None:
    path = documents.write_json(tmp_path / "x.json", changed("evaluation-adapted", put("seed", 1)))
    with pytest.raises(errors.UserError, match="was edited"):
        documents.read(path, evaluation.KIND, unsealed=True)


def test_a_damaged_evaluation_in_a_runs_folder_is_refused_by_name(tmp_path: Path) -> None:
    with record.Run.start(tmp_path / "run", held("run")["config"]) as made:
        made.save(2, {}, {})
        damaged = documents.sealed(changed("evaluation", put("protocol", None)))
        path = made.write_json("evaluations/test-seed0-tasks3-lanes2-stages3.json", damaged)
    with pytest.raises(errors.UserError) as error:
        compare.prepare([tmp_path / "run"], contenders.Asked(tasks=3))
    assert str(error.value) == f"{path}: protocol is null: expected an object"


def test_a_damaged_sweep_in_a_runs_folder_is_refused_by_name(tmp_path: Path) -> None:
    with record.Run.start(tmp_path / "run", held("run")["config"]) as made:
        made.save(2, {}, {})
        path = made.write_json("sweeps/distance.json", documents.sealed(changed("sweep", put("per_task", [[], []]))))
    with pytest.raises(errors.UserError) as error:
        kept.sweeps([("maml", [tmp_path / "run"])])
    assert str(error.value).startswith(f"{path}: per_task.0 has 0 entries: expected 2")


@pytest.fixture(scope="module")
def adapted_agent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A policy adapted to one task, in its folder."""
    small = {"family.horizon": 5, "train.lanes": 2, "policy.hidden": [8], "outer.method": "clipped"}
    made = pliant.Agent("maml", "point", preset="none", settings=small).adapt({"goal": [0.3, -0.2]}, stages=1)
    return made.save(tmp_path_factory.mktemp("adapted") / "policy")


ADAPTED = [
    ("adapted.json", put("task", 1), "task is 1: expected an object"),
    ("adapted.json", put("units", None), "units is null: expected an object"),
    ("adapted.json", put("config.seed", "0"), "config.seed is '0': expected an integer"),
    ("adapted.json", put("config.seed", 1), "was changed since it was written (its checksum does not fit)"),
    ("evaluation.json", put("seed", 1), "was edited since it was measured"),
    ("evaluation.json", put("schema", "other/1"), "has schema 'other/1': expected 'pliant.evaluation/1'"),
]


@pytest.mark.parametrize(("name", "change", "said"), ADAPTED, ids=[said for *_, said in ADAPTED])
def test_a_damaged_adapted_policy_is_refused(
    adapted_agent: Path, name: str, change: Callable[[Any], object], said: str, tmp_path: Path
) -> None:
    path = Path(shutil.copytree(adapted_agent, tmp_path / "policy"))
    document = json.loads((path / name).read_text())
    change(document)
    (path / name).write_text(json.dumps(document if "was " in said else documents.sealed(document)))
    with pytest.raises(errors.UserError) as error:
        pliant.load(path)
    assert str(path / name) in str(error.value) and said in str(error.value)


UNSEALED = "has no checksum, as those of pliant 0.1.0: it is taken as it is"


def test_a_policy_that_an_older_version_adapted_is_loaded(adapted_agent: Path, tmp_path: Path, capsys: Any) -> None:
    path = Path(shutil.copytree(adapted_agent, tmp_path / "policy"))
    described = json.loads((path / "adapted.json").read_text())
    del described["units"], described["sha256"]
    documents.write_json(path / "adapted.json", described)
    documents.write_json(path / "evaluation.json", held("evaluation-0.1.0"))
    assert pliant.load(path).task == {"goal": [0.3, -0.2]}
    said = capsys.readouterr().err.splitlines()
    assert said == [f"pliant: warning: {path / name} {UNSEALED}" for name in ("adapted.json", "evaluation.json")]


def places(value: Any, above: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Every place within a document."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inner:
        yield (*above, key)
        yield from places(each, (*above, key))


FOREIGN = st.one_of(
    st.sampled_from([None, True, "x", "a\nb\x1b[31m", "1", -1, 0, 3, 2.5, 1e300, 10**9, 10**19, [], {}, [1], {"a": 1}, [[[]]]]),
    st.text(max_size=5),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
)
DELETED = object()
PLACES = {path: list(places(json.loads(path.read_bytes()))) for path in HELD}


@st.composite
def damaged(draw: st.DrawFn) -> tuple[Path, dict[str, Any]]:
    """A document in which one to three things are gone or something else, with a seal that fits."""
    path = draw(st.sampled_from(HELD))
    document = json.loads(path.read_bytes())
    for _ in range(draw(st.integers(1, 3))):
        where = PLACES[path][draw(st.integers(0, len(PLACES[path]) - 1))]
        value = draw(st.one_of(st.just(DELETED), FOREIGN))
        try:
            holder = document
            for key in where[:-1]:
                holder = holder[key]
            if value is DELETED:
                del holder[where[-1]]
            else:
                holder[where[-1]] = copy.deepcopy(value)
        except (LookupError, TypeError):  # what came before took that place away
            continue
    return path, documents.sealed(document) if "sha256" in document else document


QUICK = settings(
    derandomize=True, deadline=None, database=None, max_examples=60, suppress_health_check=list(HealthCheck)
)  # the same examples every time


@QUICK
@given(damaged())
def test_damage_is_read_as_it_is_or_refused_in_one_line(tmp_path: Path, case: tuple[Path, dict[str, Any]]) -> None:
    origin, document = case
    path = tmp_path / "document.json"
    path.write_text(json.dumps(document))
    try:
        found = documents.read(path, kind_of(origin), unsealed=True)
    except errors.UserError as error:
        assert len(str(error).splitlines()) == 1 and str(path) in str(error)
        return
    assert json.dumps(found) == json.dumps(document)


@QUICK
@given(st.sampled_from(HELD), st.floats(0, 1), st.sampled_from([b"", b"\xff", b'"', b"1e999", b"[" * 5000]))
def test_a_file_that_is_cut_off_or_spoiled_is_refused_in_one_line(
    tmp_path: Path, origin: Path, share: float, spoilt: bytes
) -> None:
    data = origin.read_bytes()
    cut = int(share * (len(data) - 3))
    path = tmp_path / "document.json"
    path.write_bytes(data[:cut] + spoilt)
    with pytest.raises(errors.UserError) as error:
        documents.read(path, kind_of(origin), unsealed=True)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.slow
@settings(QUICK, max_examples=40)
@given(st.data())
def test_what_is_read_can_be_compared(tmp_path: Path, data: st.DataObject) -> None:
    """A senseless evaluation with a seal that fits is refused before it is compared, or does no harm there."""
    document = held("evaluation")
    every = list(places(document))
    where = every[data.draw(st.integers(0, len(every) - 1))]
    put(".".join(map(str, where)), data.draw(st.one_of(st.just(...), FOREIGN)))(document)
    path = documents.write_json(tmp_path / "document.json", documents.sealed(document))
    try:
        json.dumps(compare.compare([path]), allow_nan=False)
    except errors.UserError as error:
        assert len(str(error).splitlines()) == 1


def test_what_is_shown_of_a_damaged_document_is_one_line_of_text() -> None:
    assert validation.shown("a\nb\x1b[31m") == r"'a\nb\x1b[31m'"
    assert len(validation.shown(list(range(1000)))) == 60
    assert parsing.parsed(b'{"x": [1, 2.5, "\xc3\xa9", null]}') == {"x": [1, 2.5, "é", None]}
