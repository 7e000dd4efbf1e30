"""``model.generate`` is what users of Transformers know."""

import pytest
import torch
import transformers
from small_networks import build

from qwen_pl.errors import InputError

IDS = torch.tensor([[5, 17, 80, 3], [9, 1, 1, 60], [2, 4, 8, 16]])


@pytest.fixture(scope="module")
def model():
    return build()


@pytest.fixture(scope="module")
def theirs(model):
    names = transformers.Qwen3Config().to_dict()
    sizes = {name: value for name, value in vars(model.config).items() if name in names}
    sizes.pop("rope_scaling", None)
    rope = {"rope_type": "default", "rope_theta": model.config.rope_theta}
    network = transformers.Qwen3ForCausalLM(
        transformers.Qwen3Config(**sizes | {"rope_parameters": rope})
    )
    network.load_state_dict(model.state_dict())
    return network.eval()


def test_it_gives_what_transformers_gives(model, theirs) -> None:
    expected = theirs.generate(IDS, max_new_tokens=15, do_sample=False, pad_token_id=0)
    assert torch.equal(model.generate(IDS, max_new_tokens=15), expected)


def test_end_tokens_and_padding_are_those_of_transformers(model, theirs) -> None:
    end = model.generate(IDS, max_new_tokens=9)[1, 7].item()
    settings = {"max_new_tokens": 15, "eos_token_id": [end, 96], "pad_token_id": 7}
    expected = theirs.generate(IDS, do_sample=False, **settings)
    assert (expected == 7).any()
    assert torch.equal(model.generate(IDS, **settings), expected)


def test_a_repetition_penalty_is_that_of_transformers(model, theirs) -> None:
    settings = {"max_new_tokens": 15, "repetition_penalty": 1.4, "pad_token_id": 0}
    expected = theirs.generate(IDS, do_sample=False, **settings)
    assert not torch.equal(model.generate(IDS, max_new_tokens=15), expected)
    assert torch.equal(model.generate(IDS, **settings), expected)


def test_prompts_padded_on_the_left_are_written_on_as_by_transformers(model, theirs) -> None:
    mask = torch.tensor([[0, 0, 1, 1], [1, 1, 1, 1], [0, 1, 1, 1]])
    settings = {"attention_mask": mask, "max_new_tokens": 11, "pad_token_id": 0}
    expected = theirs.generate(IDS, do_sample=False, **settings)
    assert torch.equal(model.generate(IDS, **settings), expected)


def test_lists_may_differ_in_length(model) -> None:
    together = model.generate([[5, 17, 80, 3, 3], [9]], max_new_tokens=6, pad_token_id=96)
    assert together.shape == (2, 11)
    assert together[1, 7:].tolist() == [96] * 4
    assert torch.equal(together[1:, :7], model.generate([9], max_new_tokens=6))


def test_a_seed_repeats_and_the_mode_is_restored(model) -> None:
    settings = {"max_new_tokens": 12, "temperature": 1.5, "top_k": 0}
    model.train()
    first, again, other = (model.generate(IDS, seed=seed, **settings) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert model.training


@pytest.mark.parametrize(
    ("settings", "word"), [({"max_tokens": 3}, "max_tokens"), ({"stop": "x"}, "Writer")]
)
def test_what_it_does_not_know_is_refused(model, settings, word) -> None:
    with pytest.raises(InputError, match=word):
        model.generate(IDS, **settings)
