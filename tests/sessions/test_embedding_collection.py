"""Rows: pictures that are made when somebody looks, and data that cannot be mapped."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, TensorDataset

from saliscope import InputError, ReductionError
from saliscope.sessions.collection import THUMBNAIL, Collection
from tests.sessions.embedding_tools import clusters
from tests.sessions.tools import photo, tiny


def test_pictures_are_what_the_model_is_fed_and_prepared_only_then(monkeypatch):
    opened = []
    real = Image.open
    monkeypatch.setattr(Image, "open", lambda path, *a, **k: opened.append(path) or real(path, *a, **k))
    collection = Collection(tiny(), [photo(i) for i in range(5)], transform={"input_size": (3, 4, 5)})
    assert (collection.n, collection.picture(3).shape) == (5, (4, 5, 3))
    collection = Collection(tiny(), ["nowhere-0.png", "nowhere-1.png", "nowhere-2.png"])
    assert opened == []
    with pytest.raises(InputError, match=r"`images\[1\]`"):
        collection.picture(1)


def test_thumbnails_show_the_whole_picture_with_grey_beside_it():
    wide = np.zeros((10, 20, 3), np.uint8)
    collection = Collection(tiny(), [wide + i for i in range(4)])
    made = collection.thumbnails([2, 0, 2])
    assert made.shape == (3, THUMBNAIL, THUMBNAIL, 3)
    assert (made[0] == made[2]).all()
    assert (made[0, : THUMBNAIL // 4] == 128).all()
    assert (made[0, THUMBNAIL // 4 : 3 * THUMBNAIL // 4] == 2).all()


def test_pictures_of_a_table_may_be_grey_and_of_any_range():
    data, _ = clusters(6)
    collection = Collection(data, np.linspace(0, 16, 6 * 16).reshape(6, 4, 4))
    assert collection.picture(5)[-1, -1].tolist() == [255, 255, 255]
    assert "stretched from 0 (black) to 16 (white)" in " ".join(collection.notes)


def test_a_data_set_is_read_in_its_order():
    inputs = torch.rand(6, 3, 5, 5)
    loader = DataLoader(TensorDataset(inputs, torch.arange(6)), batch_size=4)
    assert torch.equal(Collection(tiny(), loader).rows.inputs([4, 1]), inputs[[4, 1]])
    with pytest.raises(InputError, match="`images`: got a DataLoader that shuffles"):
        Collection(tiny(), DataLoader(TensorDataset(inputs), shuffle=True))


def test_names_of_files_are_searched_and_texts():
    paths = [f"somewhere/cat-{i}.png" for i in range(4)]
    assert Collection(tiny(), paths).texts()[2] == "cat-2.png"
    data, _ = clusters(1100)
    assert Collection(data).texts() is None
    assert Collection(data, columns={"id": [f"row {i}" for i in range(1100)]}).texts()[7] == "row 7"


class TestBadInput:
    def test_images_that_do_not_match_the_rows(self):
        with pytest.raises(InputError, match="`images`: got 4 pictures; expected 6, one for each row"):
            Collection(clusters(6)[0], [photo(i) for i in range(4)])

    def test_rows_that_are_no_numbers_are_named(self):
        data = clusters(8)[0]
        data[2, 1], data[5, 0] = np.nan, np.inf
        with pytest.raises(ReductionError, match=r"`data`: got NaN or infinity in rows 2, 5 \(2 of 8\)"):
            Collection(data)

    def test_constant_columns_are_stated_and_equal_rows_refused(self):
        data = clusters(8)[0]
        data[:, 1] = 4
        assert "1 of 5 columns are constant" in Collection(data).notes[0]
        with pytest.raises(ReductionError, match="rows that are all equal"):
            Collection(np.ones((8, 3)))

    def test_equal_rows_are_counted(self):
        data = clusters(9)[0]
        data[7], data[2, 0] = data[3], 0
        data[5] = data[2] * [-1, 1, 1, 1, 1]  # -0 is 0
        assert "4 of 9 rows are equal to another one" in Collection(data).notes[0]
        assert Collection(clusters(9)[0]).notes == ()

    @pytest.mark.parametrize("n", [1, 2])
    def test_too_few_rows(self, n):
        with pytest.raises(ReductionError, match=f"`data`: got {n} rows?; expected at least 3"):
            Collection(np.eye(3)[:n])

    def test_a_model_without_images(self):
        with pytest.raises(InputError, match="`images`: got None; expected the model's inputs"):
            Collection(tiny())

    @pytest.mark.parametrize("row", [-1, 6, 1.5, True, "1", None])
    def test_numbers_of_rows(self, row):
        with pytest.raises(InputError, match="the number of a row, from 0 to 5"):
            Collection(clusters(6)[0]).check(row)
