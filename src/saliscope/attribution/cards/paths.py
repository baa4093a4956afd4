"""Cards of the methods that integrate along a path."""

from saliscope.specs.saliency import Card

INTEGRATED_GRADIENTS = Card(
    shows=(
        "How much each pixel contributed to the change of the score on the straight way from the baseline "
        "to the picture. The values sum to that change."
    ),
    assumes=(
        "The baseline means nothing to see, and the pictures on the way, which no camera took, are "
        "pictures that the model answers sensibly."
    ),
    costs=(
        "One forward and backward pass for each step and baseline, one forward pass for each baseline and "
        "one for the picture."
    ),
    fails=(
        "Blind to what is like the baseline: a black one never highlights black (Sturmfels, Lundberg and "
        "Lee 2020, doi 10.23915/distill.00022). The factor input - baseline draws edges, also for a "
        "random network (Adebayo et al. 2018, arXiv 1810.03292). Adding up proves little: a small gap "
        "bounds no error of the map, and complete methods can do no better than chance at telling what a "
        "change of a pixel would do (Bilodeau et al. 2022, arXiv 2212.11870)."
    ),
    reference="Sundararajan, Taly and Yan 2017, arXiv 1703.01365",
)
