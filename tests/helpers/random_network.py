"""A network of random weights, none of whose sizes or norms could pass for another."""

import torch

from qwen_pl.model.config import Qwen3Config
from qwen_pl.model.qwen3 import Qwen3ForCausalLM

SIZES = {
    "vocab_size": 131,
    "hidden_size": 24,
    "intermediate_size": 56,
    "num_hidden_layers": 3,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "head_dim": 10,
    "max_position_embeddings": 64,
    "rms_norm_eps": 1e-5,
    "rope_theta": 5000.0,
    "initializer_range": 0.2,
}


def random_network(**changes: object) -> Qwen3ForCausalLM:
    """With these sizes, or others that are given."""
    torch.manual_seed(0)
    network = Qwen3ForCausalLM(Qwen3Config(**SIZES | changes))
    for name, parameter in network.named_parameters():
        if "norm" in name:
            torch.nn.init.uniform_(parameter, 0.5, 1.5)
    return network.eval()
