"""The benchmarks' summary: every committed table can be read, and a ratio above 1 means that ours is better."""

import sys
from pathlib import Path

import pytest

HOME = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture(scope="module")
def summary():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(HOME))
        for name in ("markdown_tables", "summary"):
            patch.delitem(sys.modules, name, raising=False)
        import summary

        return summary


def test_every_committed_table_is_read(summary):
    paths = [path for path in sorted(HOME.glob("*.md")) if path.stem in summary.READERS]
    assert len(paths) >= 9
    for path in paths:
        results = summary.read(path.stem, path)
        assert results, path
        assert all(result.ours > 0 and result.case and result.what for result in results)
        assert any(result.plain or result.peer for result in results), path


def test_ratios_are_above_one_where_ours_is_better(summary):
    faster = summary.Result("a", "ms", 2.0, 3.0, 1.0)
    assert faster.cells("b") == ["b", "a", "ms", "2", "3", "1.50", "1", "0.50"]
    righter = summary.Result("a", "accuracy", 0.9, 0.6, higher=True)
    assert righter.cells("b")[3:] == ["0.9", "0.6", "1.50", "-", "-"]


def test_numbers_come_from_the_columns_they_name(summary, tmp_path):
    path = tmp_path / "linear_scan.md"
    path.write_text(
        "# Title\n\n| dtype | width | length | sequential | plain |\n|---|---|---|---|---|\n"
        "| float32 | 16 | 1,000 | 0.10 / 0.50 | 0.20 / 1.50 |\n\nMachine.\n"
    )
    (result,) = summary.read("linear_scan", path)
    assert result == summary.Result("float32, width 16, 1,000 rows", "forward and backward, ms", 0.5, 1.5)
    path.write_text("| a | b |\n|---|---|\n| 1 | 2 |\n")
    with pytest.raises(ValueError, match=r"linear_scan\.md is not the table that linear_scan\.py writes \(KeyError"):
        summary.read("linear_scan", path)
