"""Whatever a user gets wrong ends in one line that names it, exit code 2, and nothing half-made."""

import re
from pathlib import Path

import pytest
import torch
from command_line import Outcome, Run, complains
from pdf_writer import made_up_pages, write_pdf


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--data.source", "none.pdf"], ["no such file or folder: none.pdf"]),
        (["--data.sq_len", "5"], ["--data.sq_len", "did you mean data.seq_len?"]),
        (["--trainer.max_step", "5"], ["did you mean trainer.max_steps?"]),
        (["--trainer.max_steps", "five"], ["trainer.max_steps is five: give a whole number"]),
        (["--trainer.precision", "bf17"], ["trainer.precision is bf17", "bf16-mixed", "or null"]),
        (["--ckpt_path", "best"], ["no checkpoint", "last, best or a file"]),
        (["--ckpt_path", "none.ckpt"], ["no checkpoint none.ckpt"]),
        (["--data.vocab_size", "100"], ["vocab_size 100"]),
        (["--data.seq_len", "0"], ["data.seq_len is 0"]),
        (["--data.batch_size", "-1"], ["data.batch_size is -1"]),
        (["--data.seq_len", "90000"], ["fewer than one window", "90,001", "seq_len"]),
        (["--data.val_fraction", "1.5"], ["val_fraction is 1.5"]),
        (["--data.tokenizer", "nowhere"], ["no tokenizer in nowhere"]),
        (["--model.config.head_dim", "5"], ["head_dim is 5"]),
        (["--model.config.num_key_value_heads", "3"], ["num_key_value_heads"]),
        (["--model.input_noise", "2"], ["model.input_noise is 2"]),
        (["--checkpoint.every_n_train_steps", "0"], ["every_n_train_steps is 0"]),
        (["--trainer.max_steps", "-1"], ["trainer.max_steps is not set"]),
        (["--model.gradient_checkpointing", "7"], ["gradient_checkpointing is 7", "2 layers"]),
        (
            ["--model.gradient_checkpointing", "most"],
            ["gradient_checkpointing is most", "or selective"],
        ),
        (["--model.fp8", "true"], ["model.fp8 needs an NVIDIA GPU", "this is cpu"]),
        (["--trainer.precision", "16-true"], ["precision is 16-true", "16-mixed"]),
        (["--trainer.precision", "transformer-engine"], ["transformer_engine"]),
        (["--trainer.accelerator", "tpu"], ["the Trainer cannot be made", "torch_xla"]),
        (["--trainer.devices", "0"], ["the Trainer cannot be made", "devices"]),
        (["--trainer.accumulate_grad_batches", "0"], ["accumulate_grad_batches is 0"]),
        (["--trainer.val_check_interval", "0"], ["val_check_interval is 0"]),
        (["--trainer.gradient_clip_val", "-1"], ["gradient_clip_val is -1"]),
        (["--trainer.log_every_n_steps", "0"], ["log_every_n_steps is 0"]),
        (["--trainer.check_val_every_n_epoch", "0"], ["check_val_every_n_epoch is 0"]),
        (["--trainer.limit_train_batches", "0"], ["limit_train_batches is 0: nothing"]),
        (["--trainer.max_epochs", "0"], ["max_epochs is 0: nothing"]),
        (["--trainer.strategy", "ddp_spawn"], ["strategy is ddp_spawn", "give ddp"]),
        (["--trainer.devices", "9999"], ["trainer.devices is 9999", "at most"]),
        (["--run", "a/b"], ["'a/b' is not a folder name"]),
        (["--seed_everything", "true"], ["seed_everything is true: give a whole number"]),
        (["--seed_everything", "false"], ["seed_everything is false"]),
        (["--seed_everything", "null"], ["seed_everything is null"]),
        (["--seed_everything", "1.5"], ["seed_everything is 1.5"]),
        (["--seed_everything="], ["seed_everything is empty"]),
        (["--seed_everything", "-1"], ["seed_everything is -1", "from 0 to 4294967295"]),
        (["--seed_everything", str(2**32)], ["seed_everything is 4294967296"]),
    ],
)
def test_fit_names_what_is_wrong(
    qwen_pl: Run, config: Path, folder: Path, options: list[str], words: list[str]
) -> None:
    complains(qwen_pl("fit", "--config", config, *options), *words)
    assert not list(folder.glob("lightning_logs/*"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("data: {sq_len: 5}", ["data.sq_len", "did you mean data.seq_len?"]),
        ("dta: {seq_len: 5}", ["dta.seq_len"]),
        ("model: {config: {hiden_size: 8}}", ["did you mean model.config.hidden_size?"]),
        ("data: {seq_len: many}", ["data.seq_len", "many"]),
        ("data: [", ["config"]),
    ],
)
def test_a_config_is_checked_to_the_last_key(
    qwen_pl: Run, folder: Path, text: str, words: list[str]
) -> None:
    (folder / "wrong.yaml").write_text(text)
    complains(qwen_pl("fit", "--config", "wrong.yaml"), *words)
    complains(qwen_pl("prepare", "--config", "wrong.yaml"), *words)


