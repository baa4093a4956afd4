"""Cards of the methods of other packages."""

from saliscope.specs.saliency import Card

CAPTUM = Card(
    shows="What this method of captum gives for the target's output, with captum's own conventions.",
    assumes=(
        "The captum object holds the model that is explained, and the model returns one tensor. Options that "
        "were not given are captum's defaults."
    ),
    costs="As in captum; one picture after the other, and nothing is shown before the first is done.",
    fails=(
        "DeepLift and guided backpropagation of captum rewrite ReLU modules only: F.relu keeps its plain "
        "gradient, without a word. Its riemann_trapezoid rule loses a share of 1/n. Ours do not. It cannot "
        "be refined, and has no path to move on."
    ),
    reference="Kokhlikyan et al. 2020, arXiv 2009.07896",
)

ZENNIT = Card(
    shows="The gradient as this composite of zennit modifies it, from a relevance of one at the score.",
    assumes="Every operation that needs a rule is a module; canonizers suit the architecture.",
    costs="One forward and one backward pass, and more in a few rules, for each picture.",
    fails=(
        "Functional operations (F.relu, additions, attention) are no modules: they keep their plain "
        "gradient. Without its canonizer, batch norm and residual connections break conservation."
    ),
    reference="Anders et al. 2021, arXiv 2106.13200",
)
