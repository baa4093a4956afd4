"""The demo room from outside: names, laziness, photographs."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import saliscope.demo
from saliscope import demo
from saliscope.errors import InputError


def modules_after(code):
    script = f"import sys\n{code}\nprint(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_the_room_loads_neither_torch_nor_scikit_learn():
    assert not modules_after("import saliscope.demo") & {"torch", "sklearn", "numpy", "PIL"}


def test_scenes_need_no_torch():
    loaded = modules_after("from saliscope.demo import scenes; scenes(2)")
    assert "sklearn" in loaded
    assert "torch" not in loaded


def test_scenes_stays_a_function_whatever_was_imported():
    import saliscope.demo.factors
    import saliscope.demo.models
    import saliscope.demo.scene_maker
    import saliscope.demo.train  # noqa: F401

    assert len(demo.scenes(2, seed=0)) == 2


def test_public_names_exist():
    assert dir(demo) == sorted(demo.__all__)
    for name in demo.__all__:
        assert getattr(saliscope.demo, name).__name__ == name


def test_unknown_names_are_attribute_errors():
    with pytest.raises(AttributeError, match="has no attribute 'vgg'"):
        _ = demo.vgg


@pytest.mark.parametrize(("name", "is_orange"), [("china", False), ("flower", True)])
def test_photographs(name, is_orange):
    picture = demo.photo(name)
    assert isinstance(picture, Image.Image)
    assert (picture.mode, picture.size) == ("RGB", (640, 427))
    red, _, blue = np.asarray(picture).reshape(-1, 3).T.astype(int)
    assert (np.mean(red - blue > 60) > 0.1) == is_orange


def test_a_photograph_is_a_fresh_copy():
    demo.photo("china").paste((0, 0, 0), (0, 0, 640, 427))
    assert np.asarray(demo.photo("china")).any()


def test_an_unknown_photograph_is_named():
    with pytest.raises(InputError, match="`name`: got 'cat'; expected one of 'china', 'flower'"):
        demo.photo("cat")
