"""How much faster is a training step in bfloat16 than in float32 on this machine?

    python -m benchmarks.precision [--config configs/tiny.yaml] [--steps 20]

Steps of both kinds take turns in one process, so that other load hits both. The median of each and
their ratio are printed. The choice of ``trainer.precision`` that the command line makes when the
user makes none rests on it.
"""

import argparse
import statistics
import time

import torch
import yaml

from qwen_pl.model.config import Qwen3Config
from qwen_pl.model.qwen3 import Qwen3ForCausalLM
from qwen_pl.training.optim.optimizer import make_optimizer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", default="configs/tiny.yaml")
    parser.add_argument("--steps", type=int, default=20, help="of each kind")
    options = parser.parse_args()
    with open(options.config, encoding="utf-8") as file:  # noqa: PTH123
        settings = yaml.safe_load(file)
    data = settings["data"]
    config = Qwen3Config(vocab_size=data["vocab_size"], **settings["model"]["config"])

    device = torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")
    network = Qwen3ForCausalLM(config).to(device)
    optimizer = make_optimizer("adamw", network, lr=1e-3, weight_decay=0.1, betas=(0.9, 0.95))
    shape = (data["batch_size"], data["seq_len"] + 1)
    tokens = torch.randint(0, config.vocab_size, shape, device=device)

    seconds: dict[torch.dtype, list[float]] = {torch.float32: [], torch.bfloat16: []}
    for step in range(options.steps + 2):
        for dtype, times in seconds.items():
            started = time.perf_counter()
            with torch.autocast(device.type, dtype, enabled=dtype is torch.bfloat16):
                loss = network(tokens[:, :-1], tokens[:, 1:])
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            loss.item()
            if step >= 2:  # the first ones warm up
                times.append(time.perf_counter() - started)
    full, half = (statistics.median(times) for times in seconds.values())
    print(f"{device}: float32 {full:.3f} s, bfloat16 {half:.3f} s, ratio {full / half:.2f}")


if __name__ == "__main__":
    main()
