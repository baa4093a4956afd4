"""Classes of pictures as somebody writes them down."""

import re

import numpy as np
import pytest
import torch

from saliscope import InputError, TargetError
from saliscope.core.labels import class_labels
from tests.core.helpers import unchecked


@pytest.mark.parametrize(
    "labels",
    [[0, "cat"], (0, "cat"), [np.int64(0), np.str_("cat")], iter([torch.tensor(0), "cat"])],
    ids=["list", "tuple", "numbers of numpy", "iterator"],
)
def test_labels_are_indices_or_names_one_for_each(labels):
    found = class_labels(labels, 2, "maps")
    assert found == (0, "cat")
    assert [type(one) for one in found] == [int, str]


@pytest.mark.parametrize("labels", [np.array([2, 0]), torch.tensor([2, 0]), range(2, -1, -2)])
def test_labels_may_be_an_array(labels):
    assert class_labels(labels, 2, "maps") == (2, 0)


@pytest.mark.parametrize(
    ("labels", "error", "text"),
    [
        (3, InputError, "`labels`: got 3; expected a list with the class of each of 2 maps."),
        (torch.tensor(3), InputError, "`labels`: got 3; expected a list"),
        ("ab", InputError, "`labels`: got 'ab'; expected a list"),
        ({0: 1, 1: 2}, InputError, "`labels`: got an object of type dict; expected a list"),
        ([1, 2, 3], InputError, "`labels`: got 3 labels for 2 maps; expected one for each."),
        ([[1], [2]], InputError, "`labels[0]`: got [1]; expected a class index or the name of a class."),
        ([0, 1.5], InputError, "`labels[1]`: got 1.5; expected a class index"),
        ([0, None], InputError, "`labels[1]`: got None; expected a class index"),
        ([0, True], InputError, "`labels[1]`: got True; expected a class index"),
        ([0, -1], TargetError, "`labels[1]`: got -1; expected a class index from 0 on, or a name. Leave out"),
    ],
)
def test_what_says_no_class_of_each_is_refused(labels, error, text):
    with unchecked(), pytest.raises(error, match="^" + re.escape(text)):
        class_labels(labels, 2, "maps")
