import dataclasses
import json
from pathlib import Path

import pytest

from benchmarks.damaging import flipped
from qwen_pl.seals import Damaged
from qwen_pl.training.steps.ledger import (
    Stretch,
    append_end,
    append_stretch,
    read_ledger,
    stretch_of,
)


def stretch(from_step: int = 0, to_step: int = 100, samples_seen: int = 0, **changes) -> Stretch:
    values = {
        "samples_per_step": 6,
        "seq_len": 24,
        "stride": 12,
        "seed": 7,
        "tokens": "cache/tokens/a",
        "tokens_fingerprint": "b",
        "tokenizer": "cache/tokenizer/ç",
        "tokenizer_sha256": "d",
    }
    return Stretch(from_step, to_step, samples_seen, **(values | changes))


def test_a_ledger_gives_back_what_was_written(tmp_path: Path) -> None:
    written = [stretch(), stretch(from_step=40, samples_seen=240, seed=8)]
    for one in written:
        append_stretch(tmp_path / "run/samples.jsonl", one)
    assert read_ledger(tmp_path / "run/samples.jsonl") == written


def test_a_stretch_counts_steps_from_1_and_samples_from_0() -> None:
    assert list(stretch().samples_of(1)) == [0, 1, 2, 3, 4, 5]
    later = stretch(from_step=40, samples_seen=240, samples_per_step=4)
    assert list(later.samples_of(42)) == [244, 245, 246, 247]


def of_an_earlier_version(*stretches: Stretch) -> bytes:
    lines = (json.dumps(dataclasses.asdict(one), ensure_ascii=False) for one in stretches)
    return "".join(f"{line}\n" for line in lines).encode()


def test_a_ledger_of_an_earlier_version_is_read_and_gone_on_with(tmp_path: Path) -> None:
    file = tmp_path / "samples.jsonl"
    whole = of_an_earlier_version(stretch())
    for length in range(len(whole) - 1):  # one more line, cut off by a kill
        file.write_bytes(whole + whole[:length])
        assert read_ledger(file) == [stretch()]
    append_stretch(file, stretch(from_step=3))
    append_end(file, 7)
    assert read_ledger(file) == [stretch(), stretch(from_step=3, to_step=7)]


def test_keys_of_a_later_version_do_no_harm(tmp_path: Path) -> None:
    file = tmp_path / "samples.jsonl"
    line = json.loads(of_an_earlier_version(stretch())) | {"weather": "fair"}
    file.write_text(json.dumps(line) + "\n")
    assert read_ledger(file) == [stretch()]


def test_a_ledger_that_is_damaged_anywhere_says_nothing_that_is_not_so(tmp_path: Path) -> None:
    file = tmp_path / "samples.jsonl"
    append_stretch(file, stretch())
    append_stretch(file, stretch(from_step=40, samples_seen=240, seed=8))
    append_end(file, 60)
    written, content = read_ledger(file), file.read_bytes()
    damaged = [content[:length] for length in range(1, len(content) - 1)]
    damaged += [flipped(content, place, place % 8) for place in range(len(content))]
    for other in damaged:
        file.write_bytes(other)
        try:
            found = read_ledger(file)
        except Damaged:
            with pytest.raises(Damaged):  # nothing is added to what cannot be trusted
                append_end(file, 70)
            continue
        assert found in ([], written)
    for gone in (file.unlink, file.mkdir):
        gone()
        with pytest.raises(Damaged, match=file.name):
            read_ledger(file)


def test_steps_taken_again_from_an_older_checkpoint_count_the_second_time() -> None:
    stretches = [stretch(), stretch(50, 200, 300), stretch(20, 200, 120, samples_per_step=9)]
    assert stretch_of(stretches, 20) is stretches[0]
    assert stretch_of(stretches, 21) is stretches[2]
    assert stretch_of(stretches, 60) is stretches[2]


@pytest.mark.parametrize("step", [0, 31, 200])
def test_a_step_that_was_not_taken_has_no_stretch(tmp_path: Path, step: int) -> None:
    file = tmp_path / "samples.jsonl"
    append_stretch(file, stretch(to_step=100))
    append_end(file, 30)
    assert stretch_of(read_ledger(file), 30) == stretch(to_step=30)
    assert stretch_of(read_ledger(file), step) is None
