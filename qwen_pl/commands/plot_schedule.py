"""``plot-schedule``: draws the learning rate of a config over its steps."""

from pathlib import Path

from qwen_pl.commands.options.arguments import VerbParser
from qwen_pl.errors import InputError
from qwen_pl.files import write_text

HELP = """\
Draw the learning rate that a config gives each step, and what the other schedules would give with
the same settings, as an SVG that any browser shows. Any option of fit may follow, such as
--model.schedule wsd."""


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

    from qwen_pl.commands.parts.schedule_picture import schedule_svg
    from qwen_pl.run.cli import module_of_config

    module, max_steps = module_of_config(["--config", options.config, *overrides])
    schedule, lr = module.schedule, module.lr
    title = f"{schedule.name}: learning rate {lr:g}, {schedule.warmup_steps:,} steps of warmup"
    svg = schedule_svg(schedule, lr=lr, max_steps=max_steps, title=title)
    write_text(options.out, svg)
    print("step        learning rate")
    for step in sorted({round((max_steps - 1) * i / 8) for i in range(9)}):
        print(f"{step + 1:<11,} {lr * schedule.share(step, max_steps):.3g}")
    print(options.out)
