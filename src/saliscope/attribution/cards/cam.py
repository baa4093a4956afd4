"""Cards of the methods that read one layer's maps."""

from saliscope.specs.saliency import Card

_COARSE = (
    "As coarse as the layer's grid, 7 x 7 for most networks at 224 pixels: the smooth outline is "
    "interpolation."
)
_ONE_GRADIENT = (
    "One forward pass, and a backward pass from the score to the layer. Where no layer is named, the same "
    "once more for one picture, to find it."
)

GRAD_CAM = Card(
    shows="Which regions of one layer's map raised the score (positive) or lowered it (negative).",
    assumes=(
        "Behind the layer, each channel counts alike wherever it fires: one weight for a channel, the "
        "mean of its gradient. Exact for global average pooling with one linear layer."
    ),
    costs=_ONE_GRADIENT,
    fails=(
        f"{_COARSE} For late layers only: further down, the mean over space mixes places. That mean "
        "can highlight what the model did not use (Draelos and Carin 2020, arXiv 2011.08891) and covers "
        "several instances of a class in part (Chattopadhyay et al. 2017, arXiv 1710.11063)."
    ),
    reference="Selvaraju et al. 2016, arXiv 1610.02391",
)

CAM = Card(
    shows="How much each place of the last maps counts in a class's logit: their mean, plus the bias, is it.",
    assumes=(
        "The network ends in global average pooling and one linear layer, and the score is a logit, or the "
        "margin between two. Then it is exact, and nothing is assumed beyond."
    ),
    costs="One forward pass. Where no layer is named, one more with a gradient, to find it.",
    fails=(
        f"{_COARSE} A place of the last maps has seen much of the picture, often all of it: that it counts "
        "does not say that what is drawn under it counts."
    ),
    reference="Zhou et al. 2015, arXiv 1512.04150",
)

GRAD_CAM_PLUS_PLUS = Card(
    shows="Which regions of one layer's map raised the score; each instance of a class is meant to show.",
    assumes=(
        "The layers behind are piecewise linear, and exp(score) is what is explained: only then is its "
        "weight the ratio of derivatives it stands for. Places where more activation would lower the score "
        "count nothing."
    ),
    costs=_ONE_GRADIENT,
    fails=(
        f"{_COARSE} Hardly any evidence against the score: behind a ReLU no value is negative. On real "
        "networks its weights are close to Grad-CAM's with positive gradients only (Lerma and Lucas 2022, "
        "arXiv 2205.10838). Behind layers with negative activations its ratio can change sign."
    ),
    reference="Chattopadhyay et al. 2017, arXiv 1710.11063",
)

HIRES_CAM = Card(
    shows="What each place of a layer's map contributed to the score, as far as all behind it is linear.",
    assumes=(
        "Behind the layer, the score is nearly linear. Then its values on the layer's grid sum to it, up to "
        "the biases: exact where only linear layers follow."
    ),
    costs=_ONE_GRADIENT,
    fails=(
        f"{_COARSE} Behind it, gradient times activation has the troubles of a gradient: it vanishes where "
        "the score saturates, and is noisy at early layers."
    ),
    reference="Draelos and Carin 2020, arXiv 2011.08891",
)

LAYER_CAM = Card(
    shows="Which places of a layer's map raised the score, channel by channel and place by place.",
    assumes=(
        "Places whose gradient is negative have nothing to say; what is left is as near to a contribution "
        "as a first-order guess is."
    ),
    costs=_ONE_GRADIENT,
    fails=(
        "Early layers give fine maps, and they follow the picture's edges more than the score. Without the "
        "negative gradients nothing adds up, and evidence against the score is not shown."
    ),
    reference="Jiang, Zhang, Hou, Cheng and Wei 2021, IEEE TIP 30, doi 10.1109/TIP.2021.3089943",
)

SCORE_CAM = Card(
    shows=(
        "Each channel's map, weighted by how much the score rises over the baseline's when the picture is "
        "shown only where the channel fires."
    ),
    assumes=(
        "A channel's enlarged map is a sensible mask, and the model answers pictures that fade into the "
        "baseline sensibly. No gradient is used."
    ),
    costs="One forward pass for each channel of the layer: hundreds or thousands. Most of all of its family.",
    fails=(
        f"{_COARSE} Masks are soft and large: a channel is credited for all that its mask lets through. The "
        "baseline decides what a hidden place looks like; black is not nothing to a network. Channels are "
        "judged one by one, so what only two of them show together is missed."
    ),
    reference="Wang et al. 2019, arXiv 1910.01279",
)

ABLATION_CAM = Card(
    shows="Each channel's map, weighted by how much the score falls when that channel is set to zero.",
    assumes=(
        "Zero means absent, as behind a ReLU, and channels count one by one: of two that say the same, "
        "neither is missed."
    ),
    costs=(
        "One forward pass, and one of the layers behind the layer for each channel that is not zero: little "
        "for a late layer, hundreds of times a forward pass for an early one."
    ),
    fails=(
        f"{_COARSE} Where activations are negative, as behind GELU or in a transformer, zero is a change "
        "like any other. A channel is credited as a whole, and drawn wherever it fires."
    ),
    reference="Desai and Ramaswamy 2020, doi 10.1109/WACV45572.2020.9093360",
)

EIGEN_CAM = Card(
    shows=(
        "The strongest pattern of a layer: where its channels fire together. The same for every class: it "
        "looks at no score."
    ),
    assumes="What dominates the activations is what matters.",
    costs="One forward pass and a singular value decomposition of the layer's activations.",
    fails=(
        f"{_COARSE} It cannot say why one class was chosen and not another, and shows the same pattern where "
        "the prediction is wrong. The sign of a singular vector is arbitrary: here the map's sum is "
        "positive, and a negative value is the opposite pattern, not evidence against anything."
    ),
    reference="Muhammad and Yeasin 2020, arXiv 2008.00299",
)
