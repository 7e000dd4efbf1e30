import random
from pathlib import Path

import pytest

from qwen_pl.data.datamodule import PDFDataModule


@pytest.fixture
def data(small_pdf: Path, tmp_path_factory: pytest.TempPathFactory) -> PDFDataModule:
    data = PDFDataModule(
        source=str(small_pdf),
        cache_dir=str(tmp_path_factory.getbasetemp() / "cache"),
        vocab_size=320,
        seq_len=24,
        batch_size=5,
        val_fraction=0.2,
        test_fraction=0.1,
    )
    data.prepare_data()
    data.setup("fit")
    return data


def test_a_batch_has_inputs_and_the_tokens_that_follow_them(data: PDFDataModule) -> None:
    batch = next(iter(data.train_dataloader()))
    assert batch["input_ids"].shape == batch["labels"].shape == (5, 24)
    assert batch["input_ids"][:, 1:].equal(batch["labels"][:, :-1])
    text = data.tokenizer.decode(data.tokens.tokens.tolist())
    assert data.tokenizer.decode(batch["labels"][0].tolist()) in text


def test_training_never_sees_the_held_out_part_nor_the_window_before_it(
    data: PDFDataModule,
) -> None:
    order = data.train_dataloader().batches.order
    held_out = [*data.tokens.split("val"), *data.tokens.split("test")]
    starts = [order.start(i) for i in range(10 * order.per_epoch)]
    for first, end in held_out:
        assert all(start + 24 + 1 <= first - 24 or start >= end + 24 for start in starts)
    assert max(starts) > held_out[0][1] and min(starts) < held_out[0][0]  # from both sides of it


def test_validation_and_test_cover_their_parts_once(data: PDFDataModule) -> None:
    for split, loader in (("val", data.val_dataloader()), ("test", data.test_dataloader())):
        ((first, end),) = data.tokens.split(split)
        labels = [i for batch in loader for i in batch["labels"].flatten().tolist() if i != -100]
        assert labels == data.tokens.tokens[first + 1 : end].tolist()


def test_the_seed_decides_the_order(data: PDFDataModule) -> None:
    first = next(iter(data.train_dataloader()))["input_ids"]
    assert next(iter(data.train_dataloader()))["input_ids"].equal(first)
    data.settings.seed = 1
    del data._training_order
    assert not next(iter(data.train_dataloader()))["input_ids"].equal(first)


def test_masked_documents_end_where_their_end_token_stands(tmp_path: Path) -> None:
    chooser = random.Random(0)
    for name in "abcdef":
        words = ["".join(chooser.choices("etaoin", k=4)) for _ in range(60)]
        (tmp_path / f"{name}.txt").write_text(" ".join(words))
    settings = {"source": str(tmp_path), "cache_dir": str(tmp_path / "cache"), "vocab_size": 270}
    sizes = {"seq_len": 90, "batch_size": 4, "val_fraction": 0.2, "test_fraction": 0.1}
    data = PDFDataModule(**settings, **sizes, mask_documents=True)
    data.prepare_data()
    data.setup("fit")
    batch = next(iter(data.train_dataloader()))
    ends = batch["input_ids"] == data.tokens.end_of_text
    documents = batch["document_ids"]
    assert ends.any()
    assert (documents[:, 1:] - documents[:, :-1]).equal(ends[:, :-1].long())
    assert (batch["labels"] == -100).equal(ends)
    assert "document_ids" in next(iter(data.val_dataloader()))

    plain = PDFDataModule(**settings, **sizes)
    plain.prepare_data()
    plain.setup("fit")
    same = next(iter(plain.train_dataloader()))
    assert same["input_ids"].equal(batch["input_ids"])
    assert "document_ids" not in same
    assert (same["labels"] != -100).all()
