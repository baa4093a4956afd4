"""Method cards: what a reader of a map should know of the method that made it."""

from saliscope.specs.saliency import Card

SALIENCY = Card(
    shows="How fast the score changes with each pixel, at this picture: sensitivity, not contribution.",
    assumes=(
        "The model is nearly linear over the changes that matter. With absolute values, direction is of "
        "no interest."
    ),
    costs="One forward and one backward pass.",
    fails=(
        "Where the score saturates, the gradient vanishes though the pixels matter. Speckle: on ReLU "
        "networks gradients of neighbouring pixels hardly agree (Balduzzi et al. 2017, arXiv 1702.08591). "
        "Of a logit: a function added to all logits changes no prediction, and every gradient (Srinivas "
        "and Fleuret 2021, arXiv 2006.09128). It does pass the randomisation tests (Adebayo et al. 2018, "
        "arXiv 1810.03292)."
    ),
    reference="Simonyan, Vedaldi and Zisserman 2013, arXiv 1312.6034",
)

INPUT_X_GRADIENT = Card(
    shows="Each pixel's first-order share in the score, measured from zero in model space.",
    assumes=(
        "The model is linear between that zero and the picture. The shares sum to the score of a "
        "piecewise linear network without biases, and of no other."
    ),
    costs="One forward and one backward pass.",
    fails=(
        "Zero in model space is mostly the mean colour of a data set: pixels near it get nothing, and "
        "another normalisation of the same model gives another map (Kindermans et al. 2017, arXiv "
        "1711.00867). Vanishes where the score saturates. The factor input draws the picture's own edges, "
        "also for a random network (Adebayo et al. 2018, arXiv 1810.03292)."
    ),
    reference="Shrikumar et al. 2016, arXiv 1605.01713",
)

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

GRAD_CAM = Card(
    shows="Which regions of one layer's map raised the score (positive) or lowered it (negative).",
    assumes=(
        "Behind the layer, each channel counts alike wherever it fires: one weight for a channel, the "
        "mean of its gradient. Exact for global average pooling with one linear layer."
    ),
    costs=(
        "One forward pass, and a backward pass from the score to the layer. Where no layer is named, the "
        "same once more for one picture, to find it."
    ),
    fails=(
        "As coarse as the layer's grid, 7 x 7 for most networks at 224 pixels: the smooth outline is "
        "interpolation. For late layers only: further down, the mean over space mixes places. That mean "
        "can highlight what the model did not use (Draelos and Carin 2020, arXiv 2011.08891) and covers "
        "several instances of a class in part (Chattopadhyay et al. 2017, arXiv 1710.11063)."
    ),
    reference="Selvaraju et al. 2016, arXiv 1610.02391",
)
