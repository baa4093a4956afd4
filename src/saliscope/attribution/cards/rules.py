"""Cards of the methods that replace the gradient of operations."""

from saliscope.specs.saliency import Card

GUIDED_BACKPROP = Card(
    shows=(
        "Fine edges and textures that a chain of active units connects with the score by positive signs "
        "alone."
    ),
    assumes=(
        "What speaks for the score does so at every layer on the way: whatever is negative on its way down "
        "is dropped. There are ReLUs; other activation functions keep their gradient, and the coverage says"
        " so."
    ),
    costs="One forward and one backward pass.",
    fails=(
        "Hardly depends on the class, and tends to recover the picture itself (Nie, Zhang and Patel 2018, "
        "arXiv 1805.07039). The map stays much the same when the upper layers are replaced by random ones "
        "(Adebayo et al. 2018, arXiv 1810.03292; Sixt, Granz and Landgraf 2020, arXiv 1912.09818). A sharp "
        "picture, not a faithful one."
    ),
    reference="Springenberg et al. 2014, arXiv 1412.6806",
)

DECONVNET = Card(
    shows="What pattern in the picture the network, run backwards, draws from the score.",
    assumes=(
        "A picture comes back out of a network if each step is turned round, and a ReLU turned round is a "
        "ReLU: it hears only what comes from above. Max pooling remembers where its maximum was."
    ),
    costs="One forward and one backward pass.",
    fails=(
        "Without max pooling nothing in it depends on the picture but what batch norm and attention keep: "
        "it then draws the same for every input (Springenberg et al. 2014, arXiv 1412.6806). With max "
        "pooling it recovers edges whatever the class (Mahendran and Vedaldi 2016, doi "
        "10.1007/978-3-319-46466-4_8; Nie, Zhang and Patel 2018, arXiv 1805.07039)."
    ),
    reference="Zeiler and Fergus 2013, arXiv 1311.2901",
)

GUIDED_GRAD_CAM = Card(
    shows=(
        "The fine edges of guided backprop, weighed by how much Grad-CAM's regions raised or lowered the "
        "score."
    ),
    assumes="Both factors: the regions are Grad-CAM's claim, the edges inside of them guided backprop's.",
    costs="One pass forward and back for guided backprop, one for Grad-CAM.",
    fails=(
        "As sharp as guided backprop, and no truer: only the coarse factor knows the class. It passes "
        "randomisation of the upper layers as little as guided backprop does (Adebayo et al. 2018, arXiv "
        "1810.03292)."
    ),
    reference="Selvaraju et al. 2016, arXiv 1610.02391",
)

EXCITATION_BACKPROP = Card(
    shows=(
        "The probability that a search from the score downwards, which follows what excited each unit, ends"
        " at a pixel. Contrastive: that, less the same for the opposite of the class."
    ),
    assumes=(
        "Activations are not negative, and a unit stands for what excites it: inhibition explains nothing. "
        "In a normalised picture a negative value counts as excitation where its weight is negative too."
    ),
    costs="One forward pass, and a backward pass with about two more forward passes in it.",
    fails=(
        "Blind to evidence against the class, and without contrast nearly blind to the class itself: the "
        "positive weights of the lower layers lead to the same places (Sixt, Granz and Landgraf 2020, arXiv"
        " 1912.09818, for LRP alpha1-beta0, which it is). In the paper the maps are read at a middle layer;"
        " down to the pixels they are finer and less stable. Attention has no rule."
    ),
    reference="Zhang et al. 2016, arXiv 1608.00507",
)

DEEP_LIFT = Card(
    shows=(
        "How much each pixel's difference from the baseline contributed to the change of the score. The "
        "values sum to that change."
    ),
    assumes=(
        "Each operation's change is shared among its inputs by itself, in proportion to their changes, as "
        "if it had been on a straight line between the two; the shares of a chain multiply."
    ),
    costs="Two forward passes and one backward pass for each baseline.",
    fails=(
        "Blind to what is like the baseline, which decides what is seen. Not the same for two networks that"
        " compute the same function (Sundararajan, Taly and Yan 2017, arXiv 1703.01365). Where "
        "contributions cancel within a unit, the rescale rule hides them (section 3.5 of the paper). As it "
        "sums up well, the sum is no test of it."
    ),
    reference="Shrikumar, Greenside and Kundaje 2017, arXiv 1704.02685",
)
