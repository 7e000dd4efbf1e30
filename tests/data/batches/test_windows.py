import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from qwen_pl.data.batches.windows import TokenWindows, consecutive_starts


def test_labels_are_the_inputs_shifted_by_one() -> None:
    tokens = np.random.default_rng(0).integers(0, 1000, 100)
    windows = TokenWindows(tokens, seq_len=13, spans=[(0, 100)])
    for start in (0, 41, 86):
        window = windows[start]
        assert window["input_ids"].tolist() == tokens[start : start + 13].tolist()
        assert window["labels"].tolist() == tokens[start + 1 : start + 14].tolist()
        assert window["labels"].dtype == window["input_ids"].dtype == torch.int64


def test_an_evaluation_window_ends_with_its_span() -> None:
    windows = TokenWindows(np.arange(100), seq_len=5, spans=[(10, 17), (40, 43)])
    batch = windows.__getitems__(consecutive_starts([(10, 17), (40, 43)], 5))
    assert batch["labels"].tolist() == [
        [11, 12, 13, 14, 15],
        [16, -100, -100, -100, -100],
        [41, 42, -100, -100, -100],
    ]
    assert batch["input_ids"].tolist() == [
        [10, 11, 12, 13, 14],
        [15, 0, 0, 0, 0],
        [40, 41, 0, 0, 0],
    ]


def test_a_window_belongs_to_the_span_it_begins_in() -> None:
    windows = TokenWindows(np.arange(100), seq_len=4, spans=[(10, 17), (17, 20)])
    batch = windows.__getitems__([12, 13, 17])
    assert batch["labels"].tolist() == [
        [13, 14, 15, 16],
        [14, 15, 16, -100],
        [18, 19, -100, -100],
    ]


def test_evaluation_windows_label_every_token_but_the_first_once() -> None:
    tokens = np.arange(1000)
    windows = TokenWindows(tokens, seq_len=7, spans=[(20, 53)])
    batch = windows.__getitems__(consecutive_starts([(20, 53)], 7))
    labels = batch["labels"][batch["labels"] != -100]
    assert labels.tolist() == list(range(21, 53))


def test_a_worker_process_is_sent_the_name_of_the_file_and_not_its_tokens(tmp_path: Path) -> None:
    np.arange(100_000, dtype="<u2").tofile(tmp_path / "tokens.bin")
    tokens = np.memmap(tmp_path / "tokens.bin", dtype="<u2", mode="r")
    sent = pickle.dumps(TokenWindows(tokens, seq_len=7, spans=[(0, 100_000)]))
    assert len(sent) < 1000
    assert not pickle.loads(sent).tokens.flags.writeable
    assert pickle.loads(sent)[60_000]["labels"].tolist() == list(range(60_001, 60_008))
    (tmp_path / "tokens.bin").write_bytes(tokens.tobytes()[:-2])  # cut since
    with pytest.raises(ValueError, match="mmap length is greater than file size"):
        pickle.loads(sent)


def test_a_window_knows_the_bytes_its_labels_spell() -> None:
    sizes = np.array([1, 2, 3, 4, 0])
    tokens = np.array([0, 1, 2, 3, 4, 0])
    windows = TokenWindows(tokens, seq_len=4, spans=[(0, 6)], num_bytes=sizes)
    assert windows[0]["num_bytes"] == 2 + 3 + 4 + 0
    assert windows[3]["num_bytes"] == 0 + 1


def test_windows_number_the_documents_and_ask_for_no_first_token_of_the_next() -> None:
    windows = TokenWindows(
        np.arange(50), seq_len=9, spans=[(0, 50)], document_starts=np.array([0, 7, 12, 13])
    )
    batch = windows.__getitems__([4, 0, 30])
    assert batch["document_ids"].tolist() == [
        [0, 0, 0, 1, 1, 1, 1, 1, 2],
        [0, 0, 0, 0, 0, 0, 0, 1, 1],
        [3] * 9,
    ]
    assert batch["labels"].tolist() == [
        [5, 6, -100, 8, 9, 10, 11, -100, -100],
        [1, 2, 3, 4, 5, 6, -100, 8, 9],
        list(range(31, 40)),
    ]
    assert batch["input_ids"].tolist()[0] == list(range(4, 13))
    assert batch["document_ids"].dtype == torch.int64


def test_a_label_that_is_not_asked_for_spells_no_bytes() -> None:
    sizes = np.full(20, 3)
    starts = np.array([0, 4])
    windows = TokenWindows(
        np.arange(20), seq_len=6, spans=[(0, 20)], num_bytes=sizes, document_starts=starts
    )
    assert windows[0]["num_bytes"] == 5 * 3
    assert windows[10]["num_bytes"] == 6 * 3
