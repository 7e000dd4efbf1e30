"""What devices can compute at most, by their names: the measure that MFU is a share of."""

import re
from typing import NamedTuple


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

    Args:
        device_name: As ``torch.cuda.get_device_name`` has it.
        precision: The Trainer's, such as ``bf16-mixed``.
        allow_tf32: Whether float32 products may be rounded to TensorFloat-32.

    >>> peak_flops("NVIDIA H200", "bf16-mixed")
    989400000000000.0
    >>> peak_flops("NVIDIA A100-SXM4-80GB", "32-true", allow_tf32=True)
    156000000000000.0
    >>> peak_flops("NVIDIA A100-SXM4-80GB MIG 1g.10gb", "bf16-mixed") is None
    True
    """
    matching = (peak for name, peak in _PEAKS.items() if re.fullmatch(name, device_name))
    peak = next(matching, None)
    column = {"bf16": "bf16", "16": "fp16", "32": "tf32" if allow_tf32 else "fp32"}
    column = column.get(precision.split("-")[0])
    if peak is None or column is None or (value := getattr(peak, column)) is None:
        return None
    return round(value * 1e12, 0)
