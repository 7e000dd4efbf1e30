"""Draws learning-rate schedules as an SVG, with no library for it."""

from dataclasses import dataclass, replace
from html import escape

from qwen_pl.training.optim.schedule import Schedule

WIDTH, HEIGHT = 760, 340
LEFT, RIGHT, TOP, BOTTOM = 74, 24, 62, 46
COLORS = {"cosine": "#2563eb", "linear": "#059669", "wsd": "#d97706"}
SAMPLES = 400
"""Steps that are drawn of a line, beside those at its corners."""


@dataclass(frozen=True)
class _Paper:
    """Turns steps and shares into points: the left lower corner is step 0 and a share of 0."""

    max_steps: int

    def x(self, step: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * step / self.max_steps

    def y(self, share: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share


def schedule_svg(schedule: Schedule, *, lr: float, max_steps: int, title: str) -> str:
    """The schedule of a run in bold, and beside it what the others would be with its settings."""
    paper = _Paper(max_steps)
    kinds = sorted(COLORS, key=lambda kind: kind == schedule.name)  # its own is drawn above all
    lines = [_line(paper, replace(schedule, name=kind), kind == schedule.name) for kind in kinds]
    legend = [_legend(i, kind, kind == schedule.name) for i, kind in enumerate(COLORS)]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
            f'width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif" font-size="12">',
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
            _text(LEFT, 24, title, "start", ' font-size="14" font-weight="bold"'),
            *legend,
            *_axes(paper, lr),
            *lines,
            "</svg>\n",
        ]
    )


def _line(paper: _Paper, schedule: Schedule, is_own: bool) -> str:
    max_steps = paper.max_steps
    corner = max_steps - round(schedule.decay_ratio * max_steps)
    steps = {round(max_steps * i / SAMPLES) for i in range(SAMPLES + 1)}
    steps |= {step for step in (schedule.warmup_steps, corner) if 0 <= step <= max_steps}
    points = " ".join(
        f"{paper.x(step):.1f},{paper.y(schedule.share(step, max_steps)):.1f}"
        for step in sorted(steps)
    )
    style = 'stroke-width="3"' if is_own else 'stroke-width="1.5" stroke-dasharray="5 4"'
    color = COLORS[schedule.name]
    return f'<polyline points="{points}" fill="none" stroke="{color}" {style}/>'


def _axes(paper: _Paper, lr: float) -> list[str]:
    parts = []
    for quarter in range(5):
        share = quarter / 4
        y = paper.y(share)
        parts += [
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#d1d5db"/>',
            _text(LEFT - 8, y + 4, f"{lr * share:.3g}", "end"),
        ]
    for step in sorted({round(paper.max_steps * quarter / 4) for quarter in range(5)}):
        parts.append(_text(paper.x(step), HEIGHT - BOTTOM + 18, f"{step:,}", "middle"))
    middle = (LEFT + WIDTH - RIGHT) / 2
    turned = f' transform="rotate(-90 16 {(TOP + HEIGHT - BOTTOM) / 2})"'
    return [
        *parts,
        _text(middle, HEIGHT - 8, "step", "middle"),
        _text(16, (TOP + HEIGHT - BOTTOM) / 2, "learning rate", "middle", turned),
    ]


def _legend(index: int, kind: str, is_own: bool) -> str:
    x = LEFT + 110 * index
    style = 'stroke-width="3"' if is_own else 'stroke-width="1.5" stroke-dasharray="5 4"'
    weight = ' font-weight="bold"' if is_own else ""
    line = f'<line x1="{x}" x2="{x + 28}" y1="42" y2="42" stroke="{COLORS[kind]}" {style}/>'
    return line + _text(x + 34, 46, kind, "start", weight)


def _text(x: float, y: float, text: str, anchor: str, more: str = "") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="#111827"{more}>'
        f"{escape(text)}</text>"
    )
