"""Cards of the methods that keep or replace superpixels."""

from saliscope.specs.saliency import Card

LIME = Card(
    shows=(
        "How much each superpixel raised the score, in a linear model that was fitted to the scores of "
        "pictures in which a random part of the superpixels is replaced. A superpixel's value is shared out "
        "equally over its pixels."
    ),
    assumes=(
        "Near the picture the score is close to a sum over superpixels, the superpixels are the right parts, "
        "and the patchworks that no camera took are pictures that the model answers sensibly."
    ),
    costs="One forward pass for each sample and baseline, and one for the picture; no gradient.",
    fails=(
        "The kernel width, the penalty, the cut and the number of samples all change the map, and no theory "
        "sets them (Garreau and von Luxburg 2020, arXiv 2001.03447). Two runs with other seeds may disagree "
        "(Visani et al. 2020, arXiv 2001.11757): look at the standard error and at the share of variance "
        "that the fit explains. A model can tell the patchworks from pictures and hide its bias from them "
        "(Slack et al. 2019, arXiv 1911.02508)."
    ),
    reference="Ribeiro, Singh and Guestrin 2016, arXiv 1602.04938",
)

KERNEL_SHAP = Card(
    shows=(
        "The Shapley value of each superpixel: its mean contribution to the score over all orders in which "
        "superpixels can be put into the baseline. A superpixel's value is shared out equally over its "
        "pixels, and the map sums to the change of the score from the baseline to the picture."
    ),
    assumes=(
        "The superpixels are the right players, a replaced superpixel means that it is absent, and the "
        "patchworks that no camera took are pictures that the model answers sensibly."
    ),
    costs=(
        "One forward pass for each sample and baseline, one for each baseline and one for the picture; no "
        "gradient. The exact values of m superpixels take 2^m of them."
    ),
    fails=(
        "Sampled values are estimates: their error falls as one over the square root of the samples, so look "
        "at the standard error. Another cut or baseline is another game with other values. A superpixel "
        "without influence on what the model computes can get a share, because pictures are answered that "
        "never occur (Kumar et al. 2020, arXiv 2002.11097; Sundararajan and Najmi 2019, arXiv 1908.08474)."
    ),
    reference="Lundberg and Lee 2017, arXiv 1705.07874; pairs: Covert and Lee 2020, arXiv 2012.01536",
)

XRAI = Card(
    shows=(
        "Regions ranked by how much Integrated Gradients, from black and from white, they hold per pixel. "
        "All pixels that a region adds get the same value: the mean over them."
    ),
    assumes=(
        "What matters has the shape of a segment at one of six scales, and both baselines mean nothing to "
        "see."
    ),
    costs=(
        "Two paths of Integrated Gradients, and six segmentations of the picture: about half a second at "
        "224 x 224."
    ),
    fails=(
        "It cannot show more than Integrated Gradients found, and inherits its faults. Where the segments do "
        "not follow the object, neither does the map. Regions look crisp, also where the attribution inside "
        "is speckle of both signs. The order of the regions is greedy."
    ),
    reference="Kapishnikov et al. 2019, arXiv 1906.02825",
)
