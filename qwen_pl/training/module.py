"""The LightningModule: a Qwen3, its optimizer and schedule, and what is measured on the way."""

import dataclasses
import math
import sys
import textwrap
from collections.abc import Callable
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor
from torch.nn.utils import clip_grads_with_norm_
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from qwen_pl import __version__
from qwen_pl.errors import InputError
from qwen_pl.model.config import Qwen3Config, check_architecture, named_config
from qwen_pl.model.qwen3 import Qwen3ForCausalLM
from qwen_pl.model.recompute import GradientCheckpointing
from qwen_pl.terminal import tell
from qwen_pl.training.checkpoints.checkpoint import tell_of_average
from qwen_pl.training.devices.layers import check_fp8, compile_layers, make_frugal, multiply_in_fp8
from qwen_pl.training.devices.sharding import MakeNetwork, sharded_network
from qwen_pl.training.metrics import LanguageModelMetric
from qwen_pl.training.optim.optimizer import (
    OptimizerName,
    check_optimizer,
    make_optimizer,
    settings_of,
)
from qwen_pl.training.optim.schedule import DecayShape, Schedule, ScheduleName
from qwen_pl.training.step_facts import StepFacts
from qwen_pl.training.training_data import check_same_data

Batch = dict[str, Tensor]
Complete = Callable[[Qwen3ForCausalLM, list[str]], Any]
"""Writes what follows each of some prompts."""


