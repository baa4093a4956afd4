"""Cards of the methods that average over random points of random paths."""

from saliscope.specs.saliency import Card

EXPECTED_GRADIENTS = Card(
    shows=(
        "How much each pixel contributed to the difference between the score of the picture and the mean "
        "score of the baselines: Integrated Gradients, averaged over baselines that are drawn at random."
    ),
    assumes=(
        "The baselines stand for the absence of what is asked about: pictures of the data set show what "
        "makes this one different from a usual one. The mixtures on the way are pictures that the model "
        "answers sensibly."
    ),
    costs=(
        "One forward and backward pass for each sample, and one forward pass for the picture and for each "
        "baseline that comes up."
    ),
    fails=(
        "The error falls slowly where many baselines or noise are drawn, as one over the square root of the "
        "samples: look at the standard error. "
        "Averaged over a data set, a pixel is compared with what is usual there, which need not mean that it "
        "is absent (Sturmfels, Lundberg and Lee 2020, doi 10.23915/distill.00022). What holds of Integrated "
        "Gradients holds here: adding up proves little (Bilodeau et al. 2022, arXiv 2212.11870)."
    ),
    reference="Erion et al. 2019, arXiv 1906.10670",
)

GRADIENT_SHAP = Card(
    shows=(
        "Expected gradients with noise on the picture as well: how much each pixel contributed to the "
        "difference between the mean score of noisy copies of the picture and that of the baselines."
    ),
    assumes=(
        "As for expected gradients, and that the model answers noisy pictures sensibly. The values are "
        "Shapley values only where the model is linear and the pixels are independent."
    ),
    costs=EXPECTED_GRADIENTS.costs,
    fails=(
        "The noise level decides what is seen, and with noise the map sums to the score of noisy copies, not "
        "of the picture: the gap shows both. Otherwise as expected gradients. The name promises more than "
        "the method gives: on a network it is no estimate of Shapley values."
    ),
    reference="Lundberg and Lee 2017, arXiv 1705.07874, as GradientExplainer in the shap package",
)
