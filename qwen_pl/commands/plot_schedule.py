"""``plot-schedule``: draws the learning rate of a config over its steps."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from qwen_pl.commands.options import VerbParser
from qwen_pl.errors import InputError
from qwen_pl.files import write_text
from qwen_pl.terminal import tell

if TYPE_CHECKING:
    from qwen_pl.training.optim.schedule import Schedule, ScheduleName

HELP = """\
Draw the learning rate that a config gives each step, and what the other schedules would give with
the same settings, as an SVG that any browser shows. Any option of fit may follow, such as
--model.schedule wsd."""

WIDTH, HEIGHT = 760, 340
LEFT, RIGHT, TOP, BOTTOM = 74, 736, 62, 294
"""The edges of what is drawn in; the left lower corner is step 0 and a learning rate of 0."""
COLORS: "dict[ScheduleName, str]" = {"cosine": "#2563eb", "linear": "#059669", "wsd": "#d97706"}
OWN, OTHER = 'stroke-width="3"', 'stroke-width="1.5" stroke-dasharray="5 4"'
POINTS = 400
"""Steps that are drawn of a line, beside those at its corners."""


def main(args: list[str]) -> None:
    """Writes the picture and prints the learning rate at some steps.

    Raises:
        InputError: If the config or what it names cannot be used.
    """
    parser = VerbParser("plot-schedule", HELP)
    parser.add_argument("--config", required=True, metavar="FILE", help="configs/NAME.yaml")
    parser.add_argument("--out", type=Path, default=Path("schedule.svg"), help="the picture")
    options, overrides = parser.parse_known_args(args)
    if options.out.suffix != ".svg":
        raise InputError(f"--out is {options.out}: the picture is an SVG, so give a name in .svg")
    if options.out.is_dir():
        raise InputError(f"--out {options.out} is a folder: give a file")

    from qwen_pl.run.reading import read_without_run, steps_to_train

    config, parts = read_without_run(["--config", options.config, *overrides])
    max_steps = steps_to_train(config)
    schedule, lr = parts.model.schedule, parts.model.lr
    write_text(options.out, schedule_svg(schedule, lr=lr, max_steps=max_steps))
    tell("step        learning rate")
    for step in sorted({round((max_steps - 1) * i / 8) for i in range(9)}):
        tell(f"{step + 1:<11,} {lr * schedule.share(step, max_steps):.3g}")
    tell(options.out)


def schedule_svg(schedule: "Schedule", *, lr: float, max_steps: int) -> str:
    """The schedule of a run in bold, and beside it what the others would be with its settings."""
    own_last = sorted(COLORS, key=lambda kind: kind == schedule.name)  # drawn above the others
    title = f"{schedule.name}: learning rate {lr:g}, {schedule.warmup_steps:,} steps of warmup"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        _text(LEFT, 24, title, "start", ' font-size="14" font-weight="bold"'),
        *_legend(schedule.name),
        *_axes(lr, max_steps),
    ]
    for kind in own_last:
        points = " ".join(
            f"{_x(step, max_steps):.1f},{_y(share):.1f}"
            for step, share in _line(replace(schedule, name=kind), max_steps)
        )
        style = OWN if kind == schedule.name else OTHER
        parts.append(f'<polyline points="{points}" fill="none" stroke="{COLORS[kind]}" {style}/>')
    return "\n".join([*parts, "</svg>\n"])


def _line(schedule: "Schedule", max_steps: int) -> list[tuple[int, float]]:
    """Steps and their shares of the full learning rate, with those at the corners of the line."""
    corners = (schedule.warmup_steps, max_steps - round(schedule.decay_ratio * max_steps))
    steps = {round(max_steps * i / POINTS) for i in range(POINTS + 1)}
    steps |= {step for step in corners if 0 <= step <= max_steps}
    return [(step, schedule.share(step, max_steps)) for step in sorted(steps)]


def _x(step: float, max_steps: int) -> float:
    return LEFT + (RIGHT - LEFT) * step / max_steps


def _y(share: float) -> float:
    return BOTTOM - (BOTTOM - TOP) * share


def _axes(lr: float, max_steps: int) -> list[str]:
    """Lines and learning rates for each quarter of the height, steps for those of the width."""
    quarters = [quarter / 4 for quarter in range(5)]
    parts = []
    for share in quarters:
        y = f'y1="{_y(share):.1f}" y2="{_y(share):.1f}"'
        parts.append(f'<line x1="{LEFT}" x2="{RIGHT}" {y} stroke="#d1d5db"/>')
        parts.append(_text(LEFT - 8, _y(share) + 4, f"{lr * share:.3g}", "end"))
    for step in sorted({round(max_steps * share) for share in quarters}):
        parts.append(_text(_x(step, max_steps), BOTTOM + 18, f"{step:,}", "middle"))
    middle = (TOP + BOTTOM) / 2
    turned = f' transform="rotate(-90 16 {middle})"'
    return [
        *parts,
        _text((LEFT + RIGHT) / 2, HEIGHT - 8, "step", "middle"),
        _text(16, middle, "learning rate", "middle", turned),
    ]


def _legend(own: str) -> list[str]:
    """A piece of each line, with its name beside it."""
    parts = []
    for index, (kind, color) in enumerate(COLORS.items()):
        x = LEFT + 110 * index
        style, weight = (OWN, ' font-weight="bold"') if kind == own else (OTHER, "")
        line = f'<line x1="{x}" x2="{x + 28}" y1="42" y2="42" stroke="{color}" {style}/>'
        parts.append(line + _text(x + 34, 46, kind, "start", weight))
    return parts


def _text(x: float, y: float, text: str, anchor: str, more: str = "") -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text {place} fill="#111827"{more}>{text}</text>'
