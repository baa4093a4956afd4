"""Cards of the methods that read a transformer's attention."""

from saliscope.specs.saliency import Card

ATTENTION = Card(
    shows="How one layer's attention, or one of its heads, spreads over the patches.",
    assumes="That a token still stands for its own patch, and that what is attended to is used.",
    costs="One forward pass.",
    fails=(
        "The score plays no part: every class has the same map. Attention can be permuted without a change "
        "of the output (Jain and Wallace 2019, arXiv 1902.10186; another view: Wiegreffe and Pinter 2019, "
        "arXiv 1908.04626). In late layers tokens are mixtures of many patches, and large models park "
        "attention on patches of plain background (Darcet et al. 2023, arXiv 2309.16588). The values that "
        "the weights multiply, and their signs, are not looked at."
    ),
    reference="Vaswani et al. 2017, arXiv 1706.03762",
)

ATTENTION_ROLLOUT = Card(
    shows="How much of each patch reaches the class token, if attention alone mixed the tokens.",
    assumes=(
        "Each layer adds half of its attention to half of what was there, heads count alike, and everything "
        "else, the values and the MLPs among it, keeps tokens apart and does nothing to their size."
    ),
    costs="One forward pass, with the attention of all layers in memory.",
    fails=(
        "The score plays no part: every class has the same map. Evidence for and against is added up alike, "
        "and with depth the map tends to the same few tokens (Chefer et al. 2021, arXiv 2012.09838). A half "
        "for the residual connection is a guess: real blocks keep far more of a token."
    ),
    reference="Abnar and Zuidema 2020, arXiv 2005.00928",
)

GRADIENT_ROLLOUT = Card(
    shows="Attention that raised the score, followed from the class token down to the patches.",
    assumes=(
        "What lowers the score through one head may be dropped, layer by layer, and a residual connection "
        "hands on a token's relevance whole."
    ),
    costs="One forward and one backward pass, with the attention of all layers in memory.",
    fails=(
        "Negative parts are cut off in every layer, so the map is no sum of contributions and cannot show "
        "evidence against a class. The values and the MLPs count only through the gradient. With a "
        "saturated score the gradient, and with it the map, goes to zero."
    ),
    reference="Chefer et al. 2021, arXiv 2012.09838 and 2103.15679",
)
