"""What is known of every row: which columns are categories, numbers or texts, and what is refused."""

import numpy as np
import pytest
import torch

from saliscope import InputError
from saliscope.sessions.columns import columns_of, labels_of, predicted
from saliscope.specs.embedding import MISSING_CODE


def one(values, n=None):
    return columns_of({"x": values}, len(values) if n is None else n)["column:x"]


@pytest.mark.parametrize(
    ("values", "kind", "texts"),
    [
        ([0.5, np.nan, 2.0], "number", ["0.5", "", "2"]),
        ([3, 1, 3], "category", ["3", "1", "3"]),
        (list(range(30)), "number", [str(i) for i in range(30)]),
        ([True, False, True], "category", ["True", "False", "True"]),
        (["b", None, "a"], "category", ["b", "", "a"]),
        ([f"file {i}" for i in range(1001)], "text", [f"file {i}" for i in range(1001)]),
    ],
)
def test_kinds(values, kind, texts):
    known = one(values)
    assert known.kind == kind
    assert [known.text(i) for i in range(len(values))] == texts


def test_categories_of_numbers_are_in_the_order_of_numbers():
    assert one([10, 9, 10]).names == ("9", "10")


def test_a_gap_crosses_as_the_code_or_the_number_that_is_none():
    column, (blob,) = one(["b", None, "a"]).spec()
    assert (column.kind, column.codes, blob.dtype) == ("category", blob.hash, "uint16")
    assert blob.array().tolist() == [1, MISSING_CODE, 0]
    column, (blob,) = one([0.5, np.nan, 2.0]).spec()
    assert (column.values, blob.dtype) == (blob.hash, "float16")
    assert np.isnan(blob.array()).tolist() == [False, True, False]


def test_a_data_frame_is_its_columns():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": [1.5, 2.5], "b": ["x", "y"]})
    assert [*columns_of(frame, 2)] == ["column:a", "column:b"]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"x": [1, 2]}, r"`columns\['x'\]`: got 2 values; expected 3, one for each row"),
        ({"x": np.zeros((3, 2))}, r"got an array of shape \(3, 2\)"),
        ({"x": [1.0, np.inf, 2.0]}, r"got infinite values, in rows 1"),
        ({"x": "abc"}, r"got a str; expected a sequence of 3"),
        ([1, 2, 3], "`columns`: got a list; expected a dict"),
    ],
)
def test_columns_that_fit_no_rows(columns, message):
    with pytest.raises(InputError, match=message):
        columns_of(columns, 3)


class TestLabels:
    def test_whole_numbers_are_indices_of_classes(self):
        known = labels_of(torch.tensor([1, 0, -1]), ["cat", "dog"], 3)
        assert (known.names, known.codes.tolist()) == (("cat", "dog"), [1, 0, MISSING_CODE])
        assert labels_of([1, 0], None, 2).names == ("class 0", "class 1")

    def test_names_are_those_of_the_classes_where_they_are(self):
        assert labels_of(["dog", "cat"], ["cat", "dog"], 2).codes.tolist() == [1, 0]
        assert labels_of(["oak", "elm"], ["cat", "dog"], 2).names == ("elm", "oak")

    @pytest.mark.parametrize(
        ("labels", "message"),
        [
            ([0, 1, 2, 1], "`labels`: got 4 labels; expected 3, one for each row"),
            ([0, 5, 1], "got class 5 in row 1; expected classes from 0 to 1"),
            ([0, -3, 1], "got class -3 in row 1"),
        ],
    )
    def test_that_fit_no_rows(self, labels, message):
        with pytest.raises(InputError, match=message):
            labels_of(labels, ["cat", "dog"], 3)


class TestPredicted:
    scores = torch.tensor([[2.0, 0.0], [0.0, 1.0], [3.0, 0.0]])

    def test_class_confidence_and_whether_it_is_right(self):
        found = predicted(self.scores, ("cat", "dog"), labels_of([0, 0, -1], ["cat", "dog"], 3))
        assert [found["prediction"].text(i) for i in range(3)] == ["cat", "dog", "cat"]
        np.testing.assert_allclose(found["confidence"].values, self.scores.softmax(1).amax(1), rtol=1e-6)
        assert [found["correct"].text(i) for i in range(3)] == ["right", "wrong", ""]

    def test_names_that_the_model_does_not_know_are_neither_right_nor_wrong(self):
        assert "correct" not in predicted(
            self.scores, ("cat", "dog"), labels_of(["oak", "elm", "elm"], None, 3)
        )

    def test_one_output_is_a_probability(self):
        found = predicted(torch.tensor([[0.0], [3.0]]), ("ill",), None)
        assert [*found] == ["confidence"]
        assert found["confidence"].text(0) == "0.5"
