"""How fast, and in how much memory, are PDFs read? Each reader beside bare pypdf.

    python -m benchmarks.extraction FILE.pdf ... [--pages 400] [--rounds 3] [--out RESULTS.json]

Times are seconds of the processor, the least of several rounds that take turns. Those of a reader
are of the reading process, without its start; those of the default are of all that makes text of a
file, two processes and their starts included: reading, the comparison of two readers, layout and
cleaning. Memory is the peak of parent and child while the whole file is read.
"""

import argparse
import json
import statistics
import subprocess
import sys
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
from qwen_pl.data.pdf.worker import READER_MODULES
reader = import_module(READER_MODULES[sys.argv[3]])
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


_DEFAULT = """
import json, resource, sys
from pathlib import Path
from qwen_pl.data.corpus.cleaned import cleaned_pdf, end_cleaning
from qwen_pl.data.corpus.reading import ReadingSettings
from qwen_pl.data.corpus.sources import SourceFile
from qwen_pl.data.pdf.read import read_pdf
def seconds():
    kinds = resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN
    return sum(use.ru_utime + use.ru_stime for use in map(resource.getrusage, kinds))
started = seconds()
path, how = Path(sys.argv[1]), ReadingSettings()
pdf = read_pdf(path, reader=how.reader, ocr="never")
list(cleaned_pdf(SourceFile(path, "0" * 64), pdf, how.cleaning, how.blocks, how.limits))
end_cleaning()
print(json.dumps(seconds() - started))
"""


def _measure(code: str, *args: str) -> object:
    """What a program prints, run in a Python of its own."""
    command = [sys.executable, "-c", code, *args]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


def _seconds_of(path: Path, pages: int, rounds: int) -> dict[str, float]:
    """Seconds of each program for one file."""
    readers = [name for name in ("pypdf", "pdfium") if installed_version(name)]
    programs = {"bare pypdf": (_BARE, ()), **{name: (_OURS, (name,)) for name in readers}}
    programs["default"] = (_DEFAULT, ())
    seconds: dict[str, float] = {}
    for _ in range(rounds):
        for name, (code, more) in programs.items():
            took = _measure(code, str(path), str(pages), *more)
            seconds[name] = min(took, seconds.get(name, took))
    return seconds


def main() -> None:
    """Prints ratios to bare pypdf for each file, their medians, and memory."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--pages", type=int, default=10**6, help="to time a reader for")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--memory", action="store_true", help="measure memory as well")
    parser.add_argument("--out", type=Path, help="write the seconds there, as JSON")
    args = parser.parse_args()
    found = {path.stem: _seconds_of(path, args.pages, args.rounds) for path in args.files}
    names = list(next(iter(found.values())))
    print(f"{'seconds to those of bare pypdf':32}" + "".join(f"{name:>12}" for name in names[1:]))
    ratios = {
        file: {name: seconds[name] / seconds["bare pypdf"] for name in names[1:]}
        for file, seconds in found.items()
    }
    for file, of_file in ratios.items():
        bare = f"{file[:20]} ({found[file]['bare pypdf']:.2f} s)"
        print(f"{bare:32}" + "".join(f"{ratio:12.2f}" for ratio in of_file.values()))
    medians = {name: statistics.median(r[name] for r in ratios.values()) for name in names[1:]}
    print(f"{'median':32}" + "".join(f"{ratio:12.2f}" for ratio in medians.values()))
    if args.out:
        args.out.write_text(json.dumps({"seconds": found, "medians": medians}, indent=1) + "\n")
    for path in args.files if args.memory else []:
        for reader in names[1:-1]:
            status, pages, took, parent, child = _measure(_WHOLE, str(path), reader)
            print(
                f"{path.stem}, {reader}: {status}, {pages} pages in {took:.1f} s,"
                f" peak {parent:.0f} MB in the parent, {child:.0f} MB in the child"
            )


if __name__ == "__main__":
    main()
