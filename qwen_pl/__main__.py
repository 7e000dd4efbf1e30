"""``python -m qwen_pl VERB``: finds the verb and imports only what it needs."""

import io
import os
import re
import select
import signal
import sys
from importlib import import_module

from qwen_pl import __version__
from qwen_pl.errors import InputError, Stopped, TrainingFailed, is_first_on_machine, lacks_memory
from qwen_pl.files import hindrance_in
from qwen_pl.terminal import tell

RUN_VERBS = {
    "fit": "train, or resume with --ckpt_path last",
    "validate": "measure a checkpoint on the validation part",
    "test": "measure a checkpoint on the test part",
    "predict": "complete a file of prompts",
}
COMMANDS = {
    "extract": "turn PDFs into clean text",
    "train-tokenizer": "train a tokenizer on PDFs or text",
    "tokenize": "show how a text is tokenized",
    "prepare": "do all that a config needs before training",
    "generate": "write with a trained model",
    "export": "write a model as others load it: Transformers, llama.cpp, Ollama",
    "consolidate": "make one file of a sharded checkpoint, or the other way round",
    "serve": "answer OpenAI-style requests with a trained model",
    "check-resume": "show that a run of a config resumes exactly",
    "plot-schedule": "draw the learning rate of a config",
    "inspect": "show what made a checkpoint",
    "locate": "show what a training step saw, or where a sentence comes from",
}


def main() -> None:
    """Runs one verb; what the user can mend ends in one line and exit code 2."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # Windows gives what is not a console a code page that lacks most letters.
            encoding = "utf-8" if os.name == "nt" else None
            stream.reconfigure(encoding=encoding, errors="backslashreplace")
    verb = sys.argv[1] if len(sys.argv) > 1 else "--help"
    if verb in ("-h", "--help"):
        tell(*_usage().split("\n"))
    elif verb == "--version":
        tell(f"qwen_pl {__version__}")
    elif verb in RUN_VERBS or verb in COMMANDS:
        sys.exit(_run(verb))
    else:
        sys.exit(_complain(f"no such verb: {verb}{_suggestion(verb)}"))


def _run(verb: str) -> int:
    try:
        if verb in COMMANDS:
            module = import_module(f"qwen_pl.commands.{verb.replace('-', '_')}")
            module.main(sys.argv[2:])
        else:
            # Lightning starts further processes with this same command line, so it stays as it is.
            import_module("qwen_pl.run.cli").main()
    except InputError as error:
        return _complain(str(error))
    except TrainingFailed as error:
        _complain(str(error))
        return 1
    except KeyboardInterrupt:
        _say("interrupted")
        return 130
    except Stopped as stopped:
        _say(f"stopped by {signal.Signals(stopped.number).name}")
        return 128 + stopped.number
    except BrokenPipeError:
        if not _reader_has_gone():
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except Exception as error:
        if (hindrance := hindrance_in(error)) is not None:
            return _complain(hindrance)
        if (asked := lacks_memory(error)) is not None:
            return _complain(
                f"no memory left, and {asked} was asked for: ask for fewer texts at once, a "
                "shorter context or a smaller network, or end what else is in memory"
            )
        # gloo's words where another process has ended, which says why by itself.
        theirs = re.search("Connection closed by peer|Connection reset", str(error))
        if theirs is None or not isinstance(error, RuntimeError):
            raise
        tell("error: another process of this run has ended", file=sys.stderr)
        return 1
    return 0


def _reader_has_gone() -> bool:
    """Whether nobody, such as a ``head`` that has enough, reads what is printed any more."""
    try:
        if not hasattr(select, "poll"):  # on Windows, where this fails once more
            print(flush=True)
            return False
        asked = select.poll()
        asked.register(sys.stdout.fileno(), 0)
        return any(state & (select.POLLERR | select.POLLHUP) for _, state in asked.poll(0))
    except OSError:
        return True


def _say(line: str) -> None:
    """Prints a line once, where several processes have the same to say."""
    if is_first_on_machine():
        tell("", line, file=sys.stderr)


def _complain(message: str) -> int:
    words: str | None = " ".join(message.split())
    if "torch.distributed" in sys.modules and not _is_alone():
        words = import_module("qwen_pl.run.last_words").last_words(words)
    if words:
        tell(f"error: {words}", file=sys.stderr)
    return 2


def _is_alone() -> bool:
    """Whether no other process of this run is known to be there."""
    distributed = sys.modules["torch.distributed"]
    is_first = is_first_on_machine()
    return is_first and not (distributed.is_available() and distributed.is_initialized())


def _suggestion(verb: str) -> str:
    import difflib

    near = difflib.get_close_matches(verb, [*RUN_VERBS, *COMMANDS], n=1)
    return f" (did you mean {near[0]}?)" if near else "; --help lists them"


def _usage() -> str:
    def table(verbs: dict[str, str]) -> str:
        return "\n".join(f"  {name:<16} {what}" for name, what in verbs.items())

    return f"""usage: python -m qwen_pl VERB [options]

Pretrain a Qwen3 language model on your own PDFs.

a run, described by --config configs/NAME.yaml:
{table(RUN_VERBS)}

around it:
{table(COMMANDS)}

Each verb answers to --help. To start: python -m qwen_pl fit --config configs/tiny.yaml"""


if __name__ == "__main__":
    main()
