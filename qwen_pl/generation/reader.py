"""The newest token of every row through the network in few operators, for writing on a CPU."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from qwen_pl.model.cache import KeyValueCache
from qwen_pl.model.qwen3 import DecoderLayer, Qwen3ForCausalLM, rotary_angles, rotate

LARGEST_COPY = 4 << 30
"""Bytes of weights up to which a copy is made; larger networks hardly feel their operators."""


class Layer(NamedTuple):
    """The weights of a decoder layer, laid out to be read once for one token."""

    input_norm: Tensor  # (D,)
    to_qkv: Tensor  # (D, (N + 2K) H)
    qk_norm: Tensor  # (N + K, 1, H)
    from_heads: Tensor  # (N H, D)
    mlp_norm: Tensor  # (D,)
    to_gate_and_up: Tensor  # (D, 2 F)
    from_mlp: Tensor  # (F, D)


class OneTokenReader:
    """Computes what ``network(input_ids, cache=cache)`` does for ``T = 1``, only sooner.

    One token is a walk through all the weights, and the time is that of memory and of calls. So it
    works on a copy of the weights in which products with the same input are one, and which lies in
    memory in the order that the product of a single row reads it: there the usual layout, made for
    many rows, takes up to twice as long. ``model/qwen3.py`` explains the formulas.

    Args:
        network: In float32 on a CPU; its weights are copied and no longer looked at.
    """

    def __init__(self, network: Qwen3ForCausalLM) -> None:
        self.config = network.config
        self.embedding = network.model.embed_tokens.weight.detach()
        self.layers = [_copy(layer) for layer in network.model.layers]
        self.norm = network.model.norm.weight.detach().clone()
        self.head = network.lm_head.weight.detach().t().contiguous()  # (D, V)

    @staticmethod
    def fits(network: Qwen3ForCausalLM) -> bool:
        """Whether the network can be read so: as it is here, and with no one listening inside."""
        weight = network.lm_head.weight
        num_bytes = weight.element_size() * network.config.num_parameters()
        return (
            type(network) is Qwen3ForCausalLM
            and weight.device.type == "cpu"
            and {parameter.dtype for parameter in network.parameters()} == {torch.float32}
            and num_bytes <= LARGEST_COPY
            and not any(m._forward_hooks or m._forward_pre_hooks for m in network.modules())
        )

    def __call__(self, input_ids: Tensor, cache: KeyValueCache) -> Tensor:
        """Maps ``(B, 1)`` int64 to logits ``(B, V)`` and extends the cache."""
        config = self.config
        batch_size, eps = len(input_ids), config.rms_norm_eps
        heads, kv_heads = config.num_attention_heads, config.num_key_value_heads
        angles = rotary_angles(
            cache.positions(1), config.head_dim, config.rope_theta, config.rope_scaling
        )
        mask = cache.mask(1)
        x = self.embedding[input_ids[:, 0]]  # (B, D)
        for index, layer in enumerate(self.layers):
            qkv = _norm(x, layer.input_norm, eps) @ layer.to_qkv
            qkv = qkv.view(batch_size, -1, 1, config.head_dim)  # (B, N + 2K, 1, H)
            qk, v = qkv.split((heads + kv_heads, kv_heads), dim=1)
            qk = F.rms_norm(qk, (config.head_dim,), None, eps).mul_(layer.qk_norm)
            q, k = rotate(qk, angles).split((heads, kv_heads), dim=1)
            k, v = cache.update(index, k, v)  # (B, K, S, H)
            y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, enable_gqa=True)
            x = torch.addmm(x, y.view(batch_size, -1), layer.from_heads)
            gate, up = (_norm(x, layer.mlp_norm, eps) @ layer.to_gate_and_up).chunk(2, dim=1)
            x = torch.addmm(x, F.silu(gate).mul_(up), layer.from_mlp)
        cache.advance(1)
        return _norm(x, self.norm, eps) @ self.head


def _norm(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    return F.rms_norm(x, weight.shape, weight, eps)


def _copy(layer: DecoderLayer) -> Layer:
    attention, mlp = layer.self_attn, layer.mlp
    q, k, v = attention.q_proj.weight, attention.k_proj.weight, attention.v_proj.weight
    norms = [
        norm.weight.expand(len(weight) // attention.head_dim, 1, -1)
        for norm, weight in ((attention.q_norm, q), (attention.k_norm, k))
    ]
    return Layer(
        input_norm=layer.input_layernorm.weight.detach().clone(),
        to_qkv=torch.cat((q, k, v)).detach().t().contiguous(),
        qk_norm=torch.cat(norms).detach(),
        from_heads=attention.o_proj.weight.detach().t().contiguous(),
        mlp_norm=layer.post_attention_layernorm.weight.detach().clone(),
        to_gate_and_up=torch.cat((mlp.gate_proj.weight, mlp.up_proj.weight))
        .detach()
        .t()
        .contiguous(),
        from_mlp=mlp.down_proj.weight.detach().t().contiguous(),
    )
