"""Codes and ids on the wire, and that every message of a map is JSON."""

import json

import numpy as np
import pytest

from saliscope.errors import InputError
from saliscope.specs.blobs import Blob
from saliscope.specs.embedding import Layout, Row, WorkState


@pytest.mark.parametrize(
    ("pack", "dtype", "most"),
    [(Blob.from_codes, "uint16", 2**16 - 1), (Blob.from_ids, "uint32", 2**32 - 1)],
)
def test_whole_numbers_survive_little_endian(pack, dtype, most):
    values = np.array([[0, 1], [258, most]], dtype=np.int64)
    blob = pack(values)
    assert (blob.dtype, blob.shape, blob.scale) == (dtype, (2, 2), 1.0)
    assert blob.array().tolist() == values.tolist()
    assert blob.data[2 * blob.array().itemsize :][:2] == b"\x02\x01"
    assert pack(np.array([])).array().size == 0


@pytest.mark.parametrize(
    ("pack", "values", "message"),
    [
        (
            Blob.from_codes,
            [0, 2**16],
            "`codes`: got numbers from 0 to 65536; expected whole numbers from 0 to 65535",
        ),
        (Blob.from_codes, [-1, 3], "got numbers from -1 to 3"),
        (Blob.from_codes, [0.5], "got an array of float64"),
        (Blob.from_ids, [2**32], "`ids`: got numbers from 4294967296"),
    ],
)
def test_other_numbers_are_refused(pack, values, message):
    with pytest.raises(InputError, match=message):
        pack(np.array(values))


def test_a_column_may_have_gaps_and_no_infinity():
    blob = Blob.from_map(np.array([1.0, np.nan, -2.0]), gaps=True)
    np.testing.assert_array_equal(blob.array(), [1, np.nan, -2])
    assert Blob.from_map(np.array([np.nan]), gaps=True).scale == 1
    with pytest.raises(InputError, match="1 NaN or infinite"):
        Blob.from_map(np.array([1.0, np.inf, np.nan]), gaps=True)


def test_messages_are_json():
    layout = Layout(1, 0, "tsne", "final", 3, 3, "ab", (0.0, 1.0, 2.0, 3.0), seconds=float("nan"))
    told = json.loads(json.dumps(layout.to_json()))
    assert (told["box"], told["numbers"]["kept"], told["seconds"]) == ([0, 1, 2, 3], None, None)
    row = Row(1, [2], [0.5], {0: [3]}, {}, {"label": "cat"})
    assert json.loads(json.dumps(row.to_json()))["false"] == {"0": [3]}
    assert WorkState("running", 1, what="neighbors").to_json()["what"] == "neighbors"
