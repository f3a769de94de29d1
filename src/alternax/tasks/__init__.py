"""What can be asked of any model: pure functions of a `Model` and a batched `Sequence`."""

from alternax.tasks import forecast, infer, latents, smooth

__all__ = ["forecast", "infer", "latents", "smooth"]
