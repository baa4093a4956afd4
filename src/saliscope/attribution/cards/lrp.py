"""Card of layer-wise relevance propagation."""

from saliscope.specs.saliency import Card

LRP = Card(
    shows=(
        "The score, handed down through the network operation by operation: each output's relevance is "
        "shared among its inputs by their part in it."
    ),
    assumes=(
        "A rule for every operation; which ones is a choice, and the map depends on it: epsilon in the "
        "dense head, z-plus or gamma in convolutions, flat or z-box at the picture (Montavon et al. 2019), "
        "and rules of their own for attention (Achtibat et al. 2024, arXiv 2402.05602). Batch norm is "
        "merged into the layer before it; standing alone it is an affine map. An operation without a rule "
        "hands on its gradient times its input: the coverage report names it."
    ),
    costs="About two to three times a forward and backward pass: signed parts of layers are computed anew.",
    fails=(
        "Biases take relevance that no pixel gets: the sum of the map differs from the score by that much, "
        "and so it does by what the softmax of an attention keeps. Epsilon near zero on ReLU networks "
        "without biases is gradient times input, speckle included (Ancona et al. 2018, arXiv 1711.06104). "
        "Z-plus and alpha-beta hardly depend on the later layers and on the class: they do not pass the "
        "randomisation test (Sixt et al. 2020, arXiv 1912.09818). Flat spreads what reaches the first layer "
        "evenly over each window, so that pixels within one are not told apart. Two ways to write one "
        "function can get two maps: a bias that is added in a call of its own is not that of the layer (on "
        "rewriting models first, see Pahde et al. 2022, arXiv 2211.17174)."
    ),
    reference=(
        "Bach et al. 2015, doi 10.1371/journal.pone.0130140; Montavon et al. 2019, doi "
        "10.1007/978-3-030-28954-6_10; attention: Achtibat et al. 2024, arXiv 2402.05602"
    ),
)