class Qwen3Module(pl.LightningModule):
    """Trains a ``Qwen3ForCausalLM`` to predict the next token.

    Args:
        config: Sizes of the network.
        lr: Learning rate at the end of the warmup.
        weight_decay: Pulls matrices to zero, times ``lr`` each step; a small corpus wants much.
        betas: AdamW's decay rates of the first and second moment.
        warmup_steps: Steps until the learning rate is at its full height.
        min_lr_ratio: Share of the learning rate left at ``trainer.max_steps``.
        optimizer: adamw, or muon for the matrices of the layers and AdamW for all else. The same
            learning rate and weight decay serve both.
        schedule: How the learning rate falls after the warmup: along a cosine, a linear line, or
            at the end only: wsd (warmup, stable, decay).
        decay_ratio: Share of ``trainer.max_steps`` that the fall of wsd takes.
        decay_shape: Along what it falls: sqrt (one minus a square root), linear or cosine.
        input_noise: Share of input tokens replaced by random ones in training. Labels stay. Slows
            the overfitting of small corpora.
        z_loss: Weight of an addition to the training loss that keeps logits from drifting away in
            long runs; 1e-4 is usual, 0 leaves it out.
        gradient_checkpointing: Which decoder layers compute their activations again in the backward
            pass, to save memory: false for none, true for all, n for every n-th, or selective for
            what is cheap to compute in each.
        compile: Whether decoder layers are compiled, which takes a minute at the start and makes
            steps faster.
        fp8: Whether decoder layers multiply in float8, on NVIDIA GPUs from Hopper on. Needs torchao
            and is faster only if they are compiled too.
        from_pretrained: Folder or repository on the Hugging Face Hub, such as Qwen/Qwen3-0.6B,
            whose weights a new run starts from. Its sizes are taken too, and its tokenizer unless
            data.tokenizer names one.
        resize_vocabulary: Whether the rows of the pretrained embedding are cut or filled up to the
            ids of the tokenizer. New rows start as the mean of the old.
        architecture: Sizes by name instead of in config: qwen3-0.6b, qwen3-1.7b, qwen3-4b,
            qwen3-8b, qwen3-14b or qwen3-32b. In Python, take ``named_config`` instead.

    Raises:
        InputError: If a setting cannot be used, or two contradict each other.
    """

    def __init__(
        self,
        config: Qwen3Config = Qwen3Config(),  # noqa: B008 (frozen)
        lr: float = 2e-4,
        weight_decay: float = 0.1,
        betas: tuple[float, float] = (0.9, 0.95),
        warmup_steps: int = 1000,
        min_lr_ratio: float = 0.1,
        optimizer: OptimizerName = "adamw",
        schedule: ScheduleName = "cosine",
        decay_ratio: float = 0.2,
        decay_shape: DecayShape = "sqrt",
        input_noise: float = 0.0,
        z_loss: float = 0.0,
        gradient_checkpointing: GradientCheckpointing = False,
        compile: bool = False,
        fp8: bool = False,
        from_pretrained: str | None = None,
        resize_vocabulary: bool = False,
        architecture: str | None = None,
    ) -> None:
        super().__init__()
        check_optimizer(optimizer, lr=lr, weight_decay=weight_decay, betas=betas)
        _check_losses(input_noise, z_loss)
        _check_gradient_checkpointing(gradient_checkpointing, config.num_hidden_layers)
        _check_start(config, architecture, from_pretrained, resize_vocabulary)
        self.config = config
        self.lr = lr
        self.weight_decay = weight_decay
        self.betas = betas
        self.optimizer = optimizer
        self.schedule = Schedule(schedule, warmup_steps, min_lr_ratio, decay_ratio, decay_shape)
        self.input_noise = input_noise
        self.z_loss = z_loss
        self.gradient_checkpointing = gradient_checkpointing
        self.compile_layers = compile
        self.fp8 = fp8
        self.from_pretrained = from_pretrained
        self.model: Qwen3ForCausalLM | None = None
        self.metric = LanguageModelMetric()
        self.reference_metric = LanguageModelMetric()
        self.step_facts = StepFacts()
        """What callbacks find out about the step being taken; they get it when they are made."""
        self._measured: dict[str, float] = {}
        """The latest validation of the fit and the step it followed, to go into checkpoints."""
        self._run_config: dict[str, Any] | None = None
        self._make_network: MakeNetwork | None = (
            Qwen3ForCausalLM if from_pretrained is None else None
        )
        self._complete: Complete | None = None

    def join_run(
        self,
        config: dict[str, Any] | None,
        make_network: MakeNetwork | None = None,
        complete: Complete | None = None,
    ) -> None:
        """Takes what the command line knows of the run; in Python there is no need for it.

        Args:
            config: The whole config as plain data, to go into checkpoints.
            make_network: Makes what the run starts with, from published weights maybe.
            complete: Writes what follows each prompt of a batch, for ``predict``.
        """
        self._run_config = config
        self._make_network = make_network or self._make_network
        self._complete = complete

    def configure_model(self) -> None:
        # Here and not in __init__, so that a strategy can build the weights where they belong.
        if self.model is None:
            if self._make_network is None:
                raise InputError(
                    "model.from_pretrained is read by the command line: in Python, leave it out "
                    "and set module.model = load_pretrained(name)"
                )
            self.model = self._new_network(self._make_network)
        self.model.gradient_checkpointing = self.gradient_checkpointing
        make_frugal(self.model)
        if self.compile_layers:
            compile_layers(self.model, self._training_device)

    def forward(self, input_ids: Tensor) -> Tensor:
        return self._network(input_ids)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        return self._network(
            self._noisy(batch["input_ids"]),
            batch["labels"],
            document_ids=batch.get("document_ids"),
            z_loss=self.z_loss,
        )

    def validation_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> None:
        # The loader behind that of the validation part has the reference text.
        metric = self.reference_metric if dataloader_idx == 1 else self.metric
        documents = batch.get("document_ids")
        nats = self._network(
            batch["input_ids"], batch["labels"], document_ids=documents, reduction="sum"
        )
        num_tokens = (batch["labels"] >= 0).sum()
        metric.update(nats.float(), num_tokens, batch["num_bytes"].sum())

    def on_validation_epoch_end(self) -> None:
        values = _values_of("val", self.metric) | _values_of("reference", self.reference_metric)
        if self.trainer.state.fn == "fit" and not self.trainer.sanity_checking:
            numbers = {name: float(value) for name, value in values.items()}
            self._measured = {"step": self.trainer.global_step, **numbers}
        # While fitting, the curves take the values to the loggers, since Lightning would count
        # their steps from 0 and ours are counted from 1.
        self.log_dict(values, sync_dist=False, logger=self.trainer.state.fn != "fit")

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        self.validation_step(batch, batch_idx)

    def on_test_epoch_end(self) -> None:
        self.log_dict(_values_of("test", self.metric), sync_dist=False)

    def predict_step(self, prompts: list[str], batch_idx: int) -> Any:
        assert self._complete is not None, "predict needs something to write with"
        return self._complete(self._network, prompts)

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        # estimated_stepping_batches would make the loader before its state is restored.
        max_steps = self.trainer.max_steps
        if max_steps < 1:
            raise InputError("trainer.max_steps is not set: the schedule needs it to know its end")
        optimizer = make_optimizer(
            self.optimizer, self, lr=self.lr, weight_decay=self.weight_decay, betas=self.betas
        )
        self._settings = settings_of(optimizer)
        # LambdaLR's own state is the step; that max_steps may change, the function has to know.
        schedule = LambdaLR(optimizer, lambda step: self.schedule.share(step, max_steps))
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }

    def on_train_start(self) -> None:
        warmup_steps, max_steps = self.schedule.warmup_steps, self.trainer.max_steps
        if warmup_steps > max_steps and self.trainer.is_global_zero:
            tell(
                f"model.warmup_steps is {warmup_steps:,}, more than trainer.max_steps, which is "
                f"{max_steps:,}: the learning rate ends at {max_steps / warmup_steps:.0%} of "
                "model.lr",
                file=sys.stderr,
            )
        for config in self.trainer.lr_scheduler_configs:
            if isinstance(config.scheduler, LambdaLR):  # LearningRateFinder has one of its own
                self._let_config_win(config.scheduler)

    def configure_gradient_clipping(
        self,
        optimizer: Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        norm, self.step_facts.gradient_norm = self.step_facts.gradient_norm, None
        if norm is None or not gradient_clip_val or gradient_clip_algorithm not in (None, "norm"):
            self.clip_gradients(optimizer, gradient_clip_val, gradient_clip_algorithm)
        else:
            clip_grads_with_norm_(self.parameters(), gradient_clip_val, norm)

    def load_state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """As ever, but what is missing or of another shape is told in one line.

        Raises:
            InputError: If the weights are not those of the network.
        """
        try:
            return super().load_state_dict(*args, **kwargs)
        except RuntimeError as error:
            reason = textwrap.shorten(str(error), 300)
            raise InputError(
                f"the checkpoint does not hold the model it tells of: {reason}"
            ) from None

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        # Plain data: a dataclass in it would keep the file from loading with weights_only.
        checkpoint["qwen_pl"] = {
            "version": __version__,
            "versions": {"torch": torch.__version__.split("+")[0], "lightning": pl.__version__},
            "run_config": self._run_config,
            "config": dataclasses.asdict(self.config),
            "from_pretrained": self.from_pretrained,
            "optimizer": self.optimizer,
            "is_averaged": self.step_facts.is_averaged,
            "measured": self._measured,
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuses weights of another architecture in one line instead of one per tensor.

        Raises:
            InputError: If the checkpoint is not ours, has other sizes, or cannot be resumed from.
        """
        if "qwen_pl" not in checkpoint:
            raise InputError("the checkpoint was not written by qwen_pl: its model is unknown")
        if self.trainer.state.fn == "fit" and "optimizer_states" not in checkpoint:
            raise InputError(
                "this checkpoint holds weights only, to write with and to measure: "
                "resume with --ckpt_path last"
            )
        theirs, mine = checkpoint["qwen_pl"]["config"], dataclasses.asdict(self.config)
        differing = [
            f"{name} {theirs.get(name)} (config: {value})"
            for name, value in mine.items()
            if theirs.get(name) != value
        ]
        if differing:
            check_same_data(self.trainer, checkpoint)  # another tokenizer explains another size
            raise InputError(
                f"the checkpoint has another architecture than the config: {', '.join(differing)}; "
                "restore model.config, or start another run with --run NAME"
            )
        used = checkpoint["qwen_pl"].get("optimizer", "adamw")
        if self.trainer.state.fn == "fit" and used != self.optimizer:
            raise InputError(
                f"model.optimizer is {self.optimizer}, and the checkpoint holds the moments of "
                f"{used}: restore it, or start another run with --run NAME"
            )
        if self.trainer.state.fn != "fit" and self.trainer.is_global_zero:
            tell_of_average(checkpoint)
        self._measured = checkpoint["qwen_pl"].get("measured", {})

    @property
    def _network(self) -> Qwen3ForCausalLM:
        assert self.model is not None, "configure_model() has not run"
        return self.model

    def _new_network(self, make_network: MakeNetwork) -> Qwen3ForCausalLM:
        if self.fp8:
            check_fp8(self._training_device)
        change = multiply_in_fp8 if self.fp8 else None
        if self.device_mesh is not None:  # which FSDP2 has, see fully_sharded.py
            mesh = self.device_mesh["data_parallel"]
            precision = self.trainer.precision
            return sharded_network(make_network, self.config, mesh, precision, change)
        network = make_network(self.config)
        if change is not None:
            change(network)
        return network

    @property
    def _training_device(self) -> torch.device:
        """Where the network will be; the Trainer moves it there after it has been configured."""
        try:
            return self.trainer.strategy.root_device
        except RuntimeError:  # there is no Trainer
            return self.device

    def _let_config_win(self, schedule: LambdaLR) -> None:
        """Takes back what a checkpoint has brought along with its moments: other settings."""
        groups = schedule.optimizer.param_groups
        for group, settings in zip(groups, self._settings, strict=True):
            group.update(settings)
        schedule.base_lrs = [self.lr] * len(groups)
        share = self.schedule.share(schedule.last_epoch, self.trainer.max_steps)
        for group in groups:
            group["initial_lr"], group["lr"] = self.lr, self.lr * share

    def _noisy(self, input_ids: Tensor) -> Tensor:
        """``input_ids`` with a share of them replaced, ``(B, T)`` int64 as they are."""
        if not self.input_noise:
            return input_ids
        chosen = torch.rand(input_ids.shape, device=input_ids.device) < self.input_noise
        return torch.where(chosen, torch.randint_like(input_ids, self.config.vocab_size), input_ids)


def _values_of(name: str, metric: LanguageModelMetric) -> dict[str, Tensor]:
    """What a metric has measured on all devices, under ``name``; it then starts over."""
    if not metric.update_called:
        return {}
    values = {f"{name}_{key}": value for key, value in metric.compute().items()}
    metric.reset()
    return values


def _check_losses(input_noise: float, z_loss: float) -> None:
    if not 0 <= input_noise < 1:
        raise InputError(f"model.input_noise is {input_noise}: it has to be in [0, 1)")
    if not 0 <= z_loss < math.inf:
        raise InputError(f"model.z_loss is {z_loss}: it has to be 0 or more, 1e-4 is usual")


def _check_gradient_checkpointing(given: GradientCheckpointing, num_layers: int) -> None:
    if given != "selective" and (isinstance(given, str) or not 0 <= given <= num_layers):
        raise InputError(
            f"model.gradient_checkpointing is {given} and the network has {num_layers} layers: "
            "give true, false, selective or a number n for every n-th layer"
        )


def _check_start(
    config: Qwen3Config,
    architecture: str | None,
    from_pretrained: str | None,
    resize_vocabulary: bool,
) -> None:
    """What a run starts from: sizes, sizes by name, or published weights, which have theirs."""
    if architecture is not None:
        if from_pretrained is not None:
            raise InputError("model.from_pretrained has an architecture: leave out the other")
        check_architecture(config, named_config(architecture), f"model.architecture {architecture}")
    if resize_vocabulary and from_pretrained is None:
        raise InputError("model.resize_vocabulary needs model.from_pretrained to resize")
