"""Cards of the methods that hide parts of the picture."""

from saliscope.specs.saliency import Card

OCCLUSION = Card(
    shows="How far the score falls when a window is hidden, averaged over the windows that cover a pixel.",
    assumes=(
        "What matters fits into a window, and a picture with a window of the baseline is one that the model "
        "can be asked about."
    ),
    costs=(
        "One forward pass for each window: 729 for windows of 16 pixels every 8 at 224 pixels. No gradient, "
        "so any score will do."
    ),
    fails=(
        "Redundant evidence stays unseen: two faces, one hidden, and the score stands still. The window's "
        "size decides what is found, and its edge is a shape that the model may react to. A model that never "
        "saw such pictures may answer anything (Hooker et al. 2018, arXiv 1806.10758). Values do not sum to "
        "the score."
    ),
    reference="Zeiler and Fergus 2013, arXiv 1311.2901",
)

RISE = Card(
    shows=(
        "How much higher the score is, on average over random smooth masks, where a pixel is kept. Negative: "
        "the score is lower where it is seen."
    ),
    assumes=(
        "Pictures mixed with the baseline under soft masks, half of each hidden, are ones that the model can "
        "be asked about; and what matters is about as large as a cell."
    ),
    costs=(
        "One forward pass for each mask: 1000 by default, 4000 to 8000 in the paper. No gradient, so any "
        "score will do. Memory does not grow with the masks."
    ),
    fails=(
        "It is a sample: below the standard error nothing is known, and a finished map still has speckle of "
        "the masks' own. Nothing finer than a cell can be seen. What counts only together with something "
        "else is averaged over whether that is there. The masked pictures are unlike any that the model was "
        "trained on (Hooker et al. 2018, arXiv 1806.10758). Values do not sum to the score."
    ),
    reference="Petsiuk et al. 2018, arXiv 1806.07421",
)

EXTREMAL_PERTURBATION = Card(
    shows="One smooth region of the area you choose: blurred everywhere else, the picture keeps most score.",
    assumes=(
        "A blurred surrounding says nothing, what matters fits into the area, and a search from the whole "
        "picture finds a good region."
    ),
    costs="One forward and backward pass for each iteration and area: 200 by default, 800 in the paper.",
    fails=(
        "The search may end in another region for another area or number of iterations, and a second "
        "region that is as good is not shown. It maximises: the score of the region alone may be higher than "
        "that of the picture. A mask is no amount: inside of the region nothing is ranked, and values "
        "compare nothing between pictures."
    ),
    reference="Fong et al. 2019, arXiv 1910.08485",
)
