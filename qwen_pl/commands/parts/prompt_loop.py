"""What ``generate`` shows: texts as they come, and a loop that asks for prompts until Ctrl-D."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qwen_pl.commands.options import unescaped
from qwen_pl.errors import InputError
from qwen_pl.terminal import show, tell

if TYPE_CHECKING:
    from qwen_pl.generation.sampling import Sampling
    from qwen_pl.generation.writer import Writer

HISTORY_LINES = 1000

SETTINGS: dict[str, Callable[[str], Any]] = {
    "max_new_tokens": int,
    "temperature": float,
    "top_k": int,
    "top_p": float,
    "min_p": float,
    "repetition_penalty": float,
    "stop": lambda text: (unescaped(text),),
    "seed": int,
    "when_full": str,
}
"""Settings that can be changed inside, and what reads their values."""

_WITHOUT_EFFECT: dict[str, Any] = {
    "top_k": None,
    "top_p": None,
    "min_p": None,
    "repetition_penalty": 1.0,
    "stop": (),
    "seed": None,
}

HELP = f"""a line is a prompt, and what is written after it follows; Ctrl-C ends a text, Ctrl-D all
/SETTING VALUE    changes one of {", ".join(SETTINGS)}, num_samples;
                  none as value takes it away
/settings         shows them
/help             shows this"""


def print_texts(writer: "Writer", prompt: str, sampling: "Sampling", num_samples: int) -> None:
    """Prints a prompt and what is written after it as it comes; several samples under headings.

    All samples are written at once. The first is shown as it grows, and each of the others as far
    as it is when the one before it has ended.

    Raises:
        InputError: If the prompt cannot be written on from.
    """
    additions = writer.stream_samples(prompt, sampling, num_samples)

    def open_text(index: int) -> None:
        if num_samples > 1:
            tell(*[""] * (index > 0), f"--- {index + 1} of {num_samples} ---")
        show(prompt)

    held = [""] * num_samples
    ended = [False] * num_samples
    shown = 0
    open_text(0)
    for number, text, _, finish_reason in additions:
        held[number] += text
        ended[number] = finish_reason is not None
        while shown < num_samples:
            show(held[shown])
            held[shown] = ""
            if not ended[shown]:
                break
            tell("")
            shown += 1
            if shown < num_samples:
                open_text(shown)


class PromptLoop:
    """Asks for prompts on a terminal and writes on from them.

    Lines go into a history that the up arrow brings back, also in a later loop, where Python has
    readline.
    """

    def __init__(self, writer: "Writer", sampling: "Sampling", num_samples: int) -> None:
        self.writer, self.sampling, self.num_samples = writer, sampling, num_samples

    def run(self) -> None:
        """Goes on until Ctrl-D."""
        tell("type a prompt, /help for help, Ctrl-D to end", file=sys.stderr)
        with _history():
            while True:
                try:
                    line = _ask()
                    if line.startswith("/"):
                        self._obey(*line[1:].split(maxsplit=1))
                    elif line:
                        print_texts(self.writer, line, self.sampling, self.num_samples)
                except EOFError:
                    tell("")
                    return
                except KeyboardInterrupt:
                    tell("")
                except InputError as error:
                    tell(f"error: {error}", file=sys.stderr)

    def _obey(self, name: str = "help", value: str | None = None) -> None:
        """Does what stands after a slash."""
        if name == "settings":
            known = {setting: getattr(self.sampling, setting) for setting in SETTINGS}
            for setting, now in (known | {"num_samples": self.num_samples}).items():
                tell(f"/{setting} {now}", file=sys.stderr)
        elif name == "help":
            tell(*HELP.split("\n"), file=sys.stderr)
        elif name not in SETTINGS and name != "num_samples":
            raise InputError(f"/{name} is not known: /help shows what is")
        elif value is None:
            raise InputError(f"/{name} needs a value")
        else:
            self._set(name, value.strip())

    def _set(self, name: str, value: str) -> None:
        try:
            is_unset = value == "none" and name in _WITHOUT_EFFECT
            read = _WITHOUT_EFFECT[name] if is_unset else SETTINGS.get(name, int)(value)
        except ValueError:
            raise InputError(f"/{name} {value}: the value is not a number") from None
        if name == "num_samples":
            if read < 1:
                raise InputError(f"num_samples is {read}: give 1 or more")
            self.num_samples = read
        else:
            self.sampling = replace(self.sampling, **{name: read})


def _ask() -> str:
    """The next line; its prompt sign is no part of what is written."""
    if sys.stdout.isatty():
        return input("> ")
    sys.stderr.write("> ")
    sys.stderr.flush()
    return input()


@contextlib.contextmanager
def _history() -> Iterator[None]:
    """Reads earlier lines for the up arrow, and keeps those of this loop."""
    try:
        import readline
    except ImportError:  # as on Windows
        yield
        return
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state"
    file = Path(state) / "qwen_pl/prompts"
    with contextlib.suppress(OSError):
        readline.read_history_file(file)
    readline.set_history_length(HISTORY_LINES)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            file.parent.mkdir(parents=True, exist_ok=True)
            readline.write_history_file(file)
