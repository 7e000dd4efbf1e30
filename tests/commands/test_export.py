"""``export`` from the command line, up to Transformers writing what ``generate`` writes."""

import json
import shutil
import sys
from pathlib import Path

import pytest
import torch
import yaml
from command_line import Outcome, Run
from transformers import AutoModelForCausalLM, AutoTokenizer

PROMPTS = ["Bane tol", "Risum ka", "O"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the run of a test is kept for those after it."""
    return tmp_path_factory.mktemp("trained") / "lightning_logs"


@pytest.fixture
def run(qwen_pl: Run, config: Path, folder: Path, trained: Path) -> Path:
    """The folder of a finished run, trained once."""
    if not trained.is_dir():
        changes = ["--data.vocab_size", 300, "--data.seq_len", 40]  # 20 rows of padding
        assert qwen_pl("fit", "--config", config, *changes).code == 0
        shutil.copytree(folder / "lightning_logs", trained)
    shutil.copytree(trained, folder / "lightning_logs", dirs_exist_ok=True)
    return folder / "lightning_logs/small"


def test_transformers_writes_what_generate_writes(qwen_pl: Run, run: Path) -> None:
    outcome = qwen_pl("export", "--run", "small", "--out", "out")
    assert outcome.code == 0, outcome.err
    tokenizer = AutoTokenizer.from_pretrained("out")
    model = AutoModelForCausalLM.from_pretrained("out")
    for prompt in PROMPTS:
        greedy = ["--temperature", 0, "--max_new_tokens", 24]
        ours = qwen_pl("generate", "--run", "small", "--prompt", prompt, *greedy).out
        inputs = tokenizer(prompt, return_tensors="pt")
        ids = model.generate(**inputs, do_sample=False, max_new_tokens=24)
        assert tokenizer.decode(ids[0], skip_special_tokens=True) == ours.removesuffix("\n")


def test_the_figures_of_the_check_are_shown(qwen_pl: Run, run: Path) -> None:
    outcome = qwen_pl("export", "--out", "out", "--dtype", "bf16")
    assert outcome.code == 0, outcome.err
    for shown in (
        "tensors equal in bfloat16",
        "logits        largest difference",
        "last logits lie up to",
        "greedy text",
        "token ids",
        "generate stops at it",
        "-> out",
    ):
        assert shown in outcome.out
    assert json.loads(Path("out/config.json").read_text())["torch_dtype"] == "bfloat16"


def test_the_card_tells_of_the_run(qwen_pl: Run, run: Path) -> None:
    assert qwen_pl("export", "--out", "out", "--no-check").code == 0
    card = Path("out/README.md").read_text(encoding="utf-8")
    for fact in ("# small", "| optimizer steps | 12 |", "`small.pdf`", "max_steps: 12"):
        assert fact in card
    assert f"tokens seen | {12 * 3 * 40:,}, " in card
    assert "validation bits per byte at step 12 |" in card
    assert str(run.parents[1]) not in card


def test_a_checkpoint_away_from_its_run_tells_what_it_knows(qwen_pl: Run, run: Path) -> None:
    shutil.move(run / "checkpoints/step=00000010.ckpt", "mine.ckpt")
    shutil.rmtree(run.parent)
    outcome = qwen_pl("export", "--ckpt_path", "mine.ckpt", "--out", "austen", "--no-check")
    assert outcome.code == 0, outcome.err
    card = Path("austen/README.md").read_text(encoding="utf-8")
    for fact in ("# austen", "| optimizer steps | 10 |", "`small.pdf`", "loss at step 8 |"):
        assert fact in card
    assert "config\n" not in card


def test_the_best_checkpoint_holds_weights_only_and_is_exported_too(
    qwen_pl: Run, run: Path
) -> None:
    outcome = qwen_pl("export", "--run", "small", "--ckpt_path", "best", "--out", "out")
    assert outcome.code == 0, outcome.err
    theirs = AutoModelForCausalLM.from_pretrained("out").state_dict()
    weights = torch.load(run / "checkpoints/best.ckpt", weights_only=True)["state_dict"]
    assert all(torch.equal(theirs[n.removeprefix("model.")], w) for n, w in weights.items())


def test_an_earlier_export_is_replaced_and_other_folders_are_not(qwen_pl: Run, run: Path) -> None:
    def export(*more: str) -> Outcome:
        return qwen_pl("export", "--out", "out", "--no-check", *more)

    Path("out").mkdir()
    assert export().code == 0
    assert export("--dtype", "float16").code == 0
    assert json.loads(Path("out/config.json").read_text())["torch_dtype"] == "float16"

    Path("out/notes.txt").write_text("mine")
    outcome = export()
    assert outcome.code == 2
    assert "out holds other things than an export: give another --out, or --over" in outcome.err
    assert Path("out/notes.txt").exists()
    assert export("--overwrite").code == 0
    assert not Path("out/notes.txt").exists()
    assert sorted(path.name for path in Path().glob("out*")) == ["out"]


@pytest.mark.parametrize("out", [".", "lightning_logs", ".."])
def test_a_folder_that_holds_the_run_is_never_replaced(qwen_pl: Run, run: Path, out: str) -> None:
    outcome = qwen_pl("export", "--out", out, "--no-check", "--overwrite")
    assert outcome.code == 2
    assert "give a new folder" in outcome.err
    assert (run / "checkpoints/best.ckpt").is_file()


def test_a_failed_check_leaves_nothing_and_ends_with_1(
    qwen_pl: Run, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:

    from qwen_pl.export import hugging_face

    assert qwen_pl("export", "--out", "out", "--no-check").code == 0
    before = Path("out/model.safetensors").read_bytes()
    save_file = hugging_face.save_file

    def forgetful(tensors: dict[str, torch.Tensor], *args: object, **kwargs: object) -> None:
        save_file({name: tensor.flip(0) for name, tensor in tensors.items()}, *args, **kwargs)

    monkeypatch.setattr(hugging_face, "save_file", forgetful)
    outcome = qwen_pl("export", "--out", "out")
    assert outcome.code == 1
    assert "DIFFERS  weights" in outcome.out
    assert "weights, logits, greedy text differ; nothing is left of it" in outcome.err
    assert Path("out/model.safetensors").read_bytes() == before
    assert sorted(path.name for path in Path().glob("out*")) == ["out"]


def test_a_full_disk_leaves_nothing(
    qwen_pl: Run, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object, **kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("qwen_pl.export.hugging_face.save_file", full)
    outcome = qwen_pl("export", "--out", "out")
    assert outcome.code == 2
    assert "out cannot be written: " in outcome.err
    assert "No space left on device" in outcome.err
    assert not list(Path().glob("out*"))


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--run", "nobody"], "no checkpoint in lightning_logs"),
        (["--run", "../small"], "is not a folder name"),
        (["--ckpt_path", "none.ckpt"], "no checkpoint none.ckpt"),
        (["--ckpt_path", "small.yaml"], "small.yaml is damaged"),
        (["--format", "onnx"], "--format is onnx: it has to be hf or gguf"),
        (["--dtype", "int4"], "--format hf takes bfloat16, float16, float32"),
        (["--dtype", "q8_0"], "--format hf takes bfloat16, float16, float32"),
        (["--out", "small.yaml"], "no folder"),
        (["--out", "model.gguf", "--format", "gguf"], "give a folder"),
    ],
)
def test_what_cannot_be_exported_is_one_line(
    qwen_pl: Run, run: Path, arguments: list[str], complaint: str
) -> None:
    outcome = qwen_pl("export", "--out", "out", "--no-check", *arguments)
    assert outcome.code == 2
    assert complaint in outcome.err
    assert outcome.err.count("\n") == 1
    assert not Path("out").exists()


def test_a_checkpoint_of_another_program_is_refused(qwen_pl: Run, folder: Path) -> None:
    for content in ({"state_dict": {}}, [1, 2], {"qwen_pl": {"config": {}}, "state_dict": {}}):
        torch.save(content, "other.ckpt")
        outcome = qwen_pl("export", "--ckpt_path", "other.ckpt", "--out", "out", "--no-check")
        assert outcome.code == 2
        assert "was not written by qwen_pl" in outcome.err or "does not hold" in outcome.err
        assert not Path("out").exists()


def test_without_transformers_nothing_is_begun(
    qwen_pl: Run, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    outcome = qwen_pl("export", "--out", "out")
    assert outcome.code == 2
    assert 'pip install "transformers' in outcome.err
    assert not Path("out").exists()
    assert qwen_pl("export", "--out", "out", "--no-check").code == 0


def test_a_config_of_a_later_start_is_the_one_that_is_told(qwen_pl: Run, run: Path) -> None:
    later = yaml.safe_load((run / "config.yaml").read_text())
    later["trainer"]["gradient_clip_val"] = 0.25
    (run / "config.from-step-5.yaml").write_text(yaml.safe_dump(later))
    (run / "config.from-step-12.yaml").write_text("{}")
    assert qwen_pl("export", "--out", "out", "--no-check").code == 0
    assert "gradient_clip_val: 0.25" in Path("out/README.md").read_text(encoding="utf-8")


def test_a_gguf_file_has_a_modelfile_and_a_card_beside_it(qwen_pl: Run, run: Path) -> None:
    pytest.importorskip("gguf")
    outcome = qwen_pl("export", "--format", "gguf", "--dtype", "float16", "--out", "out")
    assert outcome.code == 0, outcome.err
    assert "ok       weights" in outcome.out
    names = {file.name for file in Path("out").iterdir()}
    assert names == {"small-f16.gguf", "Modelfile", "README.md"}
    assert "FROM ./small-f16.gguf" in Path("out/Modelfile").read_text(encoding="utf-8")
    assert "library_name: gguf" in Path("out/README.md").read_text(encoding="utf-8")
    again = qwen_pl("export", "--format", "gguf", "--out", "out", "--no-check")
    assert again.code == 0, again.err  # it is an earlier export
    assert Path("out/small-f32.gguf").is_file()


def test_a_gguf_file_that_differs_leaves_nothing(
    qwen_pl: Run, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("gguf")
    from qwen_pl.export import gguf

    converted = gguf.converted
    monkeypatch.setattr(gguf, "converted", lambda tensor: converted(tensor) * 1.5)
    outcome = qwen_pl("export", "--format", "gguf", "--out", "out")
    assert outcome.code == 1
    assert "DIFFERS  weights" in outcome.out
    assert not list(Path().glob("out*"))
