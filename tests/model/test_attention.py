"""Attention inside documents is the documents run apart."""

import copy

import pytest
import torch
import torch.nn.functional as F
from small_networks import build

from benchmarks.memory import peak_of
from qwen_pl.model.attention import attend, document_mask, document_positions
from qwen_pl.model.cache import KeyValueCache
from qwen_pl.model.qwen3 import Qwen3ForCausalLM

LENGTHS = (4, 1, 7, 5)


@pytest.fixture
def model(device) -> Qwen3ForCausalLM:
    return build(tie_word_embeddings=True).to(device)


@pytest.fixture
def input_ids(device) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 97, (2, sum(LENGTHS)), generator=generator).to(device)


@pytest.fixture
def document_ids(device) -> torch.Tensor:
    """Documents of different lengths, which begin elsewhere in the second row."""
    first = torch.repeat_interleave(torch.arange(4) + 30, torch.tensor(LENGTHS))
    return torch.stack([first, first.flip(0)]).to(device)


def pieces(document_ids: torch.Tensor) -> list[tuple[int, slice]]:
    found = []
    for row, ids in enumerate(document_ids):
        lengths = torch.unique_consecutive(ids, return_counts=True)[1].tolist()
        ends = torch.tensor(lengths).cumsum(0).tolist()
        found += [
            (row, slice(end - length, end)) for length, end in zip(lengths, ends, strict=True)
        ]
    return found


def test_logits_are_those_of_each_document_alone(model, input_ids, document_ids) -> None:
    packed = model(input_ids, document_ids=document_ids)
    assert (packed - model(input_ids)).abs().max() > 0.1
    for row, part in pieces(document_ids):
        alone = model(input_ids[row : row + 1, part])[0]
        torch.testing.assert_close(packed[row, part], alone, rtol=1e-5, atol=1e-5)


def test_loss_and_gradients_are_those_of_the_documents_apart(
    model, input_ids, document_ids
) -> None:
    labels = input_ids.roll(-1, 1)
    for row, part in pieces(document_ids):
        labels[row, part.stop - 1] = -100
    model(input_ids, labels, document_ids=document_ids, reduction="sum").backward()
    apart = copy.deepcopy(model)
    apart.zero_grad()
    for row, part in pieces(document_ids):
        apart(
            input_ids[row : row + 1, part], labels[row : row + 1, part], reduction="sum"
        ).backward()
    for (name, parameter), expected in zip(
        model.named_parameters(), apart.parameters(), strict=True
    ):
        error = (parameter.grad - expected.grad).norm() / expected.grad.norm()
        assert error < 1e-5, name


def test_documents_are_kept_apart_when_layers_are_computed_again(
    model, input_ids, document_ids
) -> None:
    expected = model(input_ids, input_ids, document_ids=document_ids)
    model.gradient_checkpointing = True
    loss = model(input_ids, input_ids, document_ids=document_ids)
    loss.backward()
    torch.testing.assert_close(loss, expected)


def test_positions_count_from_the_start_of_each_document() -> None:
    document_ids = torch.tensor([[7, 7, 7, 9], [2, 3, 3, 3]])
    assert document_positions(document_ids).tolist() == [[0, 1, 2, 0], [0, 0, 1, 2]]


def test_positions_that_are_given_are_taken(model, input_ids, document_ids) -> None:
    spread = 3 * torch.arange(17, device=input_ids.device)
    packed = model(input_ids, document_ids=document_ids, position_ids=spread)
    assert (packed - model(input_ids, document_ids=document_ids)).abs().max() > 0.1
    for row, part in pieces(document_ids):
        alone = model(input_ids[row : row + 1, part], position_ids=spread[part])[0]
        torch.testing.assert_close(packed[row, part], alone, rtol=1e-5, atol=1e-5)


@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
@pytest.mark.parametrize("times", [1, 20])
def test_blocks_for_flex_attention_see_what_the_table_sees(document_ids, times) -> None:
    document_ids = document_ids.repeat_interleave(times, 1)
    length, generator = document_ids.shape[1], torch.Generator().manual_seed(2)
    q = torch.randn(2, 6, length, 10, generator=generator).to(document_ids.device)
    k, v = torch.randn(2, 2, 2, length, 10, generator=generator).to(document_ids.device)
    in_blocks = attend(q, k, v, document_mask(document_ids, in_blocks=True))
    by_table = attend(q, k, v, document_mask(document_ids, in_blocks=False))
    torch.testing.assert_close(in_blocks, by_table, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("num_tokens", [1, 128, 300, 701])
def test_blocks_are_those_in_which_something_is_seen(device, num_tokens) -> None:
    # One document, some of several blocks that begin anywhere in one, and many small ones.
    ids = torch.arange(num_tokens, device=device) // torch.tensor([[999], [300], [3]]).to(device)
    table = document_mask(ids, in_blocks=False)[:, 0]
    blocks = document_mask(ids, in_blocks=True)
    padding = -num_tokens % 128
    seen = F.pad(table.float(), (0, padding, 0, padding)).unfold(1, 128, 128).unfold(2, 128, 128)
    any_is_seen = seen.flatten(3).any(-1)  # (3, blocks, blocks)
    assert torch.equal(blocks.to_dense()[:, 0].bool(), any_is_seen)
    row = F.pad(torch.ones(num_tokens, device=device), (0, padding)).view(-1, 1, 128, 1)
    wholly = ((seen == 1) | (row == 0)).flatten(3).all(-1) & any_is_seen
    assert torch.equal(blocks.full_kv_num_blocks[:, 0], wholly.sum(-1).int())
    index = torch.arange(num_tokens, device=device)
    row, query, key = (torch.arange(3, device=device), index, index)
    sees = blocks.mask_mod(row.view(-1, 1, 1), None, query.view(-1, 1), key)
    assert torch.equal(sees, table)


@pytest.mark.parametrize("head_dim", [10, 24, 64])
def test_packed_logits_are_those_of_a_cpu(head_dim, input_ids, document_ids) -> None:
    network = build(head_dim=head_dim)
    expected = network(input_ids.cpu(), document_ids=document_ids.cpu())
    logits = network.to(input_ids.device)(input_ids, document_ids=document_ids)
    torch.testing.assert_close(logits.cpu(), expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("setting", ["selective", True])
def test_packed_layers_that_are_computed_again_keep_less(
    setting, model, input_ids, document_ids
) -> None:
    # Outside of a compiler, FlexAttention would make all scores, and the setting cost memory.
    def peak() -> float:
        long = (input_ids.repeat(1, 64), document_ids.repeat(1, 64))
        device = input_ids.device.type
        return peak_of(lambda: model(long[0], long[0], document_ids=long[1]).backward(), device)

    kept = peak()
    model.gradient_checkpointing = setting
    assert peak() < kept


def test_documents_and_a_cache_do_not_go_together(model, input_ids, document_ids) -> None:
    cache = KeyValueCache(model.config, batch_size=2, max_len=17, device=input_ids.device)
    with pytest.raises(ValueError, match="a row is one document"):
        model(input_ids, document_ids=document_ids, cache=cache)
