"""What would run code where it is unpickled."""

import os
from pathlib import Path


class Evil:
    """Makes a folder ``owned`` in that one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple:
        return (os.mkdir, (str(self.folder / "owned"),))
