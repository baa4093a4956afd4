"""Protocols under which numbers have been published, so that they can be computed again.

The model, the pictures and the target are not part of them. RISE and torch-cam score each picture's top class
(``target=None``), xplique the classes that it is given.
"""

from saliscope.faithfulness.localisation import PointingProtocol
from saliscope.faithfulness.protocol import Protocol
from saliscope.faithfulness.replacement import WindowBlur

RISE = (
    Protocol("deletion", "zero", widths="equal"),
    Protocol("insertion", WindowBlur(sigma=5.0, window=11), widths="equal"),
)
"""Deletion and insertion as in the code of RISE (Petsiuk, Das and Saenko 2018, arXiv 1806.07421,
evaluation.py and Evaluation.ipynb): the softmax of the class as pixels become 0 in model space, or come into
the picture that an 11 x 11 Gaussian of sigma 5 has blurred with zeros beyond the border; as many pixels a
step as the picture is wide (224 there); trapezoids of equal width, also for a shorter last step. Ties come in
the order of numpy's quicksort there, in the seed's here. The area for a set of pictures is the mean of
theirs."""

TORCH_CAM = (
    Protocol("deletion", "zero", n_steps=20, rounding="step"),
    Protocol("insertion", "zero", n_steps=20, rounding="step"),
)
"""Deletion and insertion of torch-cam's ``DeletionInsertionMetric`` (version 0.5, its defaults): both to and
from 0 in model space, at most 20 steps of a number of pixels that is rounded up, trapezoids over the true
share of the pixels. The score is the softmax, as in its examples; where no ``logits_fn`` was given there, use
``dataclasses.replace(protocol, output="logit")``. Ties come row by row there, in the seed's order here."""

XPLIQUE = (
    Protocol("deletion", "zero", n_steps=10, rounding="points", widths="equal"),
    Protocol("insertion", "zero", n_steps=10, rounding="points", widths="equal"),
)
"""``Deletion`` and ``Insertion`` of xplique (their defaults): both to and from 0 in model space, 10 steps
whose ends are rounded down, trapezoids of equal width. Channels of a map are averaged there and summed here,
which is the same order. It scores the model's output as it is, mostly that of a softmax; where it was a
logit, use ``dataclasses.replace(protocol, output="logit")``. Ties come in the order of numpy's quicksort
there, in the seed's here."""

TORCHRAY = PointingProtocol(tolerance=15.0)
"""Pointing game of TorchRay's ``PointingGame``, its default (after Zhang et al. 2016, arXiv 1608.00507): the
maximum counts where it is less than 15 px from the mask; the rate of each class, then the mean over the
classes. It is played on the pictures of VOC and COCO at their own size: enlarge maps and masks to it. Its
benchmark smooths the maps of gradients first (``smooth=0.02``). Of several maxima it takes what torch gives,
here the seed draws one; a class without any game is in its mean as 0, and left out here."""
