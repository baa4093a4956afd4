"""Cards of the methods that average over noisy inputs."""

from saliscope.specs.saliency import Card

SMOOTH_GRAD = Card(
    shows="The gradient of the score after blurring the model itself with Gaussian noise on its input.",
    assumes="Speckle is an accident of this very pixel grid, and the model answers noisy pictures sensibly.",
    costs="One forward and backward pass for each sample, and one forward pass for the picture.",
    fails=(
        "The noise level decides what is seen: too little leaves the speckle, too much explains pictures "
        "that the model never saw. No theory sets it. A smooth map is not a truer one: in ROAR its "
        "ranking of the pixels was no better than that of the plain gradient (Hooker et al. 2018, arXiv "
        "1806.10758). Few samples leave noise of the method's own: look at the change when the samples "
        "double."
    ),
    reference="Smilkov et al. 2017, arXiv 1706.03825",
)
