"""What does the Trainer's loop cost, over a loop of plain PyTorch that logs the same?

    python -m benchmarks.loop [--steps 400] [--step_ms 80] [--layers 4] [--profile]

The run is put together by the command line as any other: all its callbacks are there. The network
is so small that a step would take some milliseconds; in its forward pass, both loops sleep until a
step takes ``--step_ms``, as a host that waits for its device does. What is left of a step is what
the loops themselves do, and nothing of it can hide behind the device, as it would on a GPU that has
work queued: this is the worst case.

Both have the same network, batches, loss, optimizer, schedule and clipping, and write the same
scalars to TensorBoard every ``log_every_n_steps`` steps. They take turns in one process and thread,
each for as many steps as lie between two logs, so that what else the machine does hits both alike.
A turn begins and ends at the same place in the loop and so has all that belongs to its steps; of
the turns, the median counts. Wall time has the noise of the machine in it, the processor time of
the main thread does not. Checkpoints and validation are left out of both.
"""

import argparse
import cProfile
import pstats
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.tensorboard import SummaryWriter

from qwen_pl.run.cli import QwenCLI
from qwen_pl.training.monitoring.curves import TrainingCurves

WARMUP_TURNS = 3

CONFIG = """
data:
  source: {folder}/text.txt
  cache_dir: {folder}/cache
  vocab_size: 300
  seq_len: 32
  batch_size: 2
model:
  config:
    hidden_size: 16
    intermediate_size: 32
    num_hidden_layers: {layers}
    num_attention_heads: 2
    num_key_value_heads: 1
    head_dim: 8
  warmup_steps: 10
checkpoint: {{every_n_train_steps: 1000000}}
trainer:
  max_steps: {steps}
  val_check_interval: 1000000
  num_sanity_val_steps: 0
  accelerator: cpu
  precision: 32-true
  default_root_dir: {folder}
"""


class Turns(pl.Callback):
    """Lets the raw loop take a turn after each of the Trainer's, and times both."""

    def __init__(self, step_ms: float, profile: bool) -> None:
        self.step_ms = step_ms
        self.ours: list[tuple[float, float]] = []
        self.raw: list[tuple[float, float]] = []
        """Wall and processor seconds of each turn."""
        self.profiler = cProfile.Profile() if profile else None
        self._pause = 0.0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._loop = RawLoop(trainer, pl_module)
        self._per_turn = trainer.log_every_n_steps
        self._loop.take_turn(self._per_turn)
        wall = self._timed(self._loop.take_turn, self._per_turn)[0] / self._per_turn
        self._pause = max(0.0, self.step_ms / 1000 - wall)
        for network in (pl_module.model, self._loop.network):
            network.register_forward_hook(lambda *_: time.sleep(self._pause))
        self._began = _now()

    def on_train_batch_start(self, trainer: pl.Trainer, *args: Any) -> None:
        if trainer.global_step == 0 or trainer.global_step % self._per_turn:
            return
        if self.profiler is not None:
            self.profiler.disable()
        self.ours.append(_since(self._began))
        self.raw.append(self._timed(self._loop.take_turn, self._per_turn))
        if self.profiler is not None and len(self.ours) >= WARMUP_TURNS:
            self.profiler.enable()
        self._began = _now()

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self.profiler is not None:
            self.profiler.disable()

    @staticmethod
    def _timed(function: Any, *args: Any) -> tuple[float, float]:
        began = _now()
        function(*args)
        return _since(began)


class RawLoop:
    """What one would write without Lightning, with the same curves."""

    def __init__(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        torch.manual_seed(0)
        self.network = type(module.model)(module.config)
        configured = module.configure_optimizers()
        share = configured["lr_scheduler"]["scheduler"].lr_lambdas[0]
        groups = configured["optimizer"].param_groups
        copies = dict(zip(module.model.parameters(), self.network.parameters(), strict=True))
        own = [group | {"params": [copies[p] for p in group["params"]]} for group in groups]
        self.optimizer = type(configured["optimizer"])(own, fused=True)
        self.scheduler = LambdaLR(self.optimizer, share)
        self.clip = trainer.gradient_clip_val
        self.parameters = list(self.network.parameters())  # once, as looking for them takes time
        self.batches = iter(trainer.datamodule.train_dataloader())
        self.writer = SummaryWriter(Path(trainer.default_root_dir) / "raw")
        self.curves = next(c for c in trainer.callbacks if isinstance(c, TrainingCurves))
        self.step = 0

    def take_turn(self, steps: int) -> None:
        """Takes some steps and logs the last one."""
        loss_sum, tokens, began = 0.0, 0, time.perf_counter()
        for _ in range(steps):
            batch = next(self.batches)
            loss = self.network(batch["input_ids"], batch["labels"])
            self.optimizer.zero_grad()
            loss.backward()
            norm = torch.nn.utils.clip_grad_norm_(self.parameters, self.clip)
            self.optimizer.step()
            self.scheduler.step()
            loss_sum += loss.detach()
            tokens += batch["labels"].numel()
            self.step += 1
        values = {
            "train_loss": float(loss_sum / steps),
            "learning_rate": self.optimizer.param_groups[0]["lr"],
            "gradient_norm": float(norm),
            "tokens_per_second": tokens / (time.perf_counter() - began),
        }
        for name in self.curves.latest or values:  # as many as there are of ours
            self.writer.add_scalar(name, values.get(name, 0.0), self.step)


def _now() -> tuple[float, float]:
    return time.perf_counter(), time.thread_time()


def _since(began: tuple[float, float]) -> tuple[float, float]:
    wall, processor = _now()
    return wall - began[0], processor - began[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=400, help="of each loop")
    parser.add_argument("--step_ms", type=float, default=80.0)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--profile", action="store_true", help="where our time goes")
    options = parser.parse_args()
    torch.set_num_threads(1)
    turns = Turns(options.step_ms, options.profile)
    with tempfile.TemporaryDirectory(prefix="loop-") as name:
        folder = Path(name)
        text = "".join(f"Line {i} of {i * i}, {i % 7} and on.\n\n" for i in range(4000))
        (folder / "text.txt").write_text(text)
        config = CONFIG.format(folder=folder, steps=options.steps + 1, layers=options.layers)
        (folder / "loop.yaml").write_text(config)
        QwenCLI("fit", ["--config", str(folder / "loop.yaml")], [turns]).run()
    per_turn = turns._per_turn
    for place, kind in enumerate(("wall time", "processor time of the main thread")):
        ours, raw = (
            1000 * statistics.median(turn[place] for turn in loop[WARMUP_TURNS:]) / per_turn
            for loop in (turns.ours, turns.raw)
        )
        print(
            f"{kind}: raw {raw:.3f} ms a step, Trainer {ours:.3f} ms; "
            f"{ours - raw:+.3f} ms are {100 * (ours - raw) / options.step_ms:+.2f}% of a step"
        )
    if turns.profiler is not None:
        pstats.Stats(turns.profiler).sort_stats("tottime").print_stats(30)
        pstats.Stats(turns.profiler).sort_stats("cumulative").print_stats(50)


if __name__ == "__main__":
    main()
