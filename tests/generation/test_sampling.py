"""Which tokens may be drawn, and how often."""

import pytest
import torch

from qwen_pl.errors import InputError
from qwen_pl.generation.sampling import Sampling, sample

PROBABILITIES = torch.tensor([0.1, 0.4, 0.05, 0.3, 0.15])


@pytest.fixture
def logits() -> torch.Tensor:
    """Many rows of the same five probabilities."""
    return PROBABILITIES.log().expand(4000, 5) + 3.0


def shares(logits: torch.Tensor, **settings) -> torch.Tensor:
    tokens = sample(logits, generator=torch.Generator().manual_seed(0), **settings)
    return tokens.bincount(minlength=5) / len(tokens)


def test_tokens_come_as_often_as_they_are_likely(logits) -> None:
    torch.testing.assert_close(shares(logits), PROBABILITIES, rtol=0, atol=0.03)


def test_temperature_sharpens(logits) -> None:
    expected = (PROBABILITIES**2) / (PROBABILITIES**2).sum()
    torch.testing.assert_close(shares(logits, temperature=0.5), expected, rtol=0, atol=0.03)


def test_temperature_zero_takes_the_likeliest(logits) -> None:
    assert sample(torch.tensor([[1.0, 3.0, 2.0], [5.0, 4.0, 0.0]]), temperature=0).tolist() == [
        1,
        0,
    ]


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
    ],
)
def test_only_the_tokens_within_the_cuts_are_drawn(logits, settings, drawn) -> None:
    assert shares(logits, **settings).nonzero().flatten().tolist() == drawn


def test_the_rows_of_a_batch_are_cut_apart() -> None:
    logits = torch.tensor([[9.0, 0.0, 0.0], [0.0, 0.0, 9.0]])
    assert sample(logits, top_p=0.5).tolist() == [0, 2]


def test_the_same_generator_state_draws_the_same_tokens(logits) -> None:
    assert torch.equal(shares(logits), shares(logits))


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
        ("max_new_tokens", -1),
    ],
)
def test_a_setting_outside_its_range_is_refused_in_one_line_with_its_value(setting, value) -> None:
    with pytest.raises(InputError) as error:
        Sampling(**{setting: value})
    message = str(error.value)
    assert setting in message
    assert str(value) in message
    assert "\n" not in message
