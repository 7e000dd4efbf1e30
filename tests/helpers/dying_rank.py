"""``python -m qwen_pl``, whose second process is killed in the third step."""

import os
import signal
from typing import Any

from qwen_pl.__main__ import main
from qwen_pl.training.module import Qwen3Module

plain = Qwen3Module.training_step


def training_step(self: Qwen3Module, *args: Any) -> Any:
    if self.trainer.global_rank == 1 and self.trainer.global_step == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return plain(self, *args)


if __name__ == "__main__":  # in the second process too, and in no test that imports this
    Qwen3Module.training_step = training_step
    main()
