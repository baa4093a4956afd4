"""Tests of a map: whether it tells what the model relied on."""

from saliscope.faithfulness import presets
from saliscope.faithfulness.completeness import (
    Completeness,
    CompletenessProtocol,
    StepDoubling,
    StepDoublingProtocol,
    completeness,
    completeness_stream,
    step_doubling,
    step_doubling_stream,
)
from saliscope.faithfulness.confidence import Confidence, ConfidenceProtocol, average_drop
from saliscope.faithfulness.controls import (
    AgainstRandom,
    ControlProtocol,
    Controls,
    against_random,
    blurred,
    control,
)
from saliscope.faithfulness.curves import Curve, Trial, deletion, insertion, trial, trial_stream
from saliscope.faithfulness.infidelity import Infidelity, InfidelityProtocol, infidelity, infidelity_stream
from saliscope.faithfulness.infill import Road
from saliscope.faithfulness.localisation import (
    PointingGame,
    PointingProtocol,
    Rate,
    Relevance,
    RelevanceProtocol,
    pointing_game,
    relevance_mass,
    relevance_rank,
)
from saliscope.faithfulness.protocol import Protocol
from saliscope.faithfulness.randomisation import (
    Randomisation,
    RandomisationProtocol,
    Stage,
    randomisation,
    randomisation_stream,
)
from saliscope.faithfulness.replacement import Static, WindowBlur, Zero
from saliscope.faithfulness.road import RoadProtocol, RoadScores, road, road_stream
from saliscope.faithfulness.sensitivity import (
    Sensitivity,
    SensitivityProtocol,
    sensitivity,
    sensitivity_stream,
)
from saliscope.faithfulness.similarity import Similarity
from saliscope.faithfulness.stability import Stability, StabilityProtocol, stability, stability_stream

__all__ = [
    "AgainstRandom",
    "Completeness",
    "CompletenessProtocol",
    "Confidence",
    "ConfidenceProtocol",
    "ControlProtocol",
    "Controls",
    "Curve",
    "Infidelity",
    "InfidelityProtocol",
    "PointingGame",
    "PointingProtocol",
    "Protocol",
    "Randomisation",
    "RandomisationProtocol",
    "Rate",
    "Relevance",
    "RelevanceProtocol",
    "Road",
    "RoadProtocol",
    "RoadScores",
    "Sensitivity",
    "SensitivityProtocol",
    "Similarity",
    "Stability",
    "StabilityProtocol",
    "Stage",
    "Static",
    "StepDoubling",
    "StepDoublingProtocol",
    "Trial",
    "WindowBlur",
    "Zero",
    "against_random",
    "average_drop",
    "blurred",
    "completeness",
    "completeness_stream",
    "control",
    "deletion",
    "infidelity",
    "infidelity_stream",
    "insertion",
    "pointing_game",
    "presets",
    "randomisation",
    "randomisation_stream",
    "relevance_mass",
    "relevance_rank",
    "road",
    "road_stream",
    "sensitivity",
    "sensitivity_stream",
    "stability",
    "stability_stream",
    "step_doubling",
    "step_doubling_stream",
    "trial",
    "trial_stream",
]
