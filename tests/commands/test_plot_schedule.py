"""``plot-schedule``: what it draws is what the optimizer gets."""

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from command_line import REPOSITORY, Run

from qwen_pl.commands.plot_schedule import COLORS, schedule_svg
from qwen_pl.training.module import Qwen3Module
from qwen_pl.training.optim.schedule import Schedule


def points(svg: str, kind: str) -> list[tuple[float, float]]:
    lines = ElementTree.fromstring(svg).findall("{http://www.w3.org/2000/svg}polyline")
    [line] = [line for line in lines if line.get("stroke") == COLORS[kind]]
    return [tuple(map(float, point.split(","))) for point in line.get("points").split()]


def test_the_table_is_what_the_optimizer_gets(
    qwen_pl: Run, config: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ["--config", config, "--model.schedule", "wsd", "--trainer.max_steps", 9]
    outcome = qwen_pl("plot-schedule", *options)
    assert outcome.code == 0, outcome.err
    assert (folder / "schedule.svg").is_file()
    rates = re.findall(r"^\d+ +(\S+)$", outcome.out, flags=re.MULTILINE)

    used, plain = [], Qwen3Module.optimizer_step

    def optimizer_step(self: Qwen3Module, *args: Any, **kwargs: Any) -> None:
        used.append(self.trainer.optimizers[0].param_groups[0]["lr"])
        plain(self, *args, **kwargs)

    monkeypatch.setattr(Qwen3Module, "optimizer_step", optimizer_step)
    qwen_pl("fit", *options)
    assert used == pytest.approx([float(rate) for rate in rates], rel=1e-2)
    assert used[1:8] == [1e-2] * 7 != used[2:9]


def test_lines_fall_as_their_schedules_do() -> None:
    schedule = Schedule("linear", warmup_steps=0, min_lr_ratio=0.0, decay_ratio=0.5)
    svg = schedule_svg(schedule, lr=1.0, max_steps=40)
    assert ElementTree.fromstring(svg).tag.endswith("svg")
    straight, late = points(svg, "linear"), points(svg, "wsd")
    top, bottom = straight[0][1], straight[-1][1]
    assert straight[20][1] == pytest.approx((top + bottom) / 2)
    assert {y for _, y in late[:21]} == {top}
    assert late[-1] == straight[-1]


def test_the_picture_in_the_docs_is_what_its_command_draws(
    qwen_pl: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(REPOSITORY)
    drawn = folder / "drawn.svg"
    options = ["--model.schedule", "wsd", "--out", drawn]
    outcome = qwen_pl("plot-schedule", "--config", "configs/tiny.yaml", *options)
    assert outcome.code == 0, outcome.err
    assert drawn.read_text() == Path("docs/schedules.svg").read_text()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--out", "schedule.png"], "give a name in .svg"),
        (["--model.schedule", "wds"], "schedule"),
        (["--model.min_lr_ratio", "2"], "model.min_lr_ratio is 2.0"),
        (["--trainer.max_steps", "-1"], "trainer.max_steps is not set"),
    ],
)
def test_what_cannot_be_drawn_is_refused(
    qwen_pl: Run, config: Path, folder: Path, options: list[str], said: str
) -> None:
    outcome = qwen_pl("plot-schedule", "--config", config, *options)
    assert outcome.code == 2
    assert outcome.err.count("\n") == 1, outcome.err
    assert said in outcome.err
    assert not list(folder.glob("*.svg"))
