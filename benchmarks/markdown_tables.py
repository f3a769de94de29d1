"""The tables that the benchmarks write, read back."""

from pathlib import Path

Table = list[dict[str, str]]


def tables(path: Path) -> list[Table]:
    """Every table of a Markdown file, each a list of rows by column."""
    found: list[Table] = []
    head: list[str] | None = None
    for line in path.read_text().splitlines():
        if not line.startswith("|"):
            head = None
            continue
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if head is None:
            head = cells
            found.append([])
        elif set("".join(cells)) - set("-: "):
            found[-1].append(dict(zip(head, cells, strict=True)))
    return found


def number(cell: str) -> float:
    """The first number of a cell such as `7.2 (9.4)` or `1,000`."""
    return float(cell.split()[0].replace(",", "").rstrip("%"))


def second(cell: str) -> float:
    """The number after the slash of a cell such as `0.25 / 0.70`."""
    return number(cell.split("/")[1].strip().rstrip(","))


def line(cells: list[str]) -> str:
    """A row of a Markdown table."""
    return f"| {' | '.join(cells)} |"
