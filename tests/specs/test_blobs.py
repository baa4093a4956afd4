"""Arrays on the wire: what arrives is what was sent, under a name of its own."""

import json

import numpy as np
import pytest

from saliscope.errors import InputError
from saliscope.specs.blobs import Blob


def joined(blob, max_part):
    parts = list(blob.messages(max_part))
    return [header for header, _ in parts], b"".join(bytes(buffer) for _, buffer in parts)


@pytest.mark.parametrize("magnitude", [1e-300, 1e-12, 1.0, 1e12, 1e300])
def test_a_map_keeps_eleven_bits_of_every_value_however_small(magnitude):
    values = np.random.default_rng(0).uniform(0.001, 1, (9, 7)) * magnitude
    blob = Blob.from_map(values)
    assert blob.shape == (9, 7)
    assert blob.dtype == "float16"
    np.testing.assert_allclose(blob.array(), values, rtol=2**-11)
    assert np.abs(blob.array()).max() == np.abs(values).max()


def test_signs_zeros_and_float32_survive():
    values = np.array([[-3.0, 0.0], [1.5, -0.75]], dtype=np.float32)
    assert (Blob.from_map(values).array() == values).all()


def test_an_all_zero_map_stays_zero():
    blob = Blob.from_map(np.zeros((3, 4)))
    assert blob.scale == 1
    assert (blob.array() == 0).all()


@pytest.mark.parametrize(("bad", "count"), [(np.nan, 1), (np.inf, 1), (-np.inf, 1)])
def test_a_map_that_is_not_finite_is_refused(bad, count):
    values = np.zeros((3, 3))
    values[1, 2] = bad
    with pytest.raises(InputError, match=f"got {count} NaN or infinite values; expected a finite map"):
        Blob.from_map(values)


def test_a_map_of_complex_numbers_is_refused():
    with pytest.raises(InputError, match="complex128; expected real numbers"):
        Blob.from_map(np.zeros(3, dtype=complex))


def test_a_picture_is_sent_as_it_is_whatever_its_strides():
    pixels = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)[:, ::-1]
    blob = Blob.from_picture(pixels)
    assert (blob.array() == pixels).all()
    assert blob.scale == 1
    with pytest.raises(InputError, match="float64; expected uint8"):
        Blob.from_picture(pixels / 255)


def test_the_bytes_are_row_major_little_endian():
    big = Blob.from_map(np.array([[1.0, 0.5]], dtype=">f8"))
    assert big.data == b"\x00\x3c\x00\x38"
    assert Blob.from_map(np.array([[1.0, 0.25], [0.5, 0.125]]).T).data == bytes.fromhex("003c003800340030")


def test_the_name_tells_blobs_apart():
    pixels = np.zeros((4, 6, 3), np.uint8)
    changed = pixels.copy()
    changed[0, 0, 0] = 1
    blobs = [
        Blob.from_picture(pixels),
        Blob.from_picture(changed),
        Blob.from_picture(pixels.reshape(6, 4, 3)),
        Blob.from_map(np.zeros((4, 9))),
        Blob.from_map(np.ones((4, 9))),
        Blob.from_map(2 * np.ones((4, 9))),
    ]
    names = {blob.hash for blob in blobs}
    assert len(names) == len(blobs)
    assert all(len(name) == 32 and int(name, 16) >= 0 for name in names)
    assert Blob.from_picture(pixels.copy()).hash == blobs[0].hash


@pytest.mark.parametrize(("max_part", "parts"), [(1 << 20, 1), (72, 1), (71, 2), (10, 8)])
def test_a_blob_arrives_in_parts_of_bounded_size(max_part, parts):
    blob = Blob.from_picture(np.arange(72, dtype=np.uint8).reshape(4, 6, 3))
    headers, data = joined(blob, max_part)
    assert data == blob.data
    assert [header["part"] for header in headers] == list(range(parts))
    assert all(len(buffer) <= max_part for _, buffer in blob.messages(max_part))
    assert json.loads(json.dumps(headers[-1])) == {
        "event": "blob",
        "hash": blob.hash,
        "part": parts - 1,
        "parts": parts,
        "dtype": "uint8",
        "shape": [4, 6, 3],
        "scale": 1.0,
    }


def test_parts_are_a_mebibyte_by_default():
    blob = Blob.from_picture(np.zeros((1 << 20) + 1, np.uint8))
    assert [len(buffer) for _, buffer in blob.messages()] == [1 << 20, 1]


def test_an_empty_blob_is_one_empty_message():
    headers, data = joined(Blob.from_map(np.zeros((0, 4, 4))), 10)
    assert len(headers) == 1
    assert data == b""
