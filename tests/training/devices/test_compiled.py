"""What ``model.compile`` makes of the layers: one piece of code for all of them."""

import pytest
import torch
from small_networks import build
from torch._dynamo.utils import counters

from qwen_pl.training.devices.layers import compile_layers, make_frugal


@pytest.mark.gpu
@pytest.mark.parametrize("recomputes", [False, True, "selective"])
@pytest.mark.parametrize("is_packed", [False, True])
def test_layers_are_compiled_once_and_in_one_piece(recomputes: bool | str, is_packed: bool) -> None:
    torch._dynamo.reset()
    counters.clear()
    device = torch.device("cuda")
    network = build(num_hidden_layers=4, head_dim=16).to(device)
    make_frugal(network)
    compile_layers(network, device)
    network.gradient_checkpointing = recomputes
    ids = torch.randint(0, 97, (2, 256), device=device)
    for seed in range(3):
        torch.manual_seed(seed)
        documents = torch.randint(0, 2, (2, 256), device=device).cumsum(1) if is_packed else None
        with torch.autocast("cuda", torch.bfloat16):
            loss = network(ids, ids, document_ids=documents)
        loss.backward()
    assert not counters["graph_break"]
    assert counters["stats"]["unique_graphs"] == 1
