"""The one table of names that other libraries keep to themselves and that we use all the same.

A name that is not in the table fails, and so does one that is no longer used or no longer exists:
what a newer version of a library renames is found here, and not in a run.
"""

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import pytest
from private_names import PACKAGE, Use, has, overrides, patches, uses


class PrivateName(NamedTuple):
    """A name, where we use it, and why no public one serves."""

    file: str
    name: str
    owner: str
    """The module and the class in it that have the name, ``module:Class``, or the module."""
    why: str
    what_fails: str
    """What a run would do without it, and what says so."""


SDPA = (
    "the operators that scaled_dot_product_attention becomes, each on its kind of device; no "
    "public list of them"
)
SDPA_FAILS = "AttributeError when the network is imported; recomputing attention if one were added"
HOOKS = "whether somebody watches a matrix, so that what is computed without it stands aside"
HOOKS_FAIL = "AttributeError at the first step; tests/model/test_watched.py"
MODULE = "torch.nn:Module"

TABLE = [
    PrivateName(
        "commands/options.py",
        "_get_help_string",
        "argparse:ArgumentDefaultsHelpFormatter",
        "the one method of the formatter that says which defaults are shown",
        "help would say (default: None); tests/commands/test_commands.py",
    ),
    PrivateName(
        "data/pdf/fonts/glyph_names.py",
        "_codecs",
        "pypdf",
        "TeX's names of glyphs and the encodings of PDF; no public list of them that pip installs",
        "ImportError in the child",
    ),
    PrivateName(
        "data/prepare/cluster.py",
        "_run_for_rank",
        "datatrove.executor.local:LocalPipelineExecutor",
        "run() starts a manager for each task, which outlives a task that is killed",
        "every task dies of an AttributeError, which the command names",
    ),
    *(
        PrivateName("model/by_hand.py", name, MODULE, HOOKS, HOOKS_FAIL)
        for name in (
            "_backward_hooks",
            "_backward_pre_hooks",
            "_forward_hooks",
            "_forward_pre_hooks",
        )
    ),
    PrivateName(
        "model/by_hand.py",
        "_has_any_global_hook",
        "torch.nn.modules.module",
        HOOKS,
        HOOKS_FAIL,
    ),
    *(
        PrivateName("model/recompute.py", name, "torch:ops.aten", SDPA, SDPA_FAILS)
        for name in (
            "_scaled_dot_product_attention_math",
            "_scaled_dot_product_cudnn_attention",
            "_scaled_dot_product_efficient_attention",
            "_scaled_dot_product_flash_attention",
            "_scaled_dot_product_flash_attention_for_cpu",
        )
    ),
    PrivateName(
        "model/qwen3.py",
        "_apply",
        MODULE,
        "a network that leaves the meta device gets new parameters and has to be tied again",
        "test_weights_stay_tied_when_a_network_leaves_the_meta_device fails",
    ),
    PrivateName(
        "training/metrics.py",
        "_apply",
        MODULE,
        "the sum has to stay float32 where a whole module becomes bfloat16, which cannot count",
        "val_loss would be rounded in bf16-true; tests/training/test_learning.py",
    ),
    PrivateName(
        "training/fully_sharded.py",
        "_data_parallel_size",
        "lightning.pytorch.strategies:ModelParallelStrategy",
        "the number of processes is known only when the strategy sets them up",
        "tensor parallel for data parallel, which FSDP2 refuses; tests/training/test_devices.py",
    ),
    PrivateName(
        "training/fully_sharded.py",
        "_tensor_parallel_size",
        "lightning.pytorch.strategies:ModelParallelStrategy",
        "as above",
        "as above",
    ),
    PrivateName(
        "training/checkpoints/sharded_folder.py",
        "_get_layout",
        "torch.serialization",
        "what torch's .metadata is made of, as its pickle names it: all that may be in it",
        "a sharded checkpoint is refused as more than plain data; tests/training/checkpoints",
    ),
    PrivateName(
        "training/checkpoints/sharded_folder.py",
        "_StorageInfo",
        "torch.distributed.checkpoint.filesystem",
        "as above",
        "as above",
    ),
    PrivateName(
        "training/checkpoints/sharded_folder.py",
        "_MEM_FORMAT_ENCODING",
        "torch.distributed.checkpoint.metadata",
        "as above",
        "as above",
    ),
    PrivateName(
        "training/devices/layers.py",
        "_higher_order_ops",
        "torch",
        "the name of a logger that warns of changes in place, of which there are none",
        "its warning would be shown, nothing else",
    ),
    PrivateName(
        "training/devices/sharding.py",
        "_python_dispatch",
        "torch.utils",
        "TorchDispatchMode has no public home; TorchFunctionMode does not see draws in nn.init",
        "ImportError when a run begins",
    ),
    PrivateName(
        "training/lightning_fixes.py",
        "_default_root_dir",
        "lightning.pytorch.trainer.connectors.callback_connector:_CallbackConnector",
        "the sweep keeps a checkpoint in the Trainer's folder, for which there is no setter",
        "AttributeError when a sweep begins",
    ),
    PrivateName(
        "training/optim/averaging.py",
        "_foreach_lerp_",
        "torch",
        "one kernel for all tensors of the average, as torch.optim.swa_utils has it",
        "AttributeError at the first averaged step",
    ),
    PrivateName(
        "training/optim/optimizer.py",
        "_step_supports_amp_scaling",
        "torch.optim:AdamW",
        "a fused AdamW says that it unscales by itself, and the Trainer then refuses to clip",
        "16-mixed with clipping is refused by an error",
    ),
    PrivateName(
        "training/resume/signals.py",
        "_signal_connector",
        "lightning.pytorch:Trainer",
        "Lightning's handlers save nothing and exit with 0, and no setting turns them off",
        "AttributeError when a run begins, as the name is asked for first",
    ),
    PrivateName(
        "training/resume/signals.py",
        "_broadcast_sigterm_tensor",
        "lightning.pytorch.loops.training_epoch_loop:_TrainingEpochLoop",
        "it makes the host wait for the device at each batch to ask whether a process is to stop",
        "AttributeError when a run begins, as the name is asked for first",
    ),
]

