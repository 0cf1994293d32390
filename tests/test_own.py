"""Code of one's own: each example is short, keeps its contract, and does what it says by dotted name, as a stranger's would."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pliant.checking import check
from pliant.cli import main as cli
from pliant.cli import verbs
from pliant.reporting import section, sections
from pliant.storage import record

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
NAMES = sorted(path.stem for path in EXAMPLES.glob("own_*.py"))
PAGE = EXAMPLES.parent / "docs" / "adding.md"
SMALL = "--preset none --iterations 2 --train.meta_batch 3 --train.lanes 3 --quiet"


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package `mine` beside the working directory's other files, as somebody would have it."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "__init__.py").touch()
    for name in NAMES:
        shutil.copy(EXAMPLES / f"{name}.py", tmp_path / "mine")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.syspath_prepend(str(tmp_path / "mine"))
    for name in [n for n in sys.modules if n.partition(".")[0] in {"mine", *NAMES}]:
        monkeypatch.delitem(sys.modules, name)


def train(words: str, out: str) -> None:
    assert cli.main(["train", *words.split(), *SMALL.split(), "--out", out]) == 0


@pytest.mark.parametrize("name", NAMES)
def test_an_example_is_short(name: str) -> None:
    assert len((EXAMPLES / f"{name}.py").read_text(encoding="utf-8").splitlines()) < 60


@pytest.mark.parametrize("name", NAMES)
def test_the_page_shows_every_example(name: str) -> None:
    assert f'--8<-- "examples/{name}.py"' in PAGE.read_text(encoding="utf-8")


CHECKED = {
    "own_algorithm": "algorithm",
    "own_policy": "policy",
    "own_memory": "policy",
    "own_family": "family",
    "own_simulator": "family",
    "own_player": "family",
}


@pytest.mark.parametrize("name", CHECKED)
def test_an_example_keeps_its_contract(name: str, mine: None) -> None:
    report = check.check(CHECKED[name], f"mine.{name}")  # type: ignore[arg-type]
    assert {f.verdict for f in report.findings} == {"ok"}, report.line()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "module"),
    [
        ("mine.own_algorithm point --horizon 12", "mine.own_algorithm"),
        ("maml mine.own_family", "mine.own_family"),
        ("maml point --horizon 12 --policy mine.own_policy --policy.units 8", "mine.own_policy"),
        ("rl2 bandit --policy mine.own_memory --policy.size 8 --outer.scale both", "mine.own_memory"),
        pytest.param("maml mine.own_simulator", "mine.own_simulator", marks=pytest.mark.slow),
    ],
)
def test_a_dotted_name_is_trained_evaluated_and_compared(
    words: str, module: str, mine: None, capsys: pytest.CaptureFixture[str]
) -> None:
    for seed in (0, 1):
        train(f"{words} --seed {seed}", f"run{seed}")
        assert len(record.Run.open(Path(f"run{seed}")).metrics()) == 2
    told = ["--import", module]
    capsys.readouterr()
    assert cli.main(["evaluate", "run0", "--tasks", "3", "--json", *told]) == 0
    document = json.loads(capsys.readouterr().out)
    assert module in (document["algorithm"], document["family"], document["config"]["policy"])
    assert cli.main(["compare", "run0", "run1", "--tasks", "3", "--json", *told]) == 0
    compared = json.loads(capsys.readouterr().out)
    assert compared["agents"][0]["seeds"] == [0, 1] and "random" in [a["name"] for a in compared["agents"][1:]]


@pytest.mark.slow
def test_the_memory_learns(mine: None) -> None:
    """Two arms that pay 9 times or once in 10, ten pulls: chance is 5, who remembers the first pulls gets more."""
    words = "rl2 bandit --policy mine.own_memory --policy.size 16 --family.arms 2 --family.prior easy --outer.lr 0.01 --quiet"
    size = "--preset none --iterations 12 --train.meta_batch 40 --train.lanes 5 --out run"
    assert cli.main(["train", *words.split(), *size.split()]) == 0
    found = [row["trial_return"] for row in record.Run.open(Path("run")).metrics()]
    assert sum(found[-3:]) / 3 > sum(found[:3]) / 3 + 0.6, found


def test_the_player_is_near_the_ceiling_and_no_agent_is_told_more(mine: None, capsys: pytest.CaptureFixture[str]) -> None:
    train("maml mine.own_player", "run")
    capsys.readouterr()
    assert cli.main("evaluate run --tasks 20 --players --json --import mine.own_player".split()) == 0
    document = json.loads(capsys.readouterr().out)
    players = document["players"]
    reached, ceiling = players["each"]["deadbeat"]["trial_return"]["mean"], players["ceiling"]
    assert players["optimum"] is None and document["trial_return"]["mean"] < reached < ceiling
    assert ceiling - reached < 0.1 * (ceiling - document["trial_return"]["mean"])


@pytest.fixture
def luck(tmp_path: Path, mine: None, monkeypatch: pytest.MonkeyPatch) -> object:
    """The section in the folder of sections, for one test."""
    for path in section.FOLDER.glob("[!_]*.py"):
        (tmp_path / "sections" / path.name).parent.mkdir(exist_ok=True)
        (tmp_path / "sections" / path.name).symlink_to(path)
    shutil.copy(EXAMPLES / "own_section.py", tmp_path / "sections" / "luck.py")
    monkeypatch.setattr(section, "FOLDER", tmp_path / "sections")
    monkeypatch.setattr(sections, "__path__", [*sections.__path__, str(tmp_path / "sections")])
    monkeypatch.delitem(sys.modules, "pliant.reporting.sections.luck", raising=False)
    section.every.cache_clear()
    yield
    section.every.cache_clear()


@pytest.mark.slow
def test_the_section_is_part_of_page_markdown_and_figures(luck: None, capsys: pytest.CaptureFixture[str]) -> None:
    for seed in (0, 1):
        train(f"maml point --horizon 12 --seed {seed}", f"run{seed}")
    assert cli.main("report run0 run1 --tasks 4 --out report.html".split()) == 0
    page = Path("report.html").read_text(encoding="utf-8")
    assert "Luck of the seed" in page and "The same agent, trained again" in page
    assert "The same agent, trained again" in Path("report.md").read_text(encoding="utf-8")
    assert [path for path in Path.cwd().rglob("*luck*") if path.suffix in (".png", ".svg")]


@pytest.fixture
def spark(tmp_path: Path, mine: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The verb in the folder of verbs, for one test."""
    (tmp_path / "verbs").mkdir()
    for path in Path(verbs.__file__).parent.glob("*.py"):
        (tmp_path / "verbs" / path.name).symlink_to(path)
    shutil.copy(EXAMPLES / "own_verb.py", tmp_path / "verbs" / "spark.py")
    monkeypatch.setattr(verbs, "__file__", str(tmp_path / "verbs" / "__init__.py"))
    monkeypatch.setattr(verbs, "__path__", [*verbs.__path__, str(tmp_path / "verbs")])
    monkeypatch.delitem(sys.modules, "pliant.cli.verbs.spark", raising=False)


