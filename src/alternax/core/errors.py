"""The errors a caller can meet, all ordinary ValueError or TypeError underneath."""


class InputError(ValueError):
    """Something handed in at the door is not what was expected; the message says what, where and what to do."""


class ModelFileError(ValueError):
    """A model directory cannot be read: missing, truncated, of another version, or not ours."""


class TrainingError(RuntimeError):
    """Training cannot go on; the message names the step and the quantity."""


class InferenceError(RuntimeError):
    """An estimate cannot be made from these data; the message names the row, the quantity and what to do."""
