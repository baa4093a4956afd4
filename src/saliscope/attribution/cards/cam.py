"""Cards of the methods that read one layer's maps."""

from saliscope.specs.saliency import Card

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
