import numpy as np
import pytest

from alternax.core.errors import InputError
from alternax.data import Sequences, csv_door


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


def test_numbers_are_read_to_the_last_digit_and_of_any_size(tmp_path):
    data = written(tmp_path, f"ds,a,b\n1,1.6999999999999999e-19,{2**70}\n2,-0.1,\n3,3,-1\n4,5e-324,1.5\n5,.5,NA\n")
    np.testing.assert_array_equal(data.x[0, :, 0], [1.6999999999999999e-19, -0.1, 3, 5e-324, 0.5])
    np.testing.assert_array_equal(data.x[0, :, 1], [2.0**70, 0, -1, 1.5, 0])
    np.testing.assert_array_equal(data.observed[0, :, 1], [True, False, True, True, False])
    with pytest.raises(InputError, match=r"Column 'a', row 1 \(time 2\): .* found inf"):
        written(tmp_path, f"ds,a\n1,1\n2,1{'0' * 400}\n")


@pytest.mark.parametrize("large", [2**63 + 1, 10**25])
def test_series_named_by_whole_numbers_of_any_size_stay_apart(tmp_path, large):
    data = written(tmp_path, f"unique_id,ds,y\n{large},1,5\n{large + 1},1,6\n-1,1,7\n")
    assert data.schema.ids == (large, large + 1, -1)
    with pytest.raises(InputError, match=r"Column 'unique_id', row 1: expected the identity of a series, found a miss"):
        written(tmp_path, f"unique_id,ds,y\n{large},1,5\n,1,6\nx,1,7\n")


def test_a_column_may_be_read_as_text(tmp_path):
    (tmp_path / "ids.csv").write_text("shop,ds\n007,1\n,2\n7,3\n")
    found = csv_door.read_table(tmp_path / "ids.csv", texts=["shop", "other"])
    assert found["shop"].fillna("-").tolist() == ["007", "-", "7"]


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
        (b"date,a\n2024-01-01,1\n2024-01-02,\xff\n", r"data.csv is not a UTF-8 text file"),
        ("date,a,b\n2024-01-01,1\n2024-01-02,2,3\n", r"the row that ends in line 2 has 2 cells, but the header has 3"),
        ("date,a\n2024-01-01,1,5\n2024-01-02,2,3\n", r"the row that ends in line 2 has 3 cells, but the header has 2"),
        ('date,a\n2024-01-01,"1\n2024-01-02,2\n', r"is not a table of equally long rows: .* inside string"),
        ('date,a\n2024-01-01,"' + "1" * 140_000, r"is not a table: .*; is a quotation mark never closed\?"),
        ("# made by hand\ndate,a\n2024-01-01,1\n", r"line 2 has 2 cells, but the header has 1"),
        (
            "date;a\n2024-01-01;1,5\n",
            r"Column 'a', row 0: expected a number, found '1,5'; write it with a decimal point",
        ),
        ("t,a\n2024-01-01T00:00Z,1\n2024-01-02T00:00,2\n", r"row 1, '2024-01-02T00:00', has none: add its offset"),
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


@pytest.mark.parametrize("name", ["a;b;c", "two\nlines", "a,b", 'say "x"', "😀", "\u200fשלום", "e\u0301"])
def test_names_of_any_make_are_kept(tmp_path, name):
    quoted = name.replace('"', '""')
    data = written(tmp_path, f'date,"{quoted}",x\n2024-01-01,1,2\n')
    assert data.schema.values == (name, "x")


def test_a_separator_that_ends_every_line_makes_no_column(tmp_path):
    assert written(tmp_path, "date,a,\n2024-01-01,1,\n2024-01-02,2,\n").schema.values == ("a",)
    assert written(tmp_path, "date,a\n2024-01-01,1,\n2024-01-02,2,\n").schema.values == ("a",)


def test_series_named_by_numbers_and_texts_stay_apart_however_far_down_the_texts_come(tmp_path):
    rows = [f"{i % 7},{i},1" for i in range(200_000)] + ["A,1,2", "1,300000,3"]
    data = written(tmp_path, "\n".join(["unique_id,ds,y", *rows, ""]))
    assert data.schema.ids == ("0", "1", "2", "3", "4", "5", "6", "A")
    assert data.x[1, data.lengths[1] - 1, 0] == 3


def test_a_bad_cell_far_down_is_named(tmp_path):
    text = "ds,y\n" + "".join(f"{i},1\n" for i in range(200_000)) + "200000,x\n"
    with pytest.raises(InputError, match=r"Column 'y', row 200000: expected a number, found 'x'"):
        written(tmp_path, text)


def test_a_file_that_memory_does_not_hold_is_refused_before_it_is_read(tmp_path, monkeypatch):
    text = "ds,a,b\n" + "".join(f"{i},1,2\n" for i in range(1000))
    monkeypatch.setattr(csv_door, "ALWAYS", 0)
    monkeypatch.setattr(csv_door, "available_memory", lambda: 50_000)
    monkeypatch.setattr(csv_door, "_check_rows", lambda *a: pytest.fail("the file was read"))
    message = (
        r"data.csv: a file of 7.9e-06 GB with 3 columns needs about 6.8e-05 GB of memory, and 5e-05 GB are free. Split"
    )
    with pytest.raises(InputError, match=message):
        written(tmp_path, text)


@pytest.mark.parametrize("room", [None, 200_000])
def test_a_file_that_memory_holds_is_read(tmp_path, monkeypatch, room):
    monkeypatch.setattr(csv_door, "ALWAYS", 0)
    monkeypatch.setattr(csv_door, "available_memory", lambda: room)
    assert written(tmp_path, "ds,a,b\n" + "".join(f"{i},1,2\n" for i in range(1000))).lengths == [1000]


def test_small_files_are_read_however_little_memory_there_is(tmp_path, monkeypatch):
    monkeypatch.setattr(csv_door, "available_memory", lambda: 0)
    assert written(tmp_path, "ds,a\n1,2\n").lengths == [1]
