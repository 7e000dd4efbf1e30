"""``generate`` gives what users of Transformers know, and leaves no trace."""

import subprocess
import sys

import pytest
import torch
import transformers
from small_networks import build, written
from torch._dynamo.testing import CompileCounter

from qwen_pl import generate
from qwen_pl.errors import InputError
from qwen_pl.generation.sampling import Sampling
from qwen_pl.model.qwen3 import Qwen3ForCausalLM

PROMPT = [5, 17, 80, 3]


@pytest.fixture(scope="module")
def model(device) -> Qwen3ForCausalLM:
    return build().to(device)


@pytest.fixture(scope="module")
def ids(device) -> torch.Tensor:
    return torch.tensor([[5, 17, 80, 3], [9, 1, 1, 60], [2, 4, 8, 16]], device=device)


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
    return network.eval().to(model.lm_head.weight.device)


def test_it_gives_what_transformers_gives(model, theirs, ids) -> None:
    expected = theirs.generate(ids, max_new_tokens=15, do_sample=False, pad_token_id=0)
    assert torch.equal(generate(model, ids, max_new_tokens=15), expected)


def test_end_tokens_and_padding_are_those_of_transformers(model, theirs, ids) -> None:
    end = generate(model, ids, max_new_tokens=9)[1, 7].item()
    settings = {"max_new_tokens": 15, "eos_token_id": [end, 96], "pad_token_id": 7}
    expected = theirs.generate(ids, do_sample=False, **settings)
    assert (expected == 7).any()
    assert torch.equal(generate(model, ids, **settings), expected)


def test_a_repetition_penalty_is_that_of_transformers(model, theirs, ids) -> None:
    settings = {"max_new_tokens": 15, "repetition_penalty": 1.4, "pad_token_id": 0}
    expected = theirs.generate(ids, do_sample=False, **settings)
    assert not torch.equal(generate(model, ids, max_new_tokens=15), expected)
    assert torch.equal(generate(model, ids, **settings), expected)


def test_prompts_padded_on_the_left_are_written_on_as_by_transformers(model, theirs, ids) -> None:
    mask = torch.tensor([[0, 0, 1, 1], [1, 1, 1, 1], [0, 1, 1, 1]], device=ids.device)
    settings = {"attention_mask": mask, "max_new_tokens": 11, "pad_token_id": 0}
    expected = theirs.generate(ids, do_sample=False, **settings)
    assert torch.equal(generate(model, ids, **settings), expected)


def test_lists_may_differ_in_length(model) -> None:
    together = generate(model, [[5, 17, 80, 3, 3], [9]], max_new_tokens=6, pad_token_id=96)
    assert together.shape == (2, 11)
    assert together[1, 7:].tolist() == [96] * 4
    assert torch.equal(together[1:, :7], generate(model, [9], max_new_tokens=6))


