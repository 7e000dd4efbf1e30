"""What do precision and gradient checkpointing cost in memory, and checkpointing in time?

    python -m benchmarks.recomputing                          # 20 layers of Qwen3-0.6B's widths
    python -m benchmarks.recomputing --layers 4 --tokens 256 --time 10
    python -m benchmarks.recomputing --device cuda

Memory: for each precision, what weights, gradients and the states of AdamW take (summed from the
tensors there are after a step), then what a step takes beside them for each kind of gradient
checkpointing, each in a fresh process, measured as in ``benchmarks.memory``. Time: steps of
all kinds take turns in one process, in float32, and the medians are given as ratios.
"""

import argparse
import multiprocessing
import statistics
import time

import torch

from benchmarks.memory import peak_of
from qwen_pl.model.config import Qwen3Config
from qwen_pl.model.qwen3 import Qwen3ForCausalLM
from qwen_pl.model.recompute import GradientCheckpointing
from qwen_pl.training.devices.layers import make_frugal
from qwen_pl.training.optim.optimizer import make_optimizer

KINDS: list[GradientCheckpointing] = [False, "selective", 4, 2, True]
PRECISIONS = {
    "32-true": (torch.float32, None),
    "bf16-mixed": (torch.float32, torch.bfloat16),
    "16-mixed": (torch.float32, torch.float16),
    "bf16-true": (torch.bfloat16, None),
}


def measure(
    precision: str, kind: GradientCheckpointing, config: Qwen3Config, tokens: int, device: str
) -> tuple[float, float]:
    """Megabytes of what stays between steps, and the peak of a step beside it."""
    dtype, autocast = PRECISIONS[precision]
    torch.manual_seed(0)
    network = Qwen3ForCausalLM(config).to(device, dtype)
    make_frugal(network)  # as training does
    network.gradient_checkpointing = kind
    input_ids = torch.randint(0, config.vocab_size, (1, tokens), device=device)
    for parameter in network.parameters():
        parameter.grad = torch.zeros_like(parameter)

    def step() -> None:
        with torch.autocast(device, autocast, enabled=autocast is not None):
            loss = network(input_ids, input_ids.roll(-1, 1))
        loss.backward()

    peak = peak_of(step, device)
    optimizer = make_optimizer("adamw", network, lr=1e-4, weight_decay=0.1, betas=(0.9, 0.95))
    optimizer.step()
    tensors = [p for parameter in network.parameters() for p in (parameter, parameter.grad)]
    for state in optimizer.state.values():
        tensors += [value for value in state.values() if torch.is_tensor(value)]
    return sum(tensor.nbytes for tensor in tensors) / 1e6, peak


def seconds(config: Qwen3Config, tokens: int, device: str, steps: int) -> list[float]:
    """The median time of a step's forward and backward of each kind."""
    network = Qwen3ForCausalLM(config).to(device)
    make_frugal(network)  # as training does
    input_ids = torch.randint(0, config.vocab_size, (1, tokens), device=device)
    times: list[list[float]] = [[] for _ in KINDS]
    for number in range(steps + 1):
        for kind, measured in zip(KINDS, times, strict=True):
            network.gradient_checkpointing = kind
            started = time.perf_counter()
            loss = network(input_ids, input_ids.roll(-1, 1))
            loss.backward()
            network.zero_grad()
            loss.item()
            if number:  # the first one warms up
                measured.append(time.perf_counter() - started)
    return [statistics.median(measured) for measured in times]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--layers", type=int, default=20)
    parser.add_argument("--vocab_size", type=int, default=30_016)
    parser.add_argument("--tokens", type=int, default=1024, help="of a batch")
    parser.add_argument("--time", type=int, default=0, help="steps to time; 0 for none")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    options = parser.parse_args()

    config = Qwen3Config(num_hidden_layers=options.layers, vocab_size=options.vocab_size)
    print(f"{config.num_parameters():,} parameters, {options.tokens:,} tokens, megabytes:")
    print(f"{'':<12}{'stays':>8}" + "".join(f"{str(kind).lower():>11}" for kind in KINDS))
    context = multiprocessing.get_context("spawn")
    for precision in PRECISIONS:
        if precision == "16-mixed" and options.device == "cpu":
            continue  # the Trainer takes bf16-mixed there, as float16 takes minutes
        peaks = []
        for kind in KINDS:
            with context.Pool(1) as pool:
                arguments = (precision, kind, config, options.tokens, options.device)
                stays, peak = pool.apply(measure, arguments)
            peaks.append(peak)
        row = "".join(f"{peak:11,.0f}" for peak in peaks)
        print(f"{precision:<12}{stays:8,.0f}{row}", flush=True)
    if options.time:
        times = seconds(config, options.tokens, options.device, options.time)
        print(f"{'time':<20}" + "".join(f"{taken / times[0]:11.2f}" for taken in times))


if __name__ == "__main__":
    main()
