"""``locate``: a step leads to what the network got in it, and a sentence to its page."""

import re
import shutil
from pathlib import Path

import pytest
import torch
import yaml
from command_line import Outcome, Run
from pdf_writer import made_up_pages, write_pdf
from tokenizers import Tokenizer

from qwen_pl.data.tokens.token_file import TokenFile
from qwen_pl.seals import read_sealed, write_sealed
from qwen_pl.training.module import Qwen3Module
from qwen_pl.training.steps.ledger import Stretch, append_stretch

Seen = dict[int, list[list[int]]]


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Seen:
    """The inputs that each step of a run gets, row by row; a step taken again starts over."""
    seen: Seen = {}
    plain = Qwen3Module.training_step

    def noting(self: Qwen3Module, batch: dict[str, torch.Tensor], batch_idx: int) -> torch.Tensor:
        step = self.trainer.global_step + 1
        if batch_idx % self.trainer.accumulate_grad_batches == 0:
            seen[step] = []
        seen[step] += batch["input_ids"].tolist()
        return plain(self, batch, batch_idx)

    monkeypatch.setattr(Qwen3Module, "training_step", noting)
    return seen


def newest_tokens(cache: Path) -> TokenFile:
    files = (cache / "tokens").glob("*/index.json")
    return TokenFile(max(files, key=lambda file: file.stat().st_mtime).parent)


def own_cache(config: Path, folder: Path) -> Path:
    """Gives the config a cache that no other test has."""
    settings = yaml.safe_load(config.read_text())
    settings["data"]["cache_dir"] = str(folder / "cache")
    config.write_text(yaml.safe_dump(settings))
    return folder / "cache"


def tokenizer_in(cache: Path) -> Tokenizer:
    [file] = (cache / "tokenizer").glob("*/tokenizer.json")
    return Tokenizer.from_file(str(file))


def complains(outcome: Outcome, *words: str) -> None:
    assert outcome.code == 2
    assert outcome.err.startswith("error: ") and outcome.err.count("\n") == 1, outcome.err
    for word in words:
        assert word in outcome.err


def test_what_is_shown_of_a_step_is_what_the_network_got(
    qwen_pl: Run, config: Path, folder: Path, seen: Seen
) -> None:
    cache = own_cache(config, folder)
    two = ["--trainer.accumulate_grad_batches", 2]
    qwen_pl("fit", "--config", config, "--trainer.max_steps", 7, *two)
    # From step 5, not from the last: steps 6 and 7 are taken again, with other samples.
    older = folder / "lightning_logs/small/checkpoints/step=00000005.ckpt"
    options = ["--data.batch_size", 2, "--trainer.max_steps", 9, "--ckpt_path", older]
    assert qwen_pl("fit", "--config", config, *options, *two).code == 0
    assert [len(seen[step]) for step in range(1, 10)] == [6] * 5 + [4] * 4

    tokenizer, tokens = tokenizer_in(cache), newest_tokens(cache).tokens
    for step, rows in seen.items():
        for number in (0, len(rows) - 1):
            outcome = qwen_pl("locate", "--run", "small", "--step", step, "--sample", number)
            head, _, text = outcome.out.partition("\n")
            assert head.startswith(f"step {step}, sample {number} of {len(rows)}: ")
            first, last = re.search(r"tokens ([\d,]+)-([\d,]+)$", head).groups()
            span = slice(int(first.replace(",", "")), int(last.replace(",", "")) + 1)
            assert tokens[span].tolist() == rows[number]
            assert text == tokenizer.decode(rows[number], skip_special_tokens=False) + "\n"


def test_a_step_shows_the_beginnings_of_all_its_samples(
    qwen_pl: Run, config: Path, seen: Seen
) -> None:
    qwen_pl("fit", "--config", config, "--data.seq_len", 200, "--trainer.max_steps", 2)
    outcome = qwen_pl("locate", "--step", 2)
    samples = outcome.out.split("step 2, sample ")
    assert [sample.partition(":")[0] for sample in samples[1:]] == ["0 of 3", "1 of 3", "2 of 3"]
    for number, sample in enumerate(samples[1:]):
        shown = sample.partition("\n")[2].strip()
        whole = qwen_pl("locate", "--step", 2, "--sample", number).out.partition("\n")[2]
        assert shown.endswith("…") and len(shown) <= 301
        assert whole.strip().startswith(shown[:-1])


def test_a_window_over_several_documents_names_each(
    qwen_pl: Run, config: Path, folder: Path
) -> None:
    (folder / "shelf").mkdir()
    for number in range(3):
        write_pdf(folder / f"shelf/{number}.pdf", made_up_pages(1, seed=number))
    options = ["--data.source", "shelf", "--data.val_fraction", 0, "--data.test_fraction", 0]
    cache = own_cache(config, folder)
    qwen_pl("prepare", "--config", config, *options)
    length = len(newest_tokens(cache).tokens) - 1
    options += ["--data.seq_len", length, "--trainer.max_steps", 1]
    assert qwen_pl("fit", "--config", config, *options).code == 0
    outcome = qwen_pl("locate", "--step", 1, "--sample", 0)
    named = "; ".join(f"shelf/{number}.pdf, page 1" for number in range(3))
    assert outcome.out.startswith(f"step 1, sample 0 of 3: {named}, tokens 0-{length - 1:,}\n")
    assert outcome.out.count("<|endoftext|>") == 2