def test_a_seed_repeats_and_the_mode_is_restored(model, ids) -> None:
    settings = {"max_new_tokens": 12, "temperature": 1.5, "top_k": 0}
    model.train()
    first, again, other = (generate(model, ids, seed=seed, **settings) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert model.training


@pytest.mark.parametrize(
    ("settings", "word"), [({"max_tokens": 3}, "max_tokens"), ({"stop": "x"}, "Writer")]
)
def test_what_it_does_not_know_is_refused(model, settings, word, ids) -> None:
    with pytest.raises(InputError, match=word):
        generate(model, ids, **settings)


def test_the_package_has_it_and_loads_nothing_heavy_before_it_is_asked_for() -> None:
    program = (
        "import sys, qwen_pl\n"
        "assert 'torch' not in sys.modules and hasattr(qwen_pl, 'generate')\n"
        "assert 'torch' in sys.modules and not hasattr(qwen_pl, 'degenerate')"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def greedy(max_new_tokens: int) -> Sampling:
    return Sampling(max_new_tokens=max_new_tokens, temperature=0)


def test_greedy_is_an_argmax_loop_without_a_cache(model, device) -> None:
    ids = list(PROMPT)
    for _ in range(20):
        ids.append(model(torch.tensor([ids], device=device))[0, -1].argmax().item())
    assert written(model, PROMPT, greedy(20)) == ids[4:]
    assert len(set(ids[4:])) > 5, "a text of one token would agree by chance"


def test_the_same_seed_writes_the_same_text_and_another_another(model) -> None:
    first, again, other = (
        written(model, PROMPT, Sampling(max_new_tokens=12, temperature=1.5, seed=seed))
        for seed in (1, 1, 2)
    )
    assert first == again != other


def test_without_a_seed_each_text_is_new(model) -> None:
    sampling = Sampling(max_new_tokens=12, temperature=2.0, top_k=0)
    torch.manual_seed(0)
    first = written(model, PROMPT, sampling)
    torch.manual_seed(0)
    assert first != written(model, PROMPT, sampling)


@pytest.mark.parametrize("seed", [None, 3])
def test_global_random_state_is_untouched(model, seed) -> None:
    before = torch.get_rng_state()
    written(model, PROMPT, Sampling(max_new_tokens=5, seed=seed))
    assert torch.equal(torch.get_rng_state(), before)


def test_as_many_tokens_as_asked_for_come_from_as_many_passes(model) -> None:
    calls = []
    hook = model.register_forward_pre_hook(lambda *_: calls.append(1))
    assert len(written(model, PROMPT, greedy(9))) == len(calls) == 9
    assert written(model, PROMPT, greedy(0)) == []
    hook.remove()


def test_a_stop_token_ends_the_text_and_is_not_part_of_it(model) -> None:
    text = written(model, PROMPT, greedy(20))
    stop = text[6]
    stopped = written(model, PROMPT, greedy(20), stop_ids=[stop])
    assert stopped == text[: text.index(stop)]


def test_padding_of_the_vocabulary_is_never_chosen(model) -> None:
    sampling = Sampling(max_new_tokens=50, temperature=5.0, top_k=0, top_p=1.0, seed=0)
    assert max(written(model, PROMPT, sampling)) >= 90
    prompt = [token % 7 for token in PROMPT]
    assert max(written(model, prompt, sampling, num_ids=7)) == 6
    unused = range(1, 96)
    assert {*written(model, prompt, sampling, unused_ids=unused)} <= {0, 96}


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
    assert len(written(model, prompt, greedy(16))) == 16
    assert max(lengths) == limit


def test_after_sliding_the_model_reads_the_newest_half() -> None:
    model = build(max_position_embeddings=10)
    text = PROMPT + written(model, PROMPT, greedy(9))
    # The context was full with ten tokens read; the eleventh token is written from the last five.
    expected = model(torch.tensor([text[6:11]]))[0, -1].argmax().item()
    assert text[11] == expected


@pytest.mark.parametrize("training", [True, False])
def test_the_mode_of_the_model_is_restored_even_after_an_error(training) -> None:
    model, modes = build().train(training), []
    model.register_forward_pre_hook(lambda model, _: modes.append(model.training))
    generate(model, PROMPT, max_new_tokens=2)
    assert model.training is training
    with torch.no_grad():
        model.model.norm.weight[3] = float("nan")
    with pytest.raises(InputError, match="no finite numbers"):
        generate(model, PROMPT)
    assert model.training is training
    assert modes == [False] * 3


def test_gradients_are_off_inside_and_stay_on_outside(model) -> None:
    seen = []
    hook = model.register_forward_pre_hook(lambda *_: seen.append(torch.is_grad_enabled()))
    generate(model, PROMPT, max_new_tokens=2)
    assert seen == [False, False]
    assert torch.is_grad_enabled()
    hook.remove()


def test_an_empty_prompt_is_refused_at_once(model) -> None:
    with pytest.raises(InputError, match="prompt is empty"):
        generate(model, [[]])


def test_a_token_the_model_does_not_know_is_refused_by_its_number(model) -> None:
    with pytest.raises(InputError, match="97"):
        generate(model, [5, 97])


def test_the_prompt_given_is_not_changed(model) -> None:
    prompt = list(PROMPT)
    generate(model, prompt, max_new_tokens=3)
    assert prompt == PROMPT


def test_a_network_in_bf16_writes(model) -> None:
    assert len(written(build().bfloat16(), PROMPT, Sampling(max_new_tokens=4))) == 4


def test_compiled_layers_are_not_compiled_again_for_each_length_of_a_cache(ids) -> None:
    torch._dynamo.reset()
    model, counts = build().to(ids.device), CompileCounter()
    expected = generate(model, ids[:1], max_new_tokens=9)
    for layer in model.model.layers:
        layer.compile(backend=counts)
    assert torch.equal(generate(model, ids[:1], max_new_tokens=9), expected)
    assert counts.frame_count == 0
