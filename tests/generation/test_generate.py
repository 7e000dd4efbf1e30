"""The loop writes what the model says, and leaves no trace."""

import pytest
import torch
from small_networks import build

from qwen_pl.errors import InputError
from qwen_pl.generation.generate import generate
from qwen_pl.generation.sampling import Sampling
from qwen_pl.model.qwen3 import Qwen3ForCausalLM

PROMPT = [5, 17, 80, 3]


@pytest.fixture(scope="module")
def model() -> Qwen3ForCausalLM:
    return build()


def greedy(max_new_tokens: int) -> Sampling:
    return Sampling(max_new_tokens=max_new_tokens, temperature=0)


def test_greedy_is_an_argmax_loop_without_a_cache(model) -> None:
    ids = list(PROMPT)
    for _ in range(20):
        ids.append(model(torch.tensor([ids]))[0, -1].argmax().item())
    assert list(generate(model, PROMPT, greedy(20))) == ids[4:]
    assert len(set(ids[4:])) > 5, "a text of one token would agree by chance"


def test_the_same_seed_writes_the_same_text_and_another_another(model) -> None:
    first, again, other = (
        list(generate(model, PROMPT, Sampling(max_new_tokens=12, temperature=1.5, seed=seed)))
        for seed in (1, 1, 2)
    )
    assert first == again != other


def test_without_a_seed_each_text_is_new(model) -> None:
    sampling = Sampling(max_new_tokens=12, temperature=2.0, top_k=0)
    torch.manual_seed(0)
    first = list(generate(model, PROMPT, sampling))
    torch.manual_seed(0)
    assert first != list(generate(model, PROMPT, sampling))


@pytest.mark.parametrize("seed", [None, 3])
def test_global_random_state_is_untouched(model, seed) -> None:
    before = torch.get_rng_state()
    list(generate(model, PROMPT, Sampling(max_new_tokens=5, seed=seed)))
    assert torch.equal(torch.get_rng_state(), before)


def test_as_many_tokens_as_asked_for_come_one_at_a_time(model) -> None:
    calls = []
    hook = model.register_forward_pre_hook(lambda *_: calls.append(1))
    tokens = generate(model, PROMPT, greedy(9))
    next(tokens)
    assert len(calls) == 1
    assert len(list(tokens)) == 8
    assert list(generate(model, PROMPT, greedy(0))) == []
    hook.remove()


def test_a_stop_token_ends_the_text_and_is_not_part_of_it(model) -> None:
    text = list(generate(model, PROMPT, greedy(20)))
    stop = text[6]
    stopped = list(generate(model, PROMPT, greedy(20), stop_ids=[stop]))
    assert stopped == text[: text.index(stop)]


def test_padding_of_the_vocabulary_is_never_chosen(model) -> None:
    sampling = Sampling(max_new_tokens=50, temperature=5.0, top_k=0, top_p=1.0, seed=0)
    assert max(generate(model, PROMPT, sampling)) >= 90
    prompt = [token % 7 for token in PROMPT]
    assert max(generate(model, prompt, sampling, num_tokens=7)) == 6


@pytest.mark.parametrize("limit", [1, 3, 10])
@pytest.mark.parametrize("prompt_length", [1, 10, 11, 40])
def test_text_slides_past_the_longest_context(limit, prompt_length) -> None:
    model = build(max_position_embeddings=limit)
    lengths = []
    model.model.register_forward_pre_hook(
        lambda _, args, kwargs: lengths.append(kwargs["cache"].length + args[0].shape[1]),
        with_kwargs=True,
    )
    prompt = [(7 * i) % 97 for i in range(prompt_length)]
    assert len(list(generate(model, prompt, greedy(16)))) == 16
    assert max(lengths) == limit


def test_after_sliding_the_model_reads_the_newest_half() -> None:
    model = build(max_position_embeddings=10)
    text = PROMPT + list(generate(model, PROMPT, greedy(9)))
    # The context was full with ten tokens read; the eleventh token is written from the last five.
    expected = model(torch.tensor([text[6:11]]))[0, -1].argmax().item()
    assert text[11] == expected


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("stop_early", [True, False])
def test_the_mode_of_the_model_is_restored(training, stop_early) -> None:
    model = build().train(training)
    tokens = generate(model, PROMPT, greedy(5))
    next(tokens)
    assert not model.training
    if not stop_early:
        list(tokens)
    del tokens
    assert model.training is training


def test_gradients_are_off_inside_and_stay_on_outside(model) -> None:
    tokens = generate(model, PROMPT, greedy(5))
    next(tokens)
    assert torch.is_grad_enabled()
    assert all(parameter.grad is None for parameter in model.parameters())


def test_an_empty_prompt_is_refused_at_once(model) -> None:
    with pytest.raises(InputError, match="prompt is empty"):
        generate(model, [], greedy(3))


def test_a_token_the_model_does_not_know_is_refused_by_its_number(model) -> None:
    with pytest.raises(InputError, match="97"):
        generate(model, [5, 97], greedy(3))


def test_the_prompt_given_is_not_changed(model) -> None:
    prompt = list(PROMPT)
    list(generate(model, prompt, greedy(3)))
    assert prompt == PROMPT


def test_a_network_in_bf16_writes(model) -> None:
    assert len(list(generate(build().bfloat16(), PROMPT, Sampling(max_new_tokens=4)))) == 4
