"""The peer of recurrent.py: torch's LSTM and GRU; prints milliseconds forward, and forward and backward, as JSON.

Runs in an environment of its own with torch and numpy: python torch_recurrent.py KIND BATCH LENGTH WIDTH REPEATS
"""

import json
import sys
import time

import torch


def milliseconds(call, repeats: int) -> dict[str, float]:
    """The fastest of `repeats` calls after one to warm up: wall time, and processor time of all threads."""
    call()
    wall, processor = [], []
    for _ in range(repeats):
        started = time.perf_counter(), time.process_time()
        call()
        wall.append(time.perf_counter() - started[0])
        processor.append(time.process_time() - started[1])
    return {"wall": 1e3 * min(wall), "processor": 1e3 * min(processor)}


def main() -> None:
    kind, (batch, length, width, repeats) = sys.argv[1], map(int, sys.argv[2:])
    torch.manual_seed(0)
    layer = getattr(torch.nn, kind)(width, width, batch_first=True)
    x = torch.randn(batch, length, width, requires_grad=True)

    @torch.no_grad()
    def forward():
        layer(x)

    def both():
        layer.zero_grad()
        x.grad = None
        (layer(x)[0] ** 2).sum().backward()

    found = {"forward": milliseconds(forward, repeats), "both": milliseconds(both, repeats), "torch": torch.__version__}
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
