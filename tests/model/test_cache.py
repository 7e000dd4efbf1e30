"""Reading with a cache is reading without one, only faster."""

import pytest
import torch
from small_networks import build

from qwen_pl.model.cache import KeyValueCache
from qwen_pl.model.qwen3 import Qwen3ForCausalLM


@pytest.fixture(scope="module")
def model(device) -> Qwen3ForCausalLM:
    return build(tie_word_embeddings=True).to(device).requires_grad_(False)


def cache_of(model: Qwen3ForCausalLM, batch_size: int, max_len: int, **more) -> KeyValueCache:
    device = model.lm_head.weight.device
    return KeyValueCache(model.config, batch_size, max_len, device, **more)


def random_ids(model: Qwen3ForCausalLM, *shape: int) -> torch.Tensor:
    return torch.randint(0, 97, shape, device=model.lm_head.weight.device)


@pytest.mark.parametrize(
    "pieces", [[17], [1] * 17, [5, 12], [6, 1, 1, 4, 1, 3, 1]], ids=["all", "one", "two", "mixed"]
)
def test_logits_agree_however_the_text_is_cut(model, pieces) -> None:
    input_ids = random_ids(model, 2, 17)
    cache = cache_of(model, 2, 19)
    logits = torch.cat([model(piece, cache=cache) for piece in input_ids.split(pieces, 1)], 1)
    torch.testing.assert_close(logits, model(input_ids), rtol=1e-5, atol=1e-5)
    assert cache.length == 17


def test_a_forgotten_text_leaves_no_trace(model) -> None:
    input_ids = random_ids(model, 2, 9)
    cache = cache_of(model, 2, 11)
    model(random_ids(model, 2, 11), cache=cache)
    cache.lengths = [0, 0]
    torch.testing.assert_close(model(input_ids, cache=cache), model(input_ids))


def test_its_memory_is_taken_once_in_the_shape_of_the_model(model) -> None:
    cache = cache_of(model, 2, 11)
    assert cache.keys.shape == cache.values.shape == (3, 2, 2, 11, 10)
    taken = cache.keys.data_ptr(), cache.values.data_ptr()
    for _ in range(2):
        model(random_ids(model, 2, 4), cache=cache)
    assert (cache.keys.data_ptr(), cache.values.data_ptr()) == taken
    assert cache.keys[:, :, :, :8].ne(0).all(), "what was read is in that memory"
    assert not cache.keys[:, :, :, 8:].any()


def test_its_memory_is_of_the_dtype_that_was_asked_for(model) -> None:
    cache = cache_of(model, 2, 11, dtype=torch.float64)
    assert cache.keys.dtype == cache.values.dtype == torch.float64


def test_too_many_tokens_are_refused_with_their_number(model) -> None:
    cache = cache_of(model, 1, 7)
    model(random_ids(model, 1, 6), cache=cache)
    with pytest.raises(ValueError, match=r"8 tokens .* 7"):
        model(random_ids(model, 1, 2), cache=cache)


def test_a_table_of_who_sees_whom_is_made_only_where_attention_needs_one(model) -> None:
    cache = cache_of(model, 2, 9)
    assert cache.mask(4) is None, "a whole text is seen causally"
    model(random_ids(model, 2, 4), cache=cache)
    assert cache.mask(1) is None, "a single token sees all"
    assert cache.mask(2)[0, 0].int().tolist() == [[1, 1, 1, 1, 1, 0], [1, 1, 1, 1, 1, 1]]
    cache.lengths[1] = 3
    assert cache.mask(1)[:, 0].int().tolist() == [[[1, 1, 1, 1, 1]], [[1, 1, 1, 1, 0]]]


def test_it_works_under_autocast(model) -> None:
    input_ids = random_ids(model, 2, 6)
    cache = cache_of(model, 2, 6)
    with torch.autocast(input_ids.device.type, dtype=torch.bfloat16):
        model(input_ids[:, :4], cache=cache)
        logits = model(input_ids[:, 4:], cache=cache)
        expected = model(input_ids)[:, 4:]
    torch.testing.assert_close(logits, expected, rtol=0.1, atol=0.1)


def test_rows_of_different_lengths_read_on_as_each_would_alone(model) -> None:
    texts = [random_ids(model, 1, length) for length in (9, 3, 6)]
    cache = cache_of(model, 3, 13)
    for row, text in enumerate(texts):
        part = cache.rows(row, row + 1)
        model(text[:, :-1], cache=part)
        cache.lengths[row] = part.length
    newest = torch.cat([text[:, -1:] for text in texts])
    logits = model(newest, cache=cache)
    expected = torch.cat([model(text)[:, -1:] for text in texts])
    torch.testing.assert_close(logits, expected, rtol=1e-5, atol=1e-5)
    assert cache.lengths == [9, 3, 6]


def test_a_row_can_move_and_the_cache_can_grow(model) -> None:
    text = random_ids(model, 1, 8)
    cache = cache_of(model, 2, 7)
    cache.lengths = [2, 0]
    part = cache.rows(1, 2)
    model(text[:, :5], cache=part)
    cache.lengths[1] = 5
    cache.move(1, 0)
    assert cache.lengths == [5, 5]
    larger = cache.resized(4, 11)
    assert (larger.lengths, larger.max_len) == ([5, 5, 0, 0], 11)
    logits = model(text[:, 5:], cache=larger.rows(0, 1))
    torch.testing.assert_close(logits, model(text)[:, 5:], rtol=1e-5, atol=1e-5)
