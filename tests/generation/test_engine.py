"""Rows of a batch write what they would write alone, whoever comes and goes."""

import random

import pytest
import torch
from small_networks import build, written

from qwen_pl.errors import InputError
from qwen_pl.generation.engine import Engine, Row
from qwen_pl.generation.sampling import Sampling

LIMIT = 40
KNOWN = {"stop_ids": [5, 6], "num_ids": 90}


@pytest.fixture(scope="module")
def model(device):
    return build(max_position_embeddings=LIMIT).to(device)


@pytest.fixture(scope="module")
def texts() -> list[tuple[list[int], Sampling]]:
    """Prompts of many lengths with settings of many kinds."""
    chooser = random.Random(0)
    settings = [
        Sampling(
            max_new_tokens=chooser.choice([0, 1, 7, 30, 80]),
            temperature=chooser.choice([0, 0, 1.3]),
            repetition_penalty=chooser.choice([1, 1.2]),
            top_k=chooser.choice([0, 5, 50]),
            seed=seed,
        )
        for seed in range(23)
    ]
    lengths = [1, 2, 5, 17, LIMIT - 1, LIMIT, LIMIT + 1, 60]
    return [([chooser.randrange(97) for _ in range(chooser.choice(lengths))], s) for s in settings]


@pytest.fixture(scope="module")
def alone(model, texts) -> list[list[int]]:
    return [written(model, *text, **KNOWN) for text in texts]


@pytest.mark.parametrize("max_batch_size", [1, 3, 40])
def test_a_text_does_not_depend_on_its_neighbours(model, texts, alone, max_batch_size) -> None:
    engine, chooser = Engine(model, **KNOWN, max_batch_size=max_batch_size), random.Random(1)
    rows: list[Row] = []
    while len(rows) < len(texts) or not engine.is_idle:
        for _ in range(chooser.choice([0, 1, 3])):  # some enter while others are at work
            if len(rows) < len(texts):
                rows.append(engine.add(*texts[len(rows)]))
        engine.step()
        assert len(engine.rows) <= max_batch_size
    assert [row.new_ids for row in rows] == alone


def test_a_cancelled_text_leaves_the_others_alone(model, texts, alone) -> None:
    engine = Engine(model, **KNOWN, max_batch_size=4)
    rows = [engine.add(*text) for text in texts]
    gone = [rows[0], rows[2], rows[9], rows[-1]]
    for row in gone:
        engine.step()
        engine.cancel(row)
        engine.cancel(row)
    while not engine.is_idle:
        engine.step()
    for row, text in zip(rows, alone, strict=True):
        assert row in gone or row.new_ids == text


def test_steps_tell_every_token_once_and_why_a_text_ends(model) -> None:
    engine = Engine(model, stop_ids=[5])
    short, none = engine.add([1], greedy(3)), engine.add([2], greedy(0))
    told: dict[Row, list] = {short: [], none: []}
    while not engine.is_idle:
        for row, token_id, finish_reason in engine.step():
            told[row].append((token_id, finish_reason))
    assert told[none] == [(None, "length")]
    assert [token for token, _ in told[short]] == short.new_ids
    assert [reason for _, reason in told[short]] == [None, None, "length"]


def test_an_end_token_is_the_reason_and_no_part_of_the_text(model) -> None:
    text = written(model, [1], greedy(9))
    engine = Engine(model, stop_ids=[text[4]])
    row = engine.add([1], greedy(9))
    while not engine.is_idle:
        engine.step()
    assert row.finish_reason == "stop"
    assert row.new_ids == text[: text.index(text[4])]


@pytest.mark.parametrize("prompt_length", [1, LIMIT - 3, LIMIT])
def test_a_text_may_stop_where_the_context_is_full(model, prompt_length) -> None:
    sampling = Sampling(max_new_tokens=99, temperature=0, when_full="stop")
    prompt = [(7 * i) % 97 for i in range(prompt_length)]
    text = written(model, prompt, sampling)
    # All but the last token are read, and as many fit as the context has places.
    assert prompt_length + len(text) - 1 == LIMIT


def test_a_prompt_that_does_not_fit_is_refused_with_both_lengths(model) -> None:
    with pytest.raises(InputError, match="41 tokens, the longest context is 40"):
        Engine(model).add([3] * (LIMIT + 1), Sampling(when_full="stop"))


def test_a_longer_text_begins_as_a_shorter_one(model) -> None:
    long = written(model, [1, 2], greedy(90))
    assert written(model, [1, 2], greedy(30)) == long[:30]


def test_memory_grows_with_the_texts_and_is_given_back() -> None:
    engine = Engine(build(), max_batch_size=8)
    engine.add([1], greedy(4))
    engine.step()
    assert engine._cache.keys.shape[1:4:2] == (1, 5)
    for _ in range(3):
        engine.add([1] * 600, greedy(2000))
    engine.step()
    rows, tokens = engine._cache.keys.shape[1:4:2]
    assert 4 <= rows <= 8
    assert 600 <= tokens < 2600, "not for all that may come"
    for row in list(engine.rows):
        engine.cancel(row)
    assert engine._cache is None


def test_a_network_that_computes_no_numbers_is_refused() -> None:
    model = build()
    with torch.no_grad():
        model.model.norm.weight[3] = float("nan")
    with pytest.raises(InputError, match="no finite numbers"):
        written(model, [1], greedy(3))


def greedy(max_new_tokens: int) -> Sampling:
    return Sampling(max_new_tokens=max_new_tokens, temperature=0)
