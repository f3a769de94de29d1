import numpy as np
import pytest

from alternax.core.errors import InputError
from alternax.data import Sequences


def written(tmp_path, text, **options):
    path = tmp_path / "data.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return Sequences.from_csv(path, **options)


@pytest.mark.parametrize(
    "text",
    [
        "date,a,b\n2024-01-01,1,\n2024-01-02,2,3\n",
        "date;a;b\n2024-01-01;1;NA\n2024-01-02;2;3\n",
        "\ufeffdate\ta\tb\r\n2024-01-01\t1\tnan\r\n2024-01-02\t2\t3\r\n",
        ",date,a,b\n0,2024-01-01,1,\n1,2024-01-02,2,3\n",
        "date, a, b\n2024-01-01, 1, \n2024-01-02, 2, 3\n\n",
    ],
)
def test_a_file_of_dates_and_numbers_needs_no_other_argument(tmp_path, text):
    data = written(tmp_path, text)
    assert data.schema.values == ("a", "b")
    assert data.schema.step == "D"
    np.testing.assert_array_equal(data.x, [[[1, 0], [2, 3]]])
    np.testing.assert_array_equal(data.observed, [[[True, False], [True, True]]])


def test_long_files_are_recognised(tmp_path):
    data = written(tmp_path, "unique_id,ds,y\na,1,5\na,2,6\nb,1,7\n")
    np.testing.assert_array_equal(data.x[..., 0], [[5, 6], [7, 0]])


def test_daylight_saving_offsets_in_text_keep_the_instants(tmp_path):
    data = written(tmp_path, "t,a\n2024-03-31T01:00+01:00,1\n2024-03-31T03:00+02:00,2\n")
    np.testing.assert_array_equal(data.times, [np.array(["2024-03-31T00", "2024-03-31T01"], "datetime64[ns]")])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"data.csv is empty: expected a header and at least one row"),
        ("\n\n", r"data.csv is empty"),
        ("date,a,b,a\n2024-01-01,1,2,3\n", r"data.csv: Column 'a' is named twice"),
        ("2024-01-01,1\n2024-01-02,2\n", r"expected column names in the first line, found the time stamp '2024-01-01'"),
        ("date,a\n", r"data.csv has a header but no rows"),
        (
            "date,a\n2024-01-01,1\n2024-01-02,oops\n",
            r"data.csv: Column 'a', row 1: expected a number, found 'oops'; correct the cell. \(Rows are counted",
        ),
        ("date,a\n2024-01-01,1\n2024-01-02,2,3\n", r"data.csv is not a table of equally long rows"),
        ("a,b\n1,2\n", r"data.csv: No time column found: none of the columns 'a', 'b'"),
        ("start,end,a\n2024-01-01,2024-01-02,2\n", r"More than one possible time column: 'start', 'end'"),
        ("date,a\n2024-01-01,\n2024-01-02,\n", r"Column 'a' has no observed value at all"),
        (b"date,\xff\xfe\n2024-01-01,1\n", r"data.csv is not a UTF-8 text file"),
    ],
)
def test_files_that_do_not_fit_are_refused(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        written(tmp_path, text)


def test_unknown_column_missing_file_and_folder(tmp_path):
    with pytest.raises(InputError, match=r"data.csv: Unknown column 'when': expected one of 'date', 'a'"):
        written(tmp_path, "date,a\n2024-01-01,1\n", time="when")
    with pytest.raises(InputError, match=r"No such file: .*other.csv \(looked in "):
        Sequences.from_csv(tmp_path / "other.csv")
    with pytest.raises(InputError, match=r"Expected a CSV file, found a folder"):
        Sequences.from_csv(tmp_path)
