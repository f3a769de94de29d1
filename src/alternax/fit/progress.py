"""A progress bar with rate, loss and time left; silent when nobody watches."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress_bar(steps: int, shown: bool, first: int = 0) -> Iterator[Callable[[int, float, float | None], None]]:
    """Yields `report(step, loss, valid)`, to be called now and then; `first` steps are done already."""
    if not shown:
        yield lambda step, loss, valid: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("training"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]} steps/s"),
        TextColumn("{task.fields[losses]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=False) as bar:
        task = bar.add_task("training", total=steps, completed=first, losses="compiling", rate="-")

        def report(step: int, loss: float, valid: float | None) -> None:
            losses = f"loss {loss:.4f}" + ("" if valid is None else f"  valid {valid:.4f}")
            speed = bar.tasks[task].speed
            bar.update(task, completed=step, losses=losses, rate="-" if speed is None else f"{speed:.0f}")

        yield report
