"""The LightningModule: a Qwen3, its optimizer and schedule, and what is measured on the way."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR

from qwen_pl import __version__
from qwen_pl.errors import InputError
from qwen_pl.model.architectures import check_architecture, named_config
from qwen_pl.model.config import Qwen3Config
from qwen_pl.model.qwen3 import Qwen3ForCausalLM
from qwen_pl.training.metrics import LanguageModelMetric
from qwen_pl.training.optimizer import adamw
from qwen_pl.training.schedule import warmup_cosine

Batch = dict[str, Tensor]


class Qwen3Module(pl.LightningModule):
    """Trains a ``Qwen3ForCausalLM`` to predict the next token.

    Args:
        config: Sizes of the network.
        lr: Learning rate at the end of the warmup.
        weight_decay: Pulls matrices to zero, times ``lr`` each step; a small corpus wants much.
        betas: AdamW's decay rates of the first and second moment.
        warmup_steps: Steps until the learning rate is at its full height.
        min_lr_ratio: Share of the learning rate left at ``trainer.max_steps``.
        input_noise: Share of input tokens replaced by random ones in training. Labels stay. Slows
            the overfitting of small corpora.
        z_loss: Weight of an addition to the training loss that keeps logits from drifting away in
            long runs; 1e-4 is usual, 0 leaves it out.
        gradient_checkpointing: Recompute activations in the backward pass: much less memory for
            about a third more time.
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
        input_noise: float = 0.0,
        z_loss: float = 0.0,
        gradient_checkpointing: bool = False,
        from_pretrained: str | None = None,
        resize_vocabulary: bool = False,
        architecture: str | None = None,
    ) -> None:
        super().__init__()
        if not 0 <= input_noise < 1:
            raise InputError(f"model.input_noise is {input_noise}: it has to be in [0, 1)")
        if not 0 <= z_loss < math.inf:
            raise InputError(f"model.z_loss is {z_loss}: it has to be 0 or more, 1e-4 is usual")
        if architecture is not None:
            if from_pretrained is not None:
                raise InputError("model.from_pretrained has an architecture: leave out the other")
            check_architecture(
                config, named_config(architecture), f"model.architecture {architecture}"
            )
        if resize_vocabulary and from_pretrained is None:
            raise InputError("model.resize_vocabulary needs model.from_pretrained to resize")
        self.config = config
        self.lr = lr
        self.weight_decay = weight_decay
        self.betas = betas
        self.warmup_steps = warmup_steps
        self.min_lr_ratio = min_lr_ratio
        self.input_noise = input_noise
        self.z_loss = z_loss
        self.gradient_checkpointing = gradient_checkpointing
        self.from_pretrained = from_pretrained
        self.model: Qwen3ForCausalLM | None = None
        self.metric = LanguageModelMetric()
        self.reference_metric = LanguageModelMetric()
        self.measured: dict[str, float] = {}
        """The latest validation of the fit and the step it followed, to go into checkpoints."""
        self.write: Callable[[Qwen3ForCausalLM, list[str]], Any] | None = None
        """Completes a batch of prompts, for ``predict``; the command line puts it here."""
        self.make_network: Callable[[Qwen3Config], Qwen3ForCausalLM] | None = (
            Qwen3ForCausalLM if from_pretrained is None else None
        )
        """Makes what a run starts with; the command line puts what reads published weights here."""

    def configure_model(self) -> None:
        # Here and not in __init__, so that a strategy can build the weights where they belong.
        if self.model is None:
            if self.make_network is None:
                raise InputError(
                    "model.from_pretrained is read by the command line: in Python, leave it out "
                    "and set module.model = load_pretrained(name)"
                )
            self.model = self.make_network(self.config)
        self.model.gradient_checkpointing = self.gradient_checkpointing

    def forward(self, input_ids: Tensor) -> Tensor:
        return self.model(input_ids)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        return self.model(
            self._noisy(batch["input_ids"]),
            batch["labels"],
            document_ids=batch.get("document_ids"),
            z_loss=self.z_loss,
        )

    def validation_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> None:
        # The loader behind that of the validation part has the reference text.
        metric = self.reference_metric if dataloader_idx == 1 else self.metric
        nats = self.model(
            batch["input_ids"],
            batch["labels"],
            document_ids=batch.get("document_ids"),
            reduction="sum",
        )
        num_tokens = (batch["labels"] >= 0).sum()
        metric.update(nats.float(), num_tokens, batch["num_bytes"].sum())

    def on_validation_epoch_end(self) -> None:
        values = self._values_of("val", self.metric)
        values |= self._values_of("reference", self.reference_metric)
        if self.trainer.state.fn == "fit" and not self.trainer.sanity_checking:
            self.measured = {"step": self.trainer.global_step}
            self.measured |= {name: float(value) for name, value in values.items()}
        # While fitting, the curves take the values to the loggers, since Lightning would count
        # their steps from 0 and ours are counted from 1.
        self.log_dict(values, sync_dist=False, logger=self.trainer.state.fn != "fit")

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        self.validation_step(batch, batch_idx)

    def on_test_epoch_end(self) -> None:
        self.log_dict(self._values_of("test", self.metric), sync_dist=False)

    def predict_step(self, prompts: list[str], batch_idx: int) -> Any:
        assert self.write is not None, "predict needs something to write with"
        return self.write(self.model, prompts)

    def configure_optimizers(self) -> dict[str, Any]:
        # estimated_stepping_batches would make the loader before its state is restored.
        max_steps = self.trainer.max_steps
        if max_steps < 1:
            raise InputError("trainer.max_steps is not set: the schedule needs it to know its end")
        optimizer = adamw(self.model, lr=self.lr, weight_decay=self.weight_decay, betas=self.betas)

        def share(step: int) -> float:
            return warmup_cosine(
                step,
                warmup_steps=self.warmup_steps,
                max_steps=max_steps,
                min_lr_ratio=self.min_lr_ratio,
            )

        scheduler = {"scheduler": LambdaLR(optimizer, share), "interval": "step"}
        return {"optimizer": optimizer, "lr_scheduler": scheduler}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        # Plain data: a dataclass in it would keep the file from loading with weights_only.
        checkpoint["qwen_pl"] = {
            "version": __version__,
            "config": dataclasses.asdict(self.config),
            "from_pretrained": self.from_pretrained,
            "measured": self.measured,
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
            data = self.trainer.datamodule
            if data is not None and (state := checkpoint.get(type(data).__qualname__)):
                data.load_state_dict(state)  # another tokenizer explains another size: told first
            raise InputError(
                f"the checkpoint has another architecture than the config: {', '.join(differing)}; "
                "restore model.config, or start another run with --run NAME"
            )
        self.measured = checkpoint["qwen_pl"].get("measured", {})

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "_current_fx_name":
            # The Trainer sets it some 40 times a step, and looking for parameters takes time.
            object.__setattr__(self, name, value)
        else:
            super().__setattr__(name, value)

    def _noisy(self, input_ids: Tensor) -> Tensor:
        """``input_ids`` with a share of them replaced, ``(B, T)`` int64 as they are."""
        if not self.input_noise:
            return input_ids
        chosen = torch.rand(input_ids.shape, device=input_ids.device) < self.input_noise
        return torch.where(chosen, torch.randint_like(input_ids, self.config.vocab_size), input_ids)

    def _values_of(self, name: str, metric: LanguageModelMetric) -> dict[str, Tensor]:
        """What a metric has measured on all devices, under ``name``; it then starts over."""
        if not metric.update_called:
            return {}
        values = {f"{name}_{key}": value for key, value in metric.compute().items()}
        metric.reset()
        return values
