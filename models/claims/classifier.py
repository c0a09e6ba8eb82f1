"""What the entries of :mod:`pyrogen.models.heads.classifier` claim."""

GREY_DIGITS = {"seeds": 3, "data": {"name": "digits", "kind": "unit"}}
MANY_STEPS, ONE_STEP, RANDOM = "ProjectedGradient", "FastGradient", "Noise"
