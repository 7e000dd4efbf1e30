"""How fast are training steps of this project's network, and of Transformers' beside it?

    python -m benchmarks.contenders                                        # small, on a CPU
    python -m benchmarks.contenders --device cuda --shape qwen3-0.6b --batch_size 2 --tokens 4096

Both start with the same weights and see the same random tokens, in bfloat16 by autocast on CUDA and
in float32 on a CPU, and go through the same plain loop: forward, backward, clipping, fused AdamW.
Eager first, then with each decoder layer compiled, which is how both projects' documentation
has it. Transformers takes PyTorch's ``scaled_dot_product_attention``, its fastest without a further
package. Each way is one line of JSON. The loss after the last step stands there too, so that none
is fast by doing less.
"""

import argparse
import gc
import json
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from qwen_pl.errors import lacks_memory
from qwen_pl.model.config import Qwen3Config
from qwen_pl.model.qwen3 import Qwen3ForCausalLM
from qwen_pl.training.devices.layers import compile_layers, make_frugal
from qwen_pl.training.monitoring.machine import flops_per_token, peak_flops
from qwen_pl.training.optim.optimizer import make_optimizer

SHAPES = {
    "small": Qwen3Config(
        vocab_size=320,
        hidden_size=64,
        intermediate_size=192,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=16,
    ),
    "qwen3-0.6b": Qwen3Config(),
    "qwen_scratch": Qwen3Config(num_hidden_layers=20, vocab_size=30_016),
}
TURNS = 3
"""The steps are timed in so many turns, of which the median counts."""

LossOf = Callable[[Tensor, Tensor], Tensor]


def ours(config: Qwen3Config, device: torch.device) -> tuple[nn.Module, LossOf]:
    """This project's network as ``fit`` lays it out, drawn from a seed."""
    torch.manual_seed(0)
    with device:
        network = Qwen3ForCausalLM(config)
    make_frugal(network)
    return network, network


def transformers(config: Qwen3Config, device: torch.device) -> tuple[nn.Module, LossOf]:
    """Transformers' network with the same weights."""
    network = their_network(config, device)
    network.load_state_dict(ours(config, device)[0].state_dict())
    # Its own labels are shifted inside; these are shifted already.
    return network, lambda ids, labels: network(ids, labels=labels, shift_labels=labels).loss


def their_network(config: Qwen3Config, device: torch.device) -> nn.Module:
    """Transformers' network of the same sizes."""
    from transformers import Qwen3Config as TheirConfig
    from transformers import Qwen3ForCausalLM as TheirNetwork

    sizes = {name: value for name, value in vars(config).items() if name != "rope_theta"}
    sizes["rope_scaling"] = None
    rope = {"rope_type": "default", "rope_theta": config.rope_theta}
    with device:
        return TheirNetwork(TheirConfig(**sizes, rope_parameters=rope, use_cache=False)).train()


WAYS = {"ours": ours, "transformers": transformers}


def measure(
    way: str,
    config: Qwen3Config,
    batch_size: int,
    seq_len: int,
    *,
    device: torch.device,
    is_compiled: bool,
    gradient_checkpointing: bool = False,
    steps: int = 12,
) -> dict[str, Any]:
    """Takes some steps one way; what came of it under the names of the curves of ``fit``."""
    network, loss_of = WAYS[way](config, device)
    if is_compiled and way == "ours":
        compile_layers(network, device)  # type: ignore[arg-type]
    elif is_compiled:
        for layer in network.model.layers:  # type: ignore[union-attr]
            layer.compile(dynamic=False)
    if gradient_checkpointing and way == "ours":
        network.gradient_checkpointing = True
    elif gradient_checkpointing:
        network.gradient_checkpointing_enable({"use_reentrant": False})  # type: ignore[operator]
    optimizer = make_optimizer("adamw", network, lr=1e-4, weight_decay=0.1, betas=(0.9, 0.95))
    generator = torch.Generator(device).manual_seed(1)
    is_cuda = device.type == "cuda"

    def step() -> Tensor:
        shape = (batch_size, seq_len + 1)
        ids = torch.randint(config.vocab_size, shape, device=device, generator=generator)
        with torch.autocast(device.type, torch.bfloat16, enabled=is_cuda):
            loss = loss_of(ids[:, :-1].contiguous(), ids[:, 1:].contiguous())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        return loss.detach()

    began = time.perf_counter()
    first_loss = step().item()
    first_step = time.perf_counter() - began
    step()
    if is_cuda:
        torch.cuda.reset_peak_memory_stats()
    times = []
    for _ in range(TURNS):
        if is_cuda:
            torch.cuda.synchronize()
        began = time.perf_counter()
        for _ in range(max(1, steps // TURNS)):
            loss = step()
        last_loss = loss.item()  # waits for the device
        times.append((time.perf_counter() - began) / max(1, steps // TURNS))
    seconds = statistics.median(times)
    tokens_per_second = batch_size * seq_len / seconds
    peak = peak_flops(torch.cuda.get_device_name(), "bf16-mixed") if is_cuda else None
    mfu = peak and flops_per_token(config, seq_len) * tokens_per_second / peak
    return {
        "tokens_per_second": round(tokens_per_second),
        "mfu": mfu and round(mfu, 4),
        "device_memory_gb": round(torch.cuda.max_memory_allocated() / 1e9, 2) if is_cuda else None,
        "step_ms": round(1000 * seconds, 2),
        "step_ms_of_turns": [round(1000 * taken, 2) for taken in times],
        "first_step_seconds": round(first_step, 1),
        "first_loss": first_loss,
        "last_loss": last_loss,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=list(WAYS))
    parser.add_argument("--shape", default="small", choices=list(SHAPES))
    parser.add_argument("--batch_size", type=int, nargs="+", default=[2])
    parser.add_argument("--tokens", type=int, default=64, help="of a window")
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--compiled", nargs="+", default=["no", "yes"], choices=["no", "yes"])
    parser.add_argument("--gradient_checkpointing", action="store_true")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    options = parser.parse_args()
    for way in options.ways:
        for compiled in options.compiled:
            for batch_size in options.batch_size:
                facts = {
                    "way": way,
                    "shape": options.shape,
                    "batch_size": batch_size,
                    "seq_len": options.tokens,
                    "compiled": compiled == "yes",
                    "gradient_checkpointing": options.gradient_checkpointing,
                }
                try:
                    facts |= measure(
                        way,
                        SHAPES[options.shape],
                        batch_size,
                        options.tokens,
                        device=torch.device(options.device),
                        is_compiled=compiled == "yes",
                        gradient_checkpointing=options.gradient_checkpointing,
                        steps=options.steps,
                    )
                except Exception as error:  # the others are to be measured all the same
                    if lacks_memory(error) is None:
                        print(repr(error), file=sys.stderr, flush=True)
                    facts["failed"] = " ".join(str(error).split())[:300]
                print(json.dumps(facts), flush=True)
                torch._dynamo.reset()
                gc.collect()
                torch.cuda.empty_cache()


if __name__ == "__main__":
    main()
