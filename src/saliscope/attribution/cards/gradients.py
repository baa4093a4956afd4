"""Cards of the methods of one gradient."""

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
