"""Reading one token in few operators is reading it through the network."""

import pytest
import torch
from generation_models import build

from qwen_pl.generation.engine import WORTH_A_COPY, Engine
from qwen_pl.generation.generate import generate
from qwen_pl.generation.reader import OneTokenReader
from qwen_pl.generation.sampling import Sampling
from qwen_pl.model.cache import KeyValueCache
from qwen_pl.model.config import RopeScaling

YARN = RopeScaling(factor=4.0, original_max_position_embeddings=16)


@pytest.mark.parametrize("lengths", [[11], [4, 4], [9, 1, 30]], ids=["one", "even", "uneven"])
@pytest.mark.parametrize(
    "sizes", [{}, {"tie_word_embeddings": True}, {"rope_scaling": YARN, "num_key_value_heads": 1}]
)
@torch.inference_mode()
def test_logits_are_those_of_the_network(sizes, lengths) -> None:
    model = build(**sizes)
    for parameter in model.parameters():
        if parameter.dim() == 1:
            parameter.uniform_(0.5, 1.5)  # gains of 1 would hide one that is missing
    reader, caches = OneTokenReader(model), []
    for _ in range(2):
        cache = KeyValueCache(model.config, len(lengths), max_len=33)
        for row, length in enumerate(lengths):
            ids = torch.arange(length).unsqueeze(0) * 7 % 97
            model(ids, cache=cache.rows(row, row + 1))
            cache.lengths[row] = length
        caches.append(cache)
    for step in range(3):
        newest = (torch.arange(len(lengths)).unsqueeze(1) + 5 * step) % 97
        expected = model(newest, cache=caches[0])[:, -1]
        torch.testing.assert_close(reader(newest, caches[1]), expected, rtol=1e-5, atol=1e-5)
    assert caches[0].lengths == caches[1].lengths
    torch.testing.assert_close(caches[0].keys, caches[1].keys, rtol=1e-5, atol=1e-5)


def test_a_long_text_is_written_with_it_and_is_the_same() -> None:
    model, sampling = build(), Sampling(max_new_tokens=WORTH_A_COPY, temperature=0)
    engine = Engine(model)
    row = engine.add([5, 17, 80], sampling)
    while not engine.is_idle:
        engine.step()
    assert engine.reader is not None
    hook = model.register_forward_hook(lambda *_: None)
    assert not OneTokenReader.fits(model), "a hook would not be called"
    assert row.new_ids == list(generate(model, [5, 17, 80], sampling))
    hook.remove()


def test_weights_that_changed_since_are_not_written_with() -> None:
    model, sampling = build(), Sampling(max_new_tokens=WORTH_A_COPY, temperature=0)
    before = list(generate(model, [5, 17, 80], sampling))
    with torch.no_grad():
        model.lm_head.weight.copy_(model.lm_head.weight.flip(0))
    assert list(generate(model, [5, 17, 80], sampling)) != before


@pytest.mark.parametrize("change", ["bfloat16", "subclass"])
def test_a_network_that_is_not_as_it_expects_is_left_to_itself(change) -> None:
    model = build()
    assert OneTokenReader.fits(model)
    if change == "bfloat16":
        model.bfloat16()
    else:
        model.__class__ = type("Other", (type(model),), {})
    assert not OneTokenReader.fits(model)
