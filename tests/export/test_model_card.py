"""The model card: what it tells, and what it keeps to itself."""

from typing import Any

import yaml

from qwen_pl.export.model_card import CardFacts, model_card
from qwen_pl.model.config import Qwen3Config


def card(**changes: Any) -> str:
    facts: dict[str, Any] = {
        "name": "austen",
        "version": "0.1.0",
        "network": Qwen3Config(num_hidden_layers=3, vocab_size=1280),
        "num_tokens": 1234,
        "dtype": "bfloat16",
        "checkpoint": "step=00000700.ckpt",
        "steps": 700,
    }
    return model_card(CardFacts(**facts | changes), "Load it.")


def test_the_head_is_what_the_hub_reads_and_makes_up_no_license() -> None:
    head = yaml.safe_load(card().split("---")[1])
    assert head["library_name"] == "transformers"
    assert head["pipeline_tag"] == "text-generation"
    assert "license" not in head
    assert "base_model" not in head


def test_the_facts_of_the_run_are_told() -> None:
    text = card(
        tokens_seen=2_867_200,
        sources=["book.pdf", "letters.txt"],
        num_sources=2,
        tokens_of={"train": 132_435, "val": 15_841},
        metrics={"val_loss": 4.32109, "val_bits_per_byte": 1.55},
        metrics_step=600,
        run_config={"trainer": {"max_steps": 700}},
    )
    for fact in (
        "| optimizer steps | 700 |",
        "| tokens seen | 2,867,200, 21.6 times the training part |",
        "| data | `book.pdf`, `letters.txt` |",
        "| validation part | 15,841 tokens |",
        "| validation loss at step 600 | 4.3211 |",
        "| validation bits per byte at step 600 | 1.5500 |",
        "max_steps: 700",
        "Load it.",
    ):
        assert fact in text


def test_what_is_not_known_is_not_told() -> None:
    text = card()
    assert "It has not been measured" in text
    for unknown in ("tokens seen", "| data |", "None", "config\n"):
        assert unknown not in text


def test_of_many_documents_some_are_named_and_the_others_counted() -> None:
    text = card(sources=[f"{i}.pdf" for i in range(20)], num_sources=1_700)
    assert "`19.pdf` and 1,680 more" in text


def test_no_path_of_a_machine_and_no_password_is_published() -> None:
    config = {
        "data": {
            "source": ["/home/ada/books/a.pdf", "~/b.pdf", "..\\..\\", "C:\\Users\\ada\\c.pdf"],
            "cache_dir": "../../ada/cache",
            "password": "lace",
            "tokenizer": "Qwen/Qwen3-0.6B",
        },
        "trainer": {"logger": [{"init_args": {"save_dir": "/home/ada/runs", "api_key": "s3"}}]},
        "model": {"from_pretrained": "/home/ada/models/qwen"},
    }
    text = card(run_config=config, from_pretrained="/home/ada/models/qwen")
    for private in ("ada", "lace", "s3"):
        assert private not in text
    for public in ("a.pdf", "b.pdf", "c.pdf", "runs", "Qwen/Qwen3-0.6B"):
        assert public in text
    assert "trained further from qwen" in text


def test_a_repository_that_training_began_with_is_the_base_model() -> None:
    text = card(from_pretrained="Qwen/Qwen3-0.6B-Base")
    assert yaml.safe_load(text.split("---")[1])["base_model"] == "Qwen/Qwen3-0.6B-Base"


def test_a_name_cannot_break_the_table() -> None:
    assert "| data | `a\\|b'c.pdf` |" in card(sources=["a|b`c.pdf"], num_sources=1)
