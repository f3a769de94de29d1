"""torch's LSTM and GRU on random weights: python golden_rnn.py, with torch, numpy and safetensors installed."""

import torch
from record import record

DIM, LENGTH = 4, 9


def main() -> None:
    """Weights, inputs, first and last states, outputs, and the gradients of the sum of squared outputs."""
    for kind in ("LSTM", "GRU"):
        torch.manual_seed(0)
        layer = getattr(torch.nn, kind)(DIM, DIM)
        x, first = torch.randn(LENGTH, DIM, requires_grad=True), torch.randn(2, 1, DIM)
        y, last = layer(x, (first[0], first[1]) if kind == "LSTM" else first[0])
        last = torch.cat(last) if kind == "LSTM" else last
        (y**2).sum().backward()
        weights = dict(layer.named_parameters())
        gradients = {f"grad_{name}": weight.grad for name, weight in weights.items()}
        rows = {"x": x, "grad_x": x.grad, "first": first[:, 0], "y": y, "last": last}
        tensors = {**weights, **gradients, **rows}
        record(kind.lower(), {k: v.detach().numpy() for k, v in tensors.items()}, ["torch", "numpy"])


if __name__ == "__main__":
    main()
