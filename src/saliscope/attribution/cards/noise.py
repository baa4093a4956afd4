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
        "1806.10758). Few samples leave noise of the method's own: look at the map's standard error."
    ),
    reference="Smilkov et al. 2017, arXiv 1706.03825",
)

SMOOTH_GRAD_SQUARED = Card(
    shows="Where the gradient is large, of either sign, on noisy copies of the picture.",
    assumes="As SmoothGrad; and that a pixel matters where the score reacts to it, whichever way.",
    costs="As SmoothGrad: one forward and backward pass for each sample.",
    fails=(
        "The sign is gone: evidence for and against look alike. Squares favour few large values, so the map "
        "looks sharper than it is certain. It did well in ROAR (Hooker et al. 2018, arXiv 1806.10758), a "
        "benchmark that rewards blurred maps (arXiv 2304.13836): no proof that it is truer."
    ),
    reference="Hooker et al. 2018, arXiv 1806.10758",
)

VAR_GRAD = Card(
    shows="Where the gradient changes most from one noisy copy of the picture to the next.",
    assumes="A pixel is important where the model's slope there depends on the details of the picture.",
    costs="As SmoothGrad: one forward and backward pass for each sample.",
    fails=(
        "It measures curvature, not importance: to first order it is the noise's variance times the squared "
        "second derivatives, and on a linear model it is zero, however large the weights are (Seo et al. "
        "2018, arXiv 1806.03000). The slope itself is subtracted. Its own error falls slowly: a variance "
        "needs more samples than a mean."
    ),
    reference="Adebayo et al. 2018, arXiv 1810.03307",
)
