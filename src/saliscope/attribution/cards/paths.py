"""Cards of the methods that integrate along a path."""

from saliscope.specs.saliency import Card

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
        "one for the picture. The adaptive rule takes no more steps than its tolerance asks for."
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

BLUR_IG = Card(
    shows=(
        "How much each pixel contributed to the change of the score while the picture came into focus, "
        "from a strong blur to itself. The values sum to that change."
    ),
    assumes=(
        "A strongly blurred picture shows nothing of what is to be explained. What is as large as the "
        "largest blur, and the mean colour, are there from the start and get no share."
    ),
    costs="One forward and backward pass for each step, two forward passes besides.",
    fails=(
        "No baseline has to be chosen, but the largest blur is one: maps change with it. Where detail "
        "comes back, edges and texture get the credit, also for what a flat colour decided. The gradients"
        " on the way are as noisy as those of Integrated Gradients. Steps of equal size in sigma spend "
        "most of the path where hardly anything changes, and a padding with zeros darkens the borders of "
        "every blurred picture: maps of other packages differ by both."
    ),
    reference="Xu, Venugopalan and Sundararajan 2020, arXiv 2004.03383",
)

GUIDED_IG = Card(
    shows=(
        "How much each pixel contributed to the change of the score on a way from the baseline to the "
        "picture that the model chose: pixels of small gradient go first. The values sum to that change."
    ),
    assumes=(
        "Gradients that are large on the straight way are noise rather than what the score is made of, "
        "and the half-finished pictures on the chosen way, patchwork that no camera took, are answered "
        "sensibly."
    ),
    costs="One forward and backward pass for each step and baseline, one after the other.",
    fails=(
        "The path depends on the gradients that it integrates: two models that agree along one path may "
        "be explained along two, and it need not treat equal pixels alike when their gradients differ by "
        "a hair. Moving by small gradients puts off what matters to the last steps, where few of them are"
        " left: the gap is larger than that of Integrated Gradients with as many. Choosing a smooth path "
        "makes a cleaner picture, which is no proof of a truer one. What is like the baseline is as "
        "invisible as before."
    ),
    reference="Kapishnikov, Venugopalan, Avci, Wedin, Terry and Bolukbasi 2021, arXiv 2106.09788",
)