PATCHES: dict[tuple[str, str], str] = {
    ("commands/parts/rehearsal.py", "os.fsync"): "in a process that is made to be killed, slowly",
}
"""What of another library gets a new value from us, and why nobody else's code meets it."""

IDS = [f"{entry.file}:{entry.name}" for entry in TABLE]


def test_the_table_names_every_private_name_that_is_used_and_no_other() -> None:
    met = {use for file in sorted(PACKAGE.rglob("*.py")) for use in uses(file)}
    met |= {use for use, _ in overrides()}
    listed = {Use(f"qwen_pl/{entry.file}", entry.name) for entry in TABLE}
    assert met - listed == set()
    assert listed - met == set()


def test_no_other_library_is_patched_but_in_a_process_of_its_own() -> None:
    met = {
        (file.relative_to(PACKAGE).as_posix(), target)
        for file in sorted(PACKAGE.rglob("*.py"))
        for target in patches(file)
    }
    assert met == PATCHES.keys()


@pytest.mark.parametrize("entry", TABLE, ids=IDS)
def test_a_private_name_is_still_there(entry: PrivateName) -> None:
    module, _, kind = entry.owner.partition(":")
    if module.startswith("datatrove"):
        pytest.importorskip("datatrove")
    owner = import_module(module)
    for part in filter(None, kind.split(".")):
        owner = getattr(owner, part)
    assert has(owner, entry.name) or find_spec(f"{module}.{entry.name}")


@pytest.mark.parametrize(
    "line",
    [
        "trainer.fit_loop._secret",
        "from torch._secret import open",
        "from torch import _secret",
        "import torch._secret.door",
        "getattr(trainer, '_secret')",
        "trainer._secret()",
        "class A(B):\n    def f(self):\n        return self._secret",
        "patch('lightning.pytorch.trainer._secret')",
    ],
)
def test_a_private_name_is_seen_wherever_it_stands(line: str, tmp_path: Path) -> None:
    file = tmp_path / "sneaky.py"
    file.write_text(line)
    assert [use.name for use in uses(file)] == ["_secret"]


def test_a_name_of_our_own_is_no_private_name_of_another(tmp_path: Path) -> None:
    file = tmp_path / "honest.py"
    file.write_text("class A:\n    def __init__(self):\n        self._own = 1\n\nprint(A()._own)\n")
    assert not uses(file)


def test_a_name_that_is_made_with_its_object_is_found() -> None:
    class Base:
        def __init__(self) -> None:
            self._later = 1

    class Kind(Base):
        pass

    assert has(Kind, "_later")
    assert not has(Kind, "_never")
