"""What a network computes inside: the activations of its layers."""

# Imported here and not when first used: the function has the name of its file, and takes its place for good.
from saliscope.features.activations import Activations, activations, activations_stream

__all__ = ["Activations", "activations", "activations_stream"]