def test_the_pages_of_a_sample_are_those_its_text_is_on(
    qwen_pl: Run, config: Path, folder: Path
) -> None:
    qwen_pl("fit", "--config", config, "--trainer.max_steps", 4)
    pages = [" ".join(lines) for lines in made_up_pages(8)]
    for step in range(1, 5):
        head, _, text = qwen_pl("locate", "--step", step, "--sample", 1).out.partition("\n")
        words = text.split()[1:-1]  # the first and the last may be cut
        first, _, last = re.search(r"pages? ([\d-]+)", head)[1].partition("-")
        for end, page in ((words[:3], first), (words[-3:], last or first)):
            assert " ".join(end) in pages[int(page) - 1]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--step", 0], ["--step is 0", "counted from 1"]),
        (["--step", 5], ["--step is 5", "steps 1 to 4"]),
        (["--step", 2, "--sample", 3], ["--sample is 3", "has 3 samples", "from 0"]),
        (["--step", 2, "--sample", -1], ["--sample is -1"]),
        (["--step", 2, "--run", "none"], ["no run", "none"]),
        (["--step", "two"], ["two"]),
        ([], ["--step N or --text TEXT"]),
        (["--step", 2, "--text", "Bane"], ["--step N or --text TEXT"]),
        (["--text", "Bane", "--sample", 1], ["--sample needs --step"]),
        (["--step", 2, "--config", "x.yaml"], ["--config goes with --text"]),
        (["--text", " "], ["--text is empty"]),
        (["--config", "none.yaml", "--text", "Bane"], ["none.yaml"]),
    ],
)
def test_what_cannot_be_located_is_told_in_one_line(
    qwen_pl: Run, folder: Path, options: list[object], words: list[str]
) -> None:
    four_steps = Stretch(0, 4, 0, 3, 24, 24, 7, "tokens", "a", "tokenizer", "b")
    append_stretch(folder / "lightning_logs/small/samples.jsonl", four_steps)
    run = [] if "--run" in options or "--config" in options else ["--run", "small"]
    complains(qwen_pl("locate", *run, *options), *words)


def test_a_sentence_that_is_nowhere_is_told_in_one_line(qwen_pl: Run, config: Path) -> None:
    qwen_pl("prepare", "--config", config)
    outcome = qwen_pl("locate", "--config", config, "--text", "Nobody wrote this.")
    complains(outcome, "not in the text of the 1 document", "Nobody wrote this.")


def test_a_run_without_a_ledger_is_told(qwen_pl: Run, config: Path, folder: Path) -> None:
    qwen_pl("fit", "--config", config, "--trainer.max_steps", 2)
    (folder / "lightning_logs/small/samples.jsonl").unlink()
    complains(qwen_pl("locate", "--step", 1), "small/samples.jsonl", "not known")


def test_a_cache_that_was_deleted_can_be_made_again(
    qwen_pl: Run, config: Path, folder: Path
) -> None:
    cache = own_cache(config, folder)
    qwen_pl("fit", "--config", config, "--trainer.max_steps", 2)
    before = qwen_pl("locate", "--step", 1).out
    shutil.rmtree(cache)
    again = "prepare --config lightning_logs/small/config.yaml"
    complains(
        qwen_pl("locate", "--step", 1), "tokenizer.json is gone", f"python -m qwen_pl {again}"
    )
    assert qwen_pl(*again.split()).code == 0
    assert qwen_pl("locate", "--step", 1).out == before


def test_a_token_file_that_is_not_the_one_of_the_run_is_refused(
    qwen_pl: Run, config: Path, folder: Path
) -> None:
    cache = own_cache(config, folder)
    qwen_pl("fit", "--config", config, "--trainer.max_steps", 2)
    tokens = newest_tokens(cache)
    index = read_sealed(tokens.folder / "index.json", f"tokens {tokens.folder.name}")
    index["fingerprint"] = "another"
    write_sealed(tokens.folder / "index.json", index, f"tokens {tokens.folder.name}")
    complains(qwen_pl("locate", "--step", 1), "not hold the tokens of the run")


def test_a_sentence_leads_to_its_page_and_split(
    qwen_pl: Run, config: Path, small_pdf: Path
) -> None:
    qwen_pl("fit", "--config", config, "--trainer.max_steps", 1)
    splits = set()
    for page in range(1, 9):
        # The second line with the beginning of the third, as the page breaks them.
        line, following = made_up_pages(8)[page - 1][1:3]
        sentence = f"{line}\n{following[:20]}"
        outcome = qwen_pl("locate", "--config", config, "--text", sentence)
        assert outcome.code == 0, outcome.err
        assert outcome.out == qwen_pl("locate", "--run", "small", "--text", sentence).out
        place, _, context = outcome.out.partition("): ")
        place, _, split = place.partition(" (")
        first, _, last = re.fullmatch(rf"{small_pdf}, pages? ([\d-]+)", place)[1].partition("-")
        assert int(first) <= page <= int(last or first)
        assert " ".join(sentence.split()) in context
        assert outcome.out.count("\n") == 1
        splits.add(split)
    assert splits >= {"train", "val"}


def test_more_than_twenty_places_are_counted(qwen_pl: Run, config: Path, folder: Path) -> None:
    (folder / "many.txt").write_text("Here is the word. " * 26)
    (folder / "many.yaml").write_text("data: {source: many.txt, cache_dir: cache}\n")
    outcome = qwen_pl("locate", "--config", "many.yaml", "--text", "THE WORD")
    lines = outcome.out.splitlines()
    assert len(lines) == 21
    assert lines[-1] == "and 6 more"