def test_a_config_that_is_not_there_is_named(qwen_pl: Run, folder: Path) -> None:
    complains(qwen_pl("fit", "--config", "configs/tny.yaml"), "tny.yaml")


def test_a_pdf_without_text_needs_ocr(qwen_pl: Run, config: Path, folder: Path) -> None:
    write_pdf(folder / "scan.pdf", [[], []])
    for verb in (
        ["fit", "--config", config, "--data.source", "scan.pdf"],
        ["extract", "scan.pdf", "--out", "scan.txt"],
        ["train-tokenizer", "scan.pdf"],
    ):
        complains(qwen_pl(*verb), "scan.pdf", "OCR")
    assert not (folder / "scan.txt").exists()
    assert not (folder / "data/tokenizer").exists()


def test_a_file_that_is_no_pdf_is_named(qwen_pl: Run, folder: Path) -> None:
    (folder / "page.pdf").write_text("<html>not a PDF</html>")
    complains(qwen_pl("extract", "page.pdf"), "page.pdf", "cannot be read as a PDF")


def test_a_bad_file_does_not_stop_the_others(qwen_pl: Run, folder: Path, small_pdf: Path) -> None:
    (folder / "bad.pdf").write_text("nothing")
    outcome = qwen_pl("extract", "bad.pdf", small_pdf, "--out", "texts")
    assert outcome.code == 0
    assert "bad.pdf" in outcome.err
    assert [file.name for file in (folder / "texts").glob("*.txt")] == ["small.txt"]


def test_a_book_shorter_than_a_window_is_named(qwen_pl: Run, config: Path, folder: Path) -> None:
    write_pdf(folder / "leaflet.pdf", [["Bane tol ri."]])
    options = ["--data.source", "leaflet.pdf", "--data.val_fraction", 0, "--data.test_fraction", 0]
    complains(qwen_pl("fit", "--config", config, *options), "fewer than one window of 25")


def test_a_vocabulary_that_the_text_cannot_fill_is_trained_smaller_and_said_so(
    qwen_pl: Run, config: Path, folder: Path
) -> None:
    outcome = qwen_pl("prepare", "--config", config, "--data.vocab_size", 50_000)
    assert outcome.code == 0
    assert "the text fills a vocabulary of" in outcome.err
    assert "not 50,000" in outcome.err
    outcome = qwen_pl("prepare", "--config", config, "--data.vocab_size", 50_000)
    assert "not 50,000" in outcome.err  # the second time, too


def test_another_tokenizer_than_the_checkpoint_has_is_refused(
    qwen_pl: Run, config: Path, folder: Path
) -> None:
    qwen_pl("fit", "--config", config, "--trainer.max_steps", 2)
    write_pdf(folder / "other.pdf", made_up_pages(8, seed=1))
    for verb in ("fit", "validate"):
        options = ["--data.source", "other.pdf", "--ckpt_path", "last"]
        outcome = qwen_pl(verb, "--config", config, *options)
        complains(outcome, "trained with tokenizer", "this config gives", "--run NAME")
        names_two_tokenizers(outcome, "320 ids", "320 ids")


def test_another_vocabulary_is_told_before_the_sizes_that_follow_from_it(
    qwen_pl: Run, config: Path
) -> None:
    qwen_pl("fit", "--config", config, "--trainer.max_steps", 2)
    for verb in ("fit", "validate"):
        options = ["--data.vocab_size", 290, "--ckpt_path", "last"]
        outcome = qwen_pl(verb, "--config", config, *options)
        complains(outcome, "trained with tokenizer", "this config gives")
        names_two_tokenizers(outcome, "320 ids", "290 ids")


def names_two_tokenizers(outcome: Outcome, *sizes: str) -> None:
    """Asserts that fingerprint, size and origin of two different tokenizers are told."""
    told = re.findall(r"([0-9a-f]{12}) \(([\d,]+ ids), from ([^)]+)\)", outcome.err)
    assert [size for _, size, _ in told] == [*sizes]
    fingerprints, origins = {told[0][0], told[1][0]}, {told[0][2], told[1][2]}
    assert len(fingerprints) == len(origins) == 2
    assert all((Path(origin) / "tokenizer.json").is_file() for origin in origins)


