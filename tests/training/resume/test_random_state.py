import io
import random

import numpy as np
import torch

from qwen_pl.training.resume.random_state import random_state, set_random_state


def draw() -> tuple[float, ...]:
    return random.random(), float(np.random.rand()), torch.rand(()).item(), torch.randn(()).item()


def test_every_generator_goes_on_where_it_was_after_a_round_trip_through_a_file() -> None:
    draw()
    file = io.BytesIO()
    torch.save(random_state(), file)
    expected = [draw() for _ in range(3)]
    draw()
    file.seek(0)
    set_random_state(torch.load(file, weights_only=True))
    assert [draw() for _ in range(3)] == expected
