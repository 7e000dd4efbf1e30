"""How fast, and in how much memory, are PDFs read? Each reader beside bare pypdf.

    python -m benchmarks.extraction FILE.pdf [--pages 400] [--rounds 3]

Times are CPU seconds of the reading process, the least of several rounds that take turns, with what
the start of a child process costs shown apart. Memory is the peak of parent and child while the
whole file is read.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

from qwen_pl.data.pdf.readers import installed_version

_BARE = """
import json, logging, sys, time
logging.disable(logging.CRITICAL)
import pypdf
started = time.process_time()
reader = pypdf.PdfReader(sys.argv[1])
for page in list(reader.pages)[: int(sys.argv[2])]:
    page.extract_text()
print(json.dumps(time.process_time() - started))
"""
_OURS = """
import json, sys, time
from importlib import import_module
reader = import_module(f"qwen_pl.data.pdf.{sys.argv[3]}_file")
started = time.process_time()
file = reader.open_file(sys.argv[1], "")
for index in range(min(file.num_pages, int(sys.argv[2]))):
    json.dumps({"type": "page", "sheet": file.sheet(index)[0]}).encode("ascii")
print(json.dumps(time.process_time() - started))
"""
_WHOLE = """
import json, sys, time
from pathlib import Path
import qwen_pl.data.pdf.child as child
from qwen_pl.data.pdf.read import read_pdf
peaks = {}
def peak(process):
    status = Path(f"/proc/{process}/status")
    text = status.read_text() if status.exists() else ""
    return int(text.split("VmHWM:")[1].split()[0]) / 1024 if "VmHWM:" in text else 0.0
start = child.subprocess.Popen
def watched(*args, **kwargs):
    peaks["process"] = start(*args, **kwargs)
    return peaks["process"]
child.subprocess.Popen = watched
def look(done, total):
    if done % 20 == 0 or done == total:
        peaks["child"] = max(peaks.get("child", 0.0), peak(peaks["process"].pid))
started = time.monotonic()
pdf = read_pdf(Path(sys.argv[1]), reader=sys.argv[2], on_page=look)
seconds = time.monotonic() - started
print(json.dumps([pdf.status, len(pdf.pages), seconds, peak("self"), peaks.get("child", 0.0)]))
"""


def _measure(code: str, *args: str) -> object:
    """What a program prints, run in a Python of its own."""
    command = [sys.executable, "-c", code, *args]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


def _start_seconds(reader: str, path: Path) -> float:
    """Time from nothing to the first page of a small file, less that of the page: the start."""
    started = time.monotonic()
    _measure(_OURS, str(path), "0", reader)
    return time.monotonic() - started


def main() -> None:
    """Prints milliseconds a page, ratios of one run, and memory."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--pages", type=int, default=400, help="to time, from the first")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    readers = [name for name in ("pypdf", "pdfium") if installed_version(name)]
    programs = {"bare pypdf": (_BARE, ()), **{name: (_OURS, (name,)) for name in readers}}
    seconds: dict[str, float] = {}
    for _ in range(args.rounds):
        for name, (code, more) in programs.items():
            took = _measure(code, str(args.file), str(args.pages), *more)
            seconds[name] = min(took, seconds.get(name, took))
    print(f"{'':12} {'ms a page':>10} {'to bare pypdf':>14} {'start':>8}")
    for name, took in seconds.items():
        start = "" if name == "bare pypdf" else f"{_start_seconds(name, args.file):6.2f} s"
        ratio = took / seconds["bare pypdf"]
        print(f"{name:12} {1000 * took / args.pages:10.2f} {ratio:14.3f} {start:>8}")
    if "pdfium" in seconds:
        print(f"pdfium is {seconds['pypdf'] / seconds['pdfium']:.1f} times as fast as pypdf here")
    for name in readers:
        status, pages, took, parent, child = _measure(_WHOLE, str(args.file), name)
        print(
            f"{name}: {status}, {pages} pages in {took:.1f} s,"
            f" peak {parent:.0f} MB in the parent, {child:.0f} MB in the child"
        )


if __name__ == "__main__":
    main()
