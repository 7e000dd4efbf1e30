"""Texts beside the curves: what a run is made of, and what its network writes as it learns."""

import re
import textwrap
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, cast

import lightning.pytorch as pl
import torch
import yaml
from lightning.pytorch.loggers import Logger, MLFlowLogger, TensorBoardLogger, WandbLogger

from qwen_pl.any_tokenizer import end_of_text, prompt_ids
from qwen_pl.errors import InputError
from qwen_pl.files import whole_file
from qwen_pl.markdown import fenced, plain
from qwen_pl.training.devices.sharding import is_sharded
from qwen_pl.training.monitoring.curves import TrainingCurves
from qwen_pl.training.monitoring.tensorboard import LAYOUT
from qwen_pl.training.training_data import TrainingData, training_data

OPENING = 12
"""Tokens of a held-out passage that the network writes on from."""
_HEADING = "step {step:,}\n"


class RunTexts(pl.Callback):
    """Logs the whole config and the report on the corpus, and again where a resume changes them.

    Args:
        config: As plain data, without what changes from one resume to the next.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        self.config = yaml.safe_dump(config, sort_keys=False)
        self._logged: dict[str, str] = {}

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if not trainer.is_global_zero:
            return
        for logger in [] if self._logged else trainer.loggers:
            if isinstance(logger, TensorBoardLogger):
                logger.experiment.add_custom_scalars(LAYOUT)
        corpus = training_data(trainer).describe()
        texts = {"config": fenced(self.config, "yaml"), "corpus": corpus}
        for name, text in texts.items():
            for logger in [] if text == self._logged.get(name) else trainer.loggers:
                # From the next step on it holds, and should that be taken back, the text is too.
                log_text(logger, name, text, trainer.global_step + 1)
        self._logged = texts

    def state_dict(self) -> dict[str, str]:
        return self._logged

    def load_state_dict(self, state: dict[str, str]) -> None:
        self._logged = dict(state)


class TextSamples(pl.Callback):
    """Shows how the network learns to write: in samples.txt of the run's folder and in TensorBoard.

    The same prompts with the same chance each time, so that only the network differs. Neither the
    training nor its random numbers notice.

    Args:
        every_n_steps: Steps between texts; 0 for none. The last step has one too.
        prompts: What is written on from, an empty one being the start of a document; by default
            the openings of three passages held out for validation.
        max_new_tokens: Tokens written after each prompt.
        temperature: Below 1 the likely tokens become likelier; 0 always takes the likeliest.

    Raises:
        InputError: If a setting is outside its range.
    """

    def __init__(
        self,
        every_n_steps: int = 1000,
        prompts: list[str] | None = None,
        max_new_tokens: int = 64,
        temperature: float = 0.8,
    ) -> None:
        if every_n_steps < 0:
            raise InputError(f"samples.every_n_steps is {every_n_steps}: give steps, or 0 for none")
        if prompts is not None and not prompts:
            raise InputError("samples.prompts is empty: give one, or samples.every_n_steps=0")
        if max_new_tokens < 1:
            raise InputError(f"samples.max_new_tokens is {max_new_tokens}: give at least 1")
        if not 0 <= temperature < float("inf"):
            raise InputError(f"samples.temperature is {temperature}: give 0 or more")
        self.every_n_steps = every_n_steps
        self.prompts = prompts
        self.max_new_tokens = max_new_tokens
        self.temperature = temperature
        self._path: Path | None = None
        self._generate: Callable[..., torch.Tensor] | None = None
        self._curves: TrainingCurves | None = None
        self._prompt_ids: list[list[int]] = []
        self._last_step = 0

    def join_run(
        self, path: Path | None, generate: Callable[..., torch.Tensor], curves: TrainingCurves
    ) -> None:
        """Takes the file for the texts, what writes (``qwen_pl.generate``), and what tells speeds.

        The speeds leave out the time that is spent on writing.
        """
        self._path, self._generate, self._curves = path, generate, curves

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self.every_n_steps:
            self._prompt_ids = self._find_prompts(training_data(trainer))

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._last_step = trainer.global_step
        if self.every_n_steps and self._path is not None and trainer.is_global_zero:
            drop_later_texts(self._path, trainer.global_step)

    def on_train_batch_end(self, trainer: pl.Trainer, *args: Any) -> None:
        step = trainer.global_step
        is_rehearsal = trainer.fast_dev_run  # type: ignore[attr-defined]  # as one of its parts sets
        if step == self._last_step or not self.every_n_steps or is_rehearsal:
            return
        self._last_step = step
        if step % self.every_n_steps and step != trainer.max_steps:
            return
        started = time.perf_counter()
        # A sharded network computes only when all processes do; else one writes, the others wait.
        network = cast(torch.nn.Module, trainer.lightning_module.model)
        in_parts = is_sharded(network)
        if in_parts or trainer.is_global_zero:
            # Layers of a sharded network are there in half precision only. Whole ones write as they
            # are: autocast would convert all weights again for every token.
            is_mixed = in_parts and str(trainer.precision).endswith("-mixed")
            with trainer.precision_plugin.forward_context() if is_mixed else nullcontext():
                texts = self._write(network)
            if trainer.is_global_zero:
                self._log(trainer, texts)
        if self._curves is not None:
            self._curves.leave_out(time.perf_counter() - started)

    def _find_prompts(self, data: TrainingData) -> list[list[int]]:
        if self.prompts is None:
            return data.held_out_openings(3, OPENING)
        try:
            return [prompt_ids(data.tokenizer, prompt) for prompt in self.prompts]
        except UnicodeEncodeError:
            raise InputError("samples.prompts holds half a character: give UTF-8") from None

    def _write(self, network: torch.nn.Module) -> list[torch.Tensor]:
        """Each prompt and what is written after it, ``(1, T)``; as long on all processes."""
        assert self._generate is not None, "join_run says what writes"
        settings = {"max_new_tokens": self.max_new_tokens, "temperature": self.temperature}
        # Each with a seed of its own: the same chance would give beginnings that are alike. No
        # token ends a text, so that processes that compute together do so equally often.
        prompts = enumerate(self._prompt_ids)
        return [self._generate(network, ids, seed=seed, **settings) for seed, ids in prompts]

    def _log(self, trainer: pl.Trainer, texts: Sequence[torch.Tensor]) -> None:
        tokenizer, step = training_data(trainer).tokenizer, trainer.global_step
        end = end_of_text(tokenizer)
        pairs = []
        for prompt, written in zip(self._prompt_ids, texts, strict=True):
            new = written[0, len(prompt) :].tolist()
            if end in new:
                new = new[: new.index(end)]
            begin = tokenizer.decode(prompt)
            # Decoded as one, since a character may begin in the prompt and end in the text.
            pairs.append((begin, tokenizer.decode(prompt + new).removeprefix(begin)))
        if self._path is not None:
            append_texts(self._path, step, pairs)
        markdown = "\n\n---\n\n".join(
            f"**{plain(begin.strip())}**{plain(text)}" if begin.strip() else plain(text)
            for begin, text in pairs
        )
        for logger in trainer.loggers:
            log_text(logger, "samples", markdown, step)


def append_texts(path: Path, step: int, texts: Sequence[tuple[str, str]]) -> None:
    """Adds what was written after a step: prompts before a bar, all indented under the step."""
    blocks = []
    for begin, text in texts:
        lines = f"{begin}|{text}".splitlines()
        wrapped = [part for line in lines for part in textwrap.wrap(line, 96) or [""]]
        blocks.append(textwrap.indent("\n".join(wrapped), "    "))
    with path.open("a", encoding="utf-8", newline="\n") as file:
        file.write(_HEADING.format(step=step) + "\n\n".join(blocks) + "\n\n")


def drop_later_texts(path: Path, step: int) -> None:
    """Removes the texts of steps that a resumed run takes again.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "samples.txt"
    >>> for written_at in (5, 10):
    ...     append_texts(path, written_at, [("It is", " a truth\\nstep 3")])
    >>> drop_later_texts(path, 7)
    >>> print(path.read_text().rstrip())
    step 5
        It is| a truth
        step 3
    """
    if not path.is_file():
        return
    content = path.read_bytes()  # no text maybe, where a kill has cut it off
    for heading in re.finditer(rb"^step ([\d,]+)$", content, re.MULTILINE):
        if int(heading[1].replace(b",", b"")) > step:
            with whole_file(path) as file:
                file.write(content[: heading.start()])
            return


def log_text(logger: Logger, name: str, markdown: str, step: int) -> None:
    """Logs a text to TensorBoard, W&B or MLflow; loggers that know only numbers are left alone."""
    if isinstance(logger, TensorBoardLogger):
        logger.experiment.add_text(name, markdown, step)
    elif isinstance(logger, WandbLogger):
        row: list[Any] = [step, markdown]
        logger.log_text(name, columns=["step", "text"], data=[row], step=step)
    elif isinstance(logger, MLFlowLogger):
        logger.experiment.log_text(logger.run_id, markdown, f"{name}/step={step:08d}.md")