def test_a_tokenizer_given_to_a_checkpoint_of_another_is_refused(
    qwen_pl: Run, config: Path, folder: Path, small_pdf: Path
) -> None:
    qwen_pl("fit", "--config", config, "--trainer.max_steps", 2)
    qwen_pl("train-tokenizer", small_pdf, "--vocab_size", 300, "--out", "mine")
    given = ["--tokenizer", "mine"]
    for verb in (
        ["fit", "--config", config, "--data.tokenizer", "mine", "--ckpt_path", "last"],
        ["validate", "--config", config, "--data.tokenizer", "mine"],
        ["generate", "--run", "small", "--prompt", "Bane", *given],
        ["tokenize", "--run", "small", "Bane", *given],
    ):
        outcome = qwen_pl(*verb)
        complains(outcome, "trained with tokenizer", "from mine)")
        names_two_tokenizers(outcome, "320 ids", "300 ids")


def test_the_tokenizer_of_a_checkpoint_may_be_given_with_it(
    qwen_pl: Run, config: Path, folder: Path
) -> None:
    qwen_pl("fit", "--config", config, "--trainer.max_steps", 2)
    file = folder / "lightning_logs/small/checkpoints/step=00000002.ckpt"
    state = torch.load(file, weights_only=True)["PDFDataModule"]
    (folder / "kept").mkdir()
    (folder / "kept/tokenizer.json").write_text(state["tokenizer"], encoding="utf-8")
    for verb in (["generate", "--prompt", "Bane", "--seed", 1], ["tokenize", "Bane"]):
        plain = qwen_pl(*verb, "--run", "small")
        outcome = qwen_pl(*verb, "--run", "small", "--tokenizer", "kept")
        assert (outcome.code, outcome.out) == (0, plain.out)


def test_other_data_than_the_run_began_with_is_refused(
    qwen_pl: Run, config: Path, folder: Path, small_pdf: Path
) -> None:
    assert qwen_pl("train-tokenizer", small_pdf, "--vocab_size", 320).code == 0
    options = ["--data.tokenizer", "data/tokenizer", "--trainer.max_steps", 2]
    assert qwen_pl("fit", "--config", config, *options).code == 0
    write_pdf(folder / "other.pdf", made_up_pages(8, seed=1))
    options += ["--data.source", "other.pdf", "--ckpt_path", "last"]
    complains(qwen_pl("fit", "--config", config, *options), "was trained on tokens", "other.pdf")
    assert qwen_pl("validate", "--config", config, *options).code == 0  # measuring there is fine


def test_weights_alone_cannot_be_resumed_from(qwen_pl: Run, config: Path) -> None:
    qwen_pl("fit", "--config", config, "--trainer.max_steps", 4)
    complains(qwen_pl("fit", "--config", config, "--ckpt_path", "best"), "weights only", "last")
    assert qwen_pl("validate", "--config", config, "--ckpt_path", "best").code == 0


def test_another_architecture_than_the_checkpoint_has_is_refused(
    qwen_pl: Run, config: Path
) -> None:
    qwen_pl("fit", "--config", config, "--trainer.max_steps", 2)
    options = ["--model.config.hidden_size", 32, "--ckpt_path", "last"]
    complains(qwen_pl("fit", "--config", config, *options), "hidden_size 16 (config: 32)")


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["generat"], ["no such verb: generat", "did you mean generate?"]),
        (["generate"], ["--prompt"]),
        (["generate", "--prompt", "x"], ["no run with a checkpoint"]),
        (["generate", "--prompt", "x", "--run", "none"], ["no checkpoint in", "none"]),
        (["generate", "--prompt", "x", "--temperature", "-1"], ["temperature"]),
        (["generate", "--prompt", "x", "--top_p", "0"], ["top_p"]),
        (["generate", "--prompt", "x", "--max_new", "5"], ["--max_new"]),
        (["extract"], ["SRC"]),
        (["extract", "none.pdf"], ["no such file or folder: none.pdf"]),
        (["tokenize", "x"], ["no tokenizer yet"]),
        (["predict", "--trainer.accelerator", "cpu"], ["no checkpoint"]),
    ],
)
def test_the_other_verbs_complain_in_one_line(
    qwen_pl: Run, folder: Path, args: list[str], words: list[str]
) -> None:
    outcome = qwen_pl(*args)
    complains(outcome, *words)
    assert outcome.err.count("\n") == 1


def test_predict_without_prompts_says_what_it_needs(qwen_pl: Run, config: Path) -> None:
    qwen_pl("fit", "--config", config, "--trainer.max_steps", 2)
    complains(qwen_pl("predict", "--config", config), "--data.prompts FILE")


def test_extract_does_not_write_over_its_source(qwen_pl: Run, folder: Path) -> None:
    source = folder / "notes.txt"
    source.write_text("Some notes.\n")
    complains(qwen_pl("extract", source, "--out", source), "write over the source")
    assert source.read_text() == "Some notes.\n"