def test_the_verb_shows_how_runs_have_learned(spark: None, capsys: pytest.CaptureFixture[str]) -> None:
    train("maml point --horizon 12", "run")
    capsys.readouterr()
    assert cli.main(["spark", "run"]) == 0
    bars = capsys.readouterr().out
    first, last = (row["return_1"] for row in record.Run.open(Path("run")).metrics())
    assert bars == f"run  {'▁█' if first < last else '█▁'}  return_1 {first:.4g} to {last:.4g}\n"
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    assert "spark" in capsys.readouterr().out
    assert cli.main(["spark", "run", "--of", "return_7"]) == 2
    assert "unknown number 'return_7': did you mean 'return_" in capsys.readouterr().err
    assert cli.main(["spark", "nowhere"]) == 2
    assert cli.main(["spark", "run", "--columns", "0"]) == 2
    assert "--columns is 0: expected at least 1" in capsys.readouterr().err


def test_a_run_with_foreign_code_is_told_so_and_imports_nothing(mine: None) -> None:
    train("mine.own_algorithm point --horizon 12", "run")
    for command in ("evaluate", "compare"):
        words = [sys.executable, "-m", "pliant", command, "run"]
        done = subprocess.run(words, capture_output=True, text=True, timeout=120)
        assert done.returncode == 2 and "--import mine.own_algorithm" in done.stderr, (command, done.stderr)
        assert len(done.stderr.strip().splitlines()) == 1, done.stderr


def test_a_module_that_is_no_algorithm_is_one_line(mine: None, capsys: pytest.CaptureFixture[str]) -> None:
    for words, said in (
        ("mine.own_family point", "mine.own_family"),
        ("maml mine.own_policy", "mine.own_policy"),
        ("maml mine.nothing", "mine.nothing"),
        ("maml point --policy mine.own_family", "mine.own_family"),
    ):
        assert cli.main(["train", *words.split(), *SMALL.split(), "--out", "run"]) == 2
        said_so = capsys.readouterr().err.strip()
        assert said in said_so and len(said_so.splitlines()) == 1, said_so
    assert not Path("run").exists()
