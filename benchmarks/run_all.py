"""Run every benchmark and study, or read the committed tables, and print one table of all that compare with something.

    python benchmarks/run_all.py [--quick] [--committed] [--release] [--only linear_scan ...] [--peer-python PYTHON]

Each script runs in a process of its own and writes its table to out/benchmarks/; `--quick` takes small sizes, to see
that all of them work. A ratio above 1 means that ours is better. A script that cannot run here (no data: set
ALTERNAX_DATA) is named under the table. `--committed` runs nothing and reads benchmarks/*.md. `--release` also renews
these tables and figures, and writes the summary to benchmarks/results/VERSION.md.
"""

import argparse
import shutil
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

from setting import machine
from summary import READERS, Result, read, summary

HERE = Path(__file__).parent
OUT = HERE.parent / "out" / "benchmarks"
QUICK = {
    "capabilities": "--layers gru --tasks parity --seeds 1 --steps 250",
    "csv_door": "--megabytes 5",
    "etth1": "--seeds 1 --steps 20",
    "fields": "--steps 2 --samples 2 --only vector",
    "fft_conv": "--lengths 1024 --width 8 --repeats 2",
    "japanese_vowels": "--layers lru --seeds 1",
    "kill": "--kills 2",
    "layers": "--names lru gru --lengths 1024",
    "linear_scan": "--lengths 1000 --widths 16 --repeats 2",
    "lorenz": "--seeds 1",
    "noisy_window": "--seeds 1 --steps 20",
    "recurrent": "--repeats 2",
    "s4d": "--length 512 --width 16 --repeats 2",
    "segments": "--names lru",
    "selective_scan": "--length 256 --width 32 --repeats 2",
    "ssd": "--length 256 --width 128 --states 16 --chunks 16 --repeats 2",
    "wmaze": "--seeds 1 --steps 20",
    "studies/alpha": "--seeds 1 --steps 20 --alphas 1 --strengths 3 --shares 0.3",
    "studies/binned": "--seeds 1 --share 0.05 --only Gaussian --bodies LSTM",
    "studies/characters": "--seeds 1 --steps 20 --only LSTM",
    "studies/decoders": "--seeds 1 --steps 20 50 --rates 3e-3 --models GRU",
    "studies/forecasters": "--seeds 1 --steps 20 --models VRNN",
    "studies/latent_dimension": "--seeds 1 --steps 5 --dims 2",
    "studies/long_generation": "--seeds 1 --steps 50 --rows 2000 --models Alternator",
    "studies/lorenz_recovery": "--seeds 1 --steps 5 --only gauss",
    "studies/objectives": "--quick --seeds 1 --steps 50",
    "studies/sensitivity": "--seeds 1 --steps 5 --only alpha --values 2",
}


def scripts() -> list[str]:
    """The benchmarks and studies: what can be run, this file apart."""
    found = (path for folder in (HERE, HERE / "studies") for path in sorted(folder.glob("*.py")))
    able = (path for path in found if '__name__ == "__main__"' in path.read_text())
    return [path.relative_to(HERE).with_suffix("").as_posix() for path in able if path != Path(__file__)]


def measured(name: str, quick: bool, peer_python: str | None) -> tuple[Path, str]:
    """The table that a script has just written, and a word on what went wrong, if anything did."""
    out = OUT / f"{name}.md"
    out.unlink(missing_ok=True)
    out.parent.mkdir(parents=True, exist_ok=True)
    source = (HERE / f"{name}.py").read_text()
    words = QUICK.get(name, "").split() if quick else []
    words += ["--out", str(out)] if "--out" in source else []
    words += ["--peer-python", peer_python] if peer_python and "--peer-python" in source else []
    print(f"== {name} {' '.join(words)}", flush=True)
    started = time.perf_counter()
    done = subprocess.run([sys.executable, str(HERE / f"{name}.py"), *words], stderr=subprocess.PIPE, text=True)
    print(f"== {name}: {time.perf_counter() - started:.0f} s", flush=True)
    if done.returncode == 0:
        return out, ""
    said = (done.stderr.strip().splitlines() or ["no message"])[-1]
    return out, said if said.startswith("skipped") else f"FAILED: {said}"


def collected(names: list[str], options: argparse.Namespace) -> tuple[list[tuple[str, Result]], dict[str, str]]:
    """All results, and a note on every benchmark that has none for a reason."""
    results: list[tuple[str, Result]] = []
    notes: dict[str, str] = {}
    for name in names:
        path, note = HERE / f"{name}.md", ""
        if not options.committed:
            path, note = measured(name, options.quick, options.peer_python)
        if options.release and not options.committed and not note and path.exists():
            for written in (path, path.with_suffix(".png")):
                if written.exists():
                    shutil.copy(written, (HERE / name).parent)
        if not note and name in READERS and not path.exists():
            note = f"no table at {path.relative_to(HERE.parent)}"
        if not note and name in READERS:
            try:
                results += [(name, result) for result in read(name, path)]
            except ValueError as error:
                note = f"FAILED: {error}"
        if note:
            notes[name] = note
    return results, notes


def main() -> None:
    """Print the table; leave with 1 if a script failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for flag in ("quick", "committed", "release"):
        parser.add_argument(f"--{flag}", action="store_true")
    parser.add_argument("--only", nargs="+", choices=scripts(), default=scripts(), metavar="NAME")
    parser.add_argument("--peer-python")
    options = parser.parse_args()
    if options.quick and options.release:
        parser.error("--quick measures nothing worth keeping: leave out --release")
    results, notes = collected(options.only, options)
    lines = [*summary(results), "", *(f"- {name}: {note}" for name, note in notes.items())]
    print("\n".join(lines))
    if options.release:
        target = HERE / "results" / f"{version('alternax')}.md"
        target.parent.mkdir(exist_ok=True)
        title = f"# Benchmarks of alternax {version('alternax')}"
        about = "From the tables beside this folder; a ratio above 1 means that ours is better."
        target.write_text("\n".join([title, "", about, "", *lines, "", machine(), ""]))
    sys.exit(any(note.startswith("FAILED") for note in notes.values()))


if __name__ == "__main__":
    main()
