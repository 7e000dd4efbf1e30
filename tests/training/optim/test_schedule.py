"""What holds of every schedule, whatever its settings."""

import math
from itertools import pairwise, product
from typing import get_args

import pytest

from qwen_pl.training.optim.schedule import SHAPES, Schedule, ScheduleName

RATIOS = (0.0, 1e-9, 0.04, 0.3, 0.5, 1.0)


@pytest.mark.parametrize("name", get_args(ScheduleName))
def test_a_schedule_rises_over_its_warmup_and_never_again(name: ScheduleName) -> None:
    for warmup, max_steps, least, decay, shape in product(
        (0, 1, 2, 5, 100), (1, 2, 3, 5, 50), RATIOS, RATIOS, SHAPES
    ):
        schedule = Schedule(name, warmup, least, decay, shape)
        shares = [schedule.share(step, max_steps) for step in range(max_steps + 5)]
        assert all(math.isfinite(share) and 0 <= share <= 1 for share in shares), schedule
        assert all(one <= next_one for one, next_one in pairwise(shares[:warmup])), schedule
        assert all(one >= next_one for one, next_one in pairwise(shares[warmup:])), schedule
        has_time_to_fall = name != "wsd" or round(decay * max_steps) > 0
        if warmup < max_steps and has_time_to_fall:
            assert shares[max_steps] == pytest.approx(least), schedule
