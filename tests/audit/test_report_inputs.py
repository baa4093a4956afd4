"""What a report is made of: the sample, its methods, and what is refused."""

import numpy as np
import pytest

from saliscope.attribution import GradCAM, InputXGradient, Saliency
from saliscope.core.targets import Target
from saliscope.errors import InputError, MethodError, SaliscopeError, TargetError
from tests.audit.tools import NAMES, N, Net, audit, brightness, pictures, quick


def test_a_sample_is_drawn_by_the_seed_and_takes_labels_and_masks_along():
    images, labels, masks = pictures()
    found = audit(n_images=3, seed=1)
    picks = [case.number for case in found.cases]
    assert len(picks) == 3
    assert picks == sorted(picks)
    assert found.given == N
    assert [case.truth for case in found.cases] == [NAMES[labels[i]] for i in picks]
    np.testing.assert_array_equal(found.pictures, images[picks])
    alone = audit(images=[images[i] for i in picks], labels=[labels[i] for i in picks], masks=masks[picks])
    np.testing.assert_allclose(
        found.measures.values("Product", "mass").numpy(), alone.measures.values("Product", "mass").numpy()
    )
    assert [case.number for case in audit(n_images=3, seed=1).cases] == picks
    others = {
        tuple(case.number for case in audit(n_images=3, seed=s, measures=["seconds"]).cases) for s in range(4)
    }
    assert len(others) > 1


def test_a_layer_is_read_by_maps_that_have_none_of_their_own():
    methods = [GradCAM(), GradCAM(layer="conv"), Saliency(), "saliency"]
    found = audit(methods=methods, measures=["seconds"], layer="conv")
    titles = [row.name for row in found.rows if not row.reference]
    assert titles == ["Grad-CAM", "Grad-CAM (2)", "Saliency (gradient)", "Saliency (gradient) (2)"]
    assert all(found.measures.row(title).method.layer == "conv" for title in titles[:2])
    assert found.measures.row(titles[2]).method.layer is None


def test_an_object_of_captum_is_a_method():
    attr = pytest.importorskip("captum.attr")
    model, images = Net(), pictures()[0]
    made, measures = attr.InputXGradient(model), quick()[:1]
    ours = audit(model, images, methods={"ours": InputXGradient()}, measures=measures).table["ours"]
    for given, title in (([made], "captum InputXGradient"), ({"theirs": made}, "theirs")):
        found = audit(model, images, methods=given, measures=measures)
        assert found.measures.row(title).error == ""
        assert found.table[title]["deletion"].mean == pytest.approx(ours["deletion"].mean)


IMAGES, _, MASKS = pictures()


@pytest.mark.parametrize(
    ("error", "words", "options"),
    [
        (InputError, "`images`: got an empty list", {"images": []}),
        (InputError, "`images`: got a batch of shape", {"images": IMAGES[:0]}),
        (InputError, r"`images\[0\]`: got an object of type int", {"images": [3]}),
        (InputError, "`labels`: got 3 labels for 6 pictures", {"labels": NAMES}),
        (InputError, "names of all classes go into sp.borrow", {"labels": NAMES}),
        (InputError, r"`labels\[1\]`: got 0.5", {"labels": [0, 0.5, 1, 0, 1, 0]}),
        (InputError, "`labels`: got an object of type object", {"labels": object()}),
        (InputError, "`labels`: got .* function.*goes into target=", {"labels": brightness}),
        (InputError, "`labels`: got labels beside", {"target": brightness, "labels": [0] * N}),
        (MethodError, "`explain`: got 'label' beside", {"target": brightness, "explain": "label"}),
        (TargetError, r"`target`: got 3.*labels=\[\.\.\.\], with explain='label'", {"target": 3}),
        (TargetError, "`target`: got 'left'", {"target": "left"}),
        (TargetError, r"`target`: got Target\(index=1, output='margin'", {"target": Target(1, "margin")}),
        (TargetError, "`target`: got a score of shape", {"target": lambda out: out}),
        (TargetError, "`target`: got a score that is NaN", {"target": lambda out: out[:, 0] * np.nan}),
        (TargetError, "`labels`: got 'centre'", {"labels": ["centre"] * N}),
        (InputError, "`labels`: got None", {"explain": "label"}),
        (MethodError, "`explain`: got 'truth'", {"explain": "truth"}),
        (TargetError, "`labels`: got 7", {"labels": [7] * N}),
        (TargetError, "sp.borrow", {"model": Net(), "labels": ["left"] * N}),
        (InputError, r"`masks\[0\]`: got shape \(5, 5\)", {"masks": np.zeros((N, 5, 5), bool)}),
        (InputError, "`masks`: got 2 of them for 6 pictures", {"masks": MASKS[:2]}),
        (InputError, "`masks`: got values beside 0 and 1", {"masks": 7 * MASKS}),
        (InputError, "`marks`: got an object of type object", {"marks": object()}),
        (MethodError, "`n_images`: got 0", {"n_images": 0}),
        (MethodError, "`seed`: got -1", {"seed": -1}),
        (MethodError, "`methods`: got 'grad_camera'.*'grad_cam'", {"methods": ["grad_camera"]}),
        (MethodError, r"`methods\['mine'\]`: got 'grad_camera'", {"methods": {"mine": "grad_camera"}}),
        (MethodError, "`methods`: got an object of type int", {"methods": [3]}),
        (MethodError, "`methods`: got an empty list", {"methods": []}),
        (MethodError, "`measures`: got 'deleting'", {"measures": ["deleting"]}),
        (InputError, "`out`: got .*no folder", {"out": "/nowhere/at/all.html"}),
        (InputError, "`out`: got .*no folder", {"out": "/nowhere/at/all.json"}),
        (TargetError, r"`labels\[0\]`: got -1", {"labels": [-1] * N}),
        (MethodError, "`mesures`: .*Did you mean 'measures'", {"mesures": ["mass"]}),
        (MethodError, "`methods`: got the class Net", {"methods": [Net]}),
    ],
)
def test_bad_input_is_refused_in_words(error, words, options):
    options = {"images": IMAGES} | options
    with pytest.raises(error, match=words) as caught:
        audit(**options)
    assert isinstance(caught.value, SaliscopeError)
