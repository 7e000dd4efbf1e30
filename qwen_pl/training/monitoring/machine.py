"""What a run asks of its machine: operations, of those it could reach at most, and memory."""

import re
from typing import NamedTuple

import psutil
import torch

from qwen_pl.model.config import Qwen3Config


def flops_per_token(config: Qwen3Config, seq_len: int) -> int:
    """Operations of one token's forward and backward pass: ``6 N + 12 L N_heads H T``.

    ``N`` are the numbers that a token is multiplied with: every matrix, the one that predicts among
    them. An embedding that is only read costs nothing, and norms next to nothing. Each takes a
    multiplication and an addition forward, and twice that backward. The second term is attention,
    counted as if every token saw the whole window, by custom. What gradient checkpointing computes
    again is not counted: the same work done in more operations is no better use of a device.

    Source: Chowdhery et al. 2022, https://arxiv.org/abs/2204.02311, appendix B; Kaplan et al. 2020,
    https://arxiv.org/abs/2001.08361, section 2.1

    >>> f"{flops_per_token(Qwen3Config(), seq_len=4096):,}"
    '6,394,478,592'
    """
    query_size = config.num_attention_heads * config.head_dim
    key_value_size = config.num_key_value_heads * config.head_dim
    attention = 2 * config.hidden_size * (query_size + key_value_size)
    feed_forward = 3 * config.hidden_size * config.intermediate_size
    matrices = config.num_hidden_layers * (attention + feed_forward)
    matrices += config.vocab_size * config.hidden_size
    return 6 * matrices + 12 * config.num_hidden_layers * query_size * seq_len


class Peak(NamedTuple):
    """Dense operations per second of matrix products, in units of 10¹²; None where it has none."""

    bf16: float | None
    fp16: float | None
    tf32: float | None
    fp32: float | None


# Figures are dense: data sheets often print those for 2:4 sparsity, which are twice as high.
# GeForce and RTX cards halve the products of 16 bits that are summed in float32, as PyTorch sums
# them; theirs are the figures "with FP32 accumulate". A name has to match as a whole: a laptop's
# RTX 4090 or a MIG slice of an A100 is another device.
#
# A100/A800: nvidia.com, A100 Tensor Core GPU data sheet. A30, A40, A10, A10G, L4, L40, L40S, RTX
# A6000, RTX 6000 Ada, V100, T4: their data sheets. H100/H800, H200, GH200: nvidia.com, H100 and
# H200 data sheets. H20: SemiAnalysis, "Nvidia's New China AI Chips", November 2023. B200, B300,
# GB200, GB300: nvidia.com, data sheets of Blackwell and Blackwell Ultra, a GPU's share of an HGX or
# NVL72 system. RTX 30, 40 and 50: appendices of the white papers on the Ampere GA102, Ada and RTX
# Blackwell architectures. MI: amd.com, data sheets; what is a device is half of an MI250X.
_PEAKS = {
    r"(NVIDIA )?A[18]00([- ](SXM\d?|PCIE?|PCIe|\d+GB))+": Peak(312, 312, 156, 19.5),
    r"NVIDIA A30": Peak(165, 165, 82, 10.3),
    r"NVIDIA A40": Peak(149.7, 149.7, 74.8, 37.4),
    r"NVIDIA A10": Peak(125, 125, 62.5, 31.2),
    r"NVIDIA A10G": Peak(70, 70, 35, 35),
    r"NVIDIA RTX A6000": Peak(154.8, 154.8, 77.4, 38.7),
    r"NVIDIA L4": Peak(121, 121, 60, 30.3),
    r"NVIDIA L40": Peak(181, 181, 90.5, 90.5),
    r"NVIDIA L40S": Peak(362, 362, 183, 91.6),
    r"NVIDIA RTX 6000 Ada Generation": Peak(364.2, 364.2, 182.1, 91.1),
    r"NVIDIA H[18]00( 80GB HBM3)?": Peak(989.4, 989.4, 494.7, 66.9),
    r"NVIDIA H[18]00 PCIe": Peak(756, 756, 378, 51.2),
    r"NVIDIA H100 NVL": Peak(835, 835, 417.5, 60),
    r"NVIDIA H200": Peak(989.4, 989.4, 494.7, 66.9),
    r"NVIDIA H200 NVL": Peak(835, 835, 417.5, 60),
    r"NVIDIA GH200( \d+GB)?": Peak(989.4, 989.4, 494.7, 66.9),
    r"NVIDIA H20": Peak(148, 148, 74, 44),
    r"NVIDIA B[23]00": Peak(2250, 2250, 1125, 75),
    r"NVIDIA GB[23]00": Peak(2500, 2500, 1250, 80),
    r"(NVIDIA )?(Tesla )?V100-SXM[23](-\d+GB)?": Peak(None, 125, None, 15.7),
    r"(NVIDIA )?(Tesla )?V100-PCIE(-\d+GB)?": Peak(None, 112, None, 14),
    r"(NVIDIA )?(Tesla )?T4": Peak(None, 65, None, 8.1),
    r"NVIDIA GeForce RTX 3090": Peak(71, 71, 35.6, 35.6),
    r"NVIDIA GeForce RTX 3090 Ti": Peak(80, 80, 40, 40),
    r"NVIDIA GeForce RTX 4080": Peak(97.5, 97.5, 48.7, 48.7),
    r"NVIDIA GeForce RTX 4090": Peak(165.2, 165.2, 82.6, 82.6),
    r"NVIDIA GeForce RTX 5080": Peak(112.6, 112.6, 56.3, 56.3),
    r"NVIDIA GeForce RTX 5090": Peak(209.5, 209.5, 104.8, 104.8),
    r"AMD Instinct MI250X": Peak(191.5, 191.5, None, 47.9),
    r"AMD Instinct MI300X": Peak(1307.4, 1307.4, 653.7, 163.4),
    r"AMD Instinct MI325X": Peak(1307.4, 1307.4, 653.7, 163.4),
}


def peak_flops(device_name: str, precision: str, *, allow_tf32: bool = False) -> float | None:
    """Operations per second that a device reaches at most; None where that is not known here.

    The name is that of ``torch.cuda.get_device_name``, the precision the Trainer's. With
    ``allow_tf32``, float32 products may be rounded to TensorFloat-32.

    >>> peak_flops("NVIDIA A100-SXM4-80GB", "32-true", allow_tf32=True)
    156000000000000.0
    >>> peak_flops("NVIDIA A100-SXM4-80GB MIG 1g.10gb", "bf16-mixed") is None
    True
    """
    columns = {"bf16": "bf16", "16": "fp16", "32": "tf32" if allow_tf32 else "fp32"}
    column = columns.get(precision.split("-")[0], "")
    for name, peak in _PEAKS.items():
        if re.fullmatch(name, device_name):
            value = getattr(peak, column, None)
            return None if value is None else round(value * 1e12, 0)
    return None


def take_peak_memory(device: torch.device) -> dict[str, float]:
    """The peak of allocated memory since the last call, under the names of their curves.

    On CUDA that is what tensors took, and the share of the device; elsewhere what the process
    holds at this moment. Nothing waits for the device.
    """
    if device.type != "cuda":
        return {"device_memory_gb": psutil.Process().memory_info().rss / 1e9}
    peak = torch.cuda.max_memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    total = torch.cuda.get_device_properties(device).total_memory
    return {"device_memory_gb": peak / 1e9, "device_memory_share": peak / total}
