"""The callbacks of a run, in their order, with the reason of each place."""

from typing import Any

from jsonargparse import Namespace
from lightning.pytorch.callbacks import Callback, ProgressBar

from qwen_pl.generation.generate import generate
from qwen_pl.run.choices import RunPlan
from qwen_pl.run.folder import SAMPLES, RunStart
from qwen_pl.run.predicting import PredictionWriter
from qwen_pl.run.saved_config import SaveRunConfig
from qwen_pl.runs import CHECKPOINTS
from qwen_pl.training.lightning_fixes import mended_callbacks
from qwen_pl.training.monitoring.console import RunSummary, StepProgress
from qwen_pl.training.monitoring.tensorboard import Histograms
from qwen_pl.training.monitoring.texts import RunTexts
from qwen_pl.training.resume.elastic import ElasticAccumulation
from qwen_pl.training.resume.random_state import RandomState
from qwen_pl.training.resume.saving import BestCheckpoint, StepEnds
from qwen_pl.training.resume.signals import StopOnSignal
from qwen_pl.training.resume.validating import LastValidation, MeasuredStart, ValidateBetweenSteps
from qwen_pl.training.steps.ledger import LEDGER
from qwen_pl.training.steps.ledger_callback import SampleLedger


def run_callbacks(plan: RunPlan, parts: Namespace) -> list[Callback]:
    """The callbacks of a run. The Trainer calls them in this order, but those that save last.

    Args:
        parts: What the config of the run describes, callbacks with settings of their own among it.

    Raises:
        InputError: If one that the config names cannot work here.
    """
    fits, wants = plan.verb == "fit", plan.config.trainer
    writes = not plan.is_trial
    named = mended_callbacks(as_list(parts.trainer.callbacks), plan.run_dir)
    has_bar = any(isinstance(callback, ProgressBar) for callback in named)
    every = parts.curves.histograms_every_n_steps
    parts.samples.join_run(plan.run_dir / SAMPLES if writes else None, generate, parts.curves)
    return [
        # Those of the config come first: what they change, the learning rate or when the run is to
        # stop, the others are to see.
        *named,
        # Before all that writes, and behind those that may refuse.
        *([RunStart(plan.run_dir)] if fits and writes else []),
        # Before the steps' checkpoints, which are to know of the best one.
        *([BestCheckpoint(plan.run_dir / CHECKPOINTS, parts.weight_averaging)] if writes else []),
        parts.checkpoint,
        # Before those that measure: they are to see the averaged weights in a validation.
        parts.weight_averaging,
        # Before the curves, which take its gradient norm and leave out the steps it has refused.
        parts.bad_steps,
        parts.curves,
        parts.samples,
        # Wherever they stand: each looks after its own part of resuming.
        RandomState(restores=not plan.has_other_seed),
        ElasticAccumulation(),
        ValidateBetweenSteps(),
        LastValidation(),
        # These tell of what has been made by then.
        RunSummary(plan.run_dir.name),
        *([RunTexts({**plan.plain_config, "ckpt_path": None})] if fits else []),
        *([Histograms(every)] if every else []),
        # Before what stops the run: the ledger has a step before the step is saved.
        *([SampleLedger(plan.run_dir / LEDGER)] if writes else []),
        # Behind all that see a step, before all that save it.
        StepEnds(),
        # Behind all that a step does: it saves what they have made of the step, and leaves.
        StopOnSignal(parts.checkpoint, parts.weight_averaging),
        *([PredictionWriter(plan.predictions)] if plan.predictions and writes else []),
        # A bar shows what the curves have measured.
        *(
            [StepProgress(parts.curves)]
            if fits and wants.enable_progress_bar is not False and not has_bar
            else []
        ),
        # Behind all others, which have to be ready for a validation.
        MeasuredStart(),
        # Last: nothing is written for a run that one of the others refuses.
        *(
            [SaveRunConfig(plan.config_text, plan.run_dir, resumes=plan.checkpoint is not None)]
            if fits and writes
            else []
        ),
    ]


def as_list(value: Any) -> list[Any]:
    """The things that a setting of the Trainer names, which may be one, several or none."""
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]
