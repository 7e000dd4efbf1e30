"""Which tokens may be drawn, and how often."""

import pytest
import torch
from transformers import GenerationConfig, Qwen3Config, Qwen3ForCausalLM
from transformers.generation.logits_process import RepetitionPenaltyLogitsProcessor

from qwen_pl.errors import InputError
from qwen_pl.generation.sampling import Sampling, distribution, penalise, sample

PROBABILITIES = torch.tensor([0.1, 0.4, 0.05, 0.3, 0.15])
FREE = {"temperature": 1.0, "top_k": 0, "top_p": 1.0}


@pytest.fixture
def logits() -> torch.Tensor:
    """Many rows of the same five probabilities."""
    return PROBABILITIES.log().expand(4000, 5) + 3.0


def shares(logits: torch.Tensor, **settings) -> torch.Tensor:
    chances = torch.rand(len(logits), generator=torch.Generator().manual_seed(0))
    tokens = sample(logits, Sampling(**FREE | settings), chances)
    return tokens.bincount(minlength=logits.shape[1]) / len(tokens)


def test_tokens_come_as_often_as_they_are_likely(logits) -> None:
    torch.testing.assert_close(shares(logits), PROBABILITIES, rtol=0, atol=0.03)


def test_temperature_sharpens(logits) -> None:
    expected = (PROBABILITIES**2) / (PROBABILITIES**2).sum()
    torch.testing.assert_close(shares(logits, temperature=0.5), expected, rtol=0, atol=0.03)


def test_temperature_zero_takes_the_likeliest() -> None:
    logits = torch.tensor([[1.0, 3.0, 2.0], [5.0, 4.0, 0.0]])
    assert sample(logits, Sampling(temperature=0)).tolist() == [1, 0]


@pytest.mark.parametrize("temperature", [1e-30, 1e-45])
def test_a_tiny_temperature_takes_the_likeliest_too(logits, temperature) -> None:
    assert shares(logits, temperature=temperature)[1] == 1


@pytest.mark.parametrize(
    ("settings", "drawn"),
    [
        ({"top_k": 2}, [1, 3]),
        ({"top_k": 1}, [1]),
        ({"top_k": 9}, [0, 1, 2, 3, 4]),
        ({"top_k": 0}, [0, 1, 2, 3, 4]),
        ({"top_p": 0.6}, [1, 3]),
        ({"top_p": 0.75}, [1, 3, 4]),
        ({"top_p": 0.39}, [1]),
        ({"top_p": 1e-9}, [1]),
        ({"top_p": 1.0}, [0, 1, 2, 3, 4]),
        ({"top_k": 3, "top_p": 0.8}, [1, 3]),  # of the three, 0.4 and 0.3 hold 0.82
        ({"min_p": 0.3}, [1, 3, 4]),  # 0.3 of 0.4 is 0.12
        ({"min_p": 1.0}, [1]),
        ({"min_p": 0.0}, [0, 1, 2, 3, 4]),
        ({"min_p": 0.3, "temperature": 4.0}, [0, 1, 2, 3, 4]),  # flatter, then cut
    ],
)
def test_only_the_tokens_within_the_cuts_are_drawn(logits, settings, drawn) -> None:
    assert shares(logits, **settings).nonzero().flatten().tolist() == drawn


@pytest.mark.parametrize("chance", [0.0, 0.5, 1.0])
def test_no_chance_leads_to_a_token_that_was_left_out(logits, chance) -> None:
    chances = torch.full((len(logits),), chance)  # 1.0 is what rounding may give
    drawn = sample(logits, Sampling(temperature=1.0, top_p=0.6), chances)
    assert set(drawn.tolist()) <= {1, 3}


@pytest.mark.parametrize(
    "settings",
    [
        {"temperature": 0.7},
        {"top_k": 20},
        {"top_p": 0.8},
        {"min_p": 0.05},
        {"temperature": 1.6, "top_k": 60, "top_p": 0.9, "min_p": 0.02},
    ],
    ids=lambda settings: "+".join(settings),
)
def test_probabilities_are_those_of_transformers(settings) -> None:
    logits = 3 * torch.randn(7, 331, generator=torch.Generator().manual_seed(4))
    theirs = processors(do_sample=True, **FREE | settings)(None, logits).softmax(-1)
    probabilities, tokens = distribution(logits, Sampling(**FREE | settings))
    mine = torch.zeros_like(logits).scatter(1, tokens, probabilities)
    mine /= mine.sum(-1, keepdim=True)
    assert torch.equal(mine > 0, theirs > 0)
    torch.testing.assert_close(mine, theirs)


@pytest.mark.parametrize("penalty", [1.3, 0.8])
def test_the_penalty_is_that_of_transformers(penalty) -> None:
    logits = torch.randn(2, 31, generator=torch.Generator().manual_seed(4))
    ids = torch.tensor([[4, 4, 30, 7], [0, 1, 2, 0]])
    seen = torch.zeros(2, 31, dtype=torch.bool).scatter(1, ids, True)
    theirs = RepetitionPenaltyLogitsProcessor(penalty)(ids, logits)
    torch.testing.assert_close(penalise(logits, seen, penalty), theirs)


def processors(**settings):
    """The steps that Transformers' ``generate`` would take with these settings, in its order."""
    sizes = dict.fromkeys(("hidden_size", "intermediate_size", "num_hidden_layers"), 2)
    model = Qwen3ForCausalLM(Qwen3Config(vocab_size=5, **sizes))
    return model._get_logits_processor(GenerationConfig(**settings))


def test_the_rows_of_a_batch_are_cut_apart() -> None:
    logits = torch.tensor([[9.0, 0.0, 0.0], [0.0, 0.0, 9.0]])
    assert sample(logits, Sampling(top_p=0.5), torch.rand(2)).tolist() == [0, 2]


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("temperature", -0.1),
        ("temperature", float("nan")),
        ("temperature", float("inf")),
        ("top_k", -1),
        ("top_p", 0.0),
        ("top_p", 1.1),
        ("top_p", float("nan")),
        ("min_p", -0.1),
        ("min_p", 1.1),
        ("min_p", float("nan")),
        ("repetition_penalty", 0.0),
        ("repetition_penalty", float("nan")),
        ("max_new_tokens", -1),
        ("when_full", "burst"),
        ("stop", ("fine", "")),
    ],
)
def test_a_setting_outside_its_range_is_refused_in_one_line_with_its_value(setting, value) -> None:
    with pytest.raises(InputError) as error:
        Sampling(**{setting: value})
    message = str(error.value)
    assert setting in message
    assert str(value).strip("()") in message
    assert "\n" not in message


def test_one_stop_string_may_stand_alone() -> None:
    assert Sampling(stop="END").stop == ("END",)
