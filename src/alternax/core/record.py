"""What a training run leaves behind besides the parameters."""

from dataclasses import asdict, dataclass, field

CURVES = ("train_loss", "valid_loss", "checked_at")


@dataclass(frozen=True)
class TrainingRecord:
    """The history of one call of `fit`.

    Attributes:
        seed: Seed of windows and noise.
        steps: Optimiser steps taken.
        best_step: Step whose parameters were kept.
        stopped: Why training ended: "finished", "early stop", "interrupted", or the step and quantity that was not
            finite.
        seconds: Wall time, compilation included.
        window: Rows of a training window.
        train_loss: Mean training loss of every dispatch of steps.
        valid_loss: Validation loss after it (empty without validation).
        checked_at: The steps of those two.
        note: Anything a reader of the numbers must know.
    """

    seed: int
    steps: int
    best_step: int
    stopped: str
    seconds: float
    window: int
    train_loss: tuple[float, ...] = field(repr=False)
    valid_loss: tuple[float, ...] = field(repr=False)
    checked_at: tuple[int, ...] = field(repr=False)
    note: str = ""

    def to_dict(self) -> dict:
        """Plain values, for the run's config.json."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict) -> "TrainingRecord":
        """The inverse of `to_dict`."""
        curves = {n: tuple(values[n]) for n in CURVES}
        return cls(**{**values, **curves})
