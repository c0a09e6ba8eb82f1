"""The analysis "midpoints": of how much of the latent space a judge can say what it decodes to."""

from __future__ import annotations

from pyrogen.base import HasPosterior, Model
from pyrogen.data import Data
from pyrogen.figures import walk_plots
from pyrogen.inference.evidence.progress import track
from pyrogen.inference.latents.analysis import Analysis, Finding, Picture, Verdict
from pyrogen.inference.latents.judging import CONFIDENT, as_decoded, judge_of, unjudged
from pyrogen.inference.latents.measured import Measured, share
from pyrogen.inference.latents.midpoints import Regularity, midpoints, three_numbers
from pyrogen.registry import choice

KEPT = 0.5  # share of reconstructions of the right class below which being recognized is no praise: one picture is, too
COLLAPSED = (
    "most reconstructions are of another class than their data, so that what is recognized says nothing of the codes: "
    "train on, or pay less for the KL, `ELBO(beta=0.5)`"
)
WORDS = {
    "real": "test data",
    "reconstructed": "reconstructions",
    "lerp": "middles of lines",
    "slerp": "middles of arcs",
    "prior": "draws of the prior",
    "averaged": "means of pixels",
}


@choice("analysis", "midpoints")
class MidpointAnalysis(Analysis):
    """What a judge recognizes midway between data and at draws of the prior, and three numbers of the latent space.

    Two models are compared, pair by pair, by :meth:`pyrogen.inference.latents.midpoints.Midpoints.less`.

    Args:
        n: pairs of data at most.
        judge: what judges; None: the usual one, see :func:`pyrogen.inference.latents.judging.judge_of`.
    """

    title = "Can one walk in the latents, and draw from them?"
    order = 46

    def __init__(self, n: int = 500, judge: str | None = None) -> None:
        self.n, self.judge = n, judge

    def refusal(self, model: Model, data: Data) -> str:
        """It asks of codes and of labels."""
        if not isinstance(model, HasPosterior):
            return f"midpoints lie between codes of data, and {type(model).__name__} encodes nothing."
        return unjudged(data)

    def run(self, model: Model, data: Data, seed: int = 0) -> Finding:
        """Judge."""
        with track(3, "judging midpoints") as advance:
            judge = judge_of(data, self.judge)
            advance(1)
            found = midpoints(model, data.test, judge, self.n, seed, seen=as_decoded(data).test)
            advance(1)
            space = three_numbers(model, data.test, judge, self.n, seed=seed)
            advance(1)
        shares, over, arcs = found.shares(), found.over_pixels(), found.arcs_over_lines()
        best, complete = shares["reconstructed"], space.completeness
        apart = best.less(complete)
        holes = apart.value > 2 * apart.error
        kept = share(found.kept)
        collapsed = kept.value < KEPT
        verdict: Verdict = "well" if over.value > 2 * over.error and not holes and not collapsed else "beware"
        listed = ", ".join(f"{WORDS[k]} {m}" for k, m in shares.items())
        return Finding(
            f"Shares that the judge is confident of, above {CONFIDENT}, of {best.n} pairs of test data of different classes: "
            f"{listed}; middles of lines less means of pixels {over}, middles of arcs less those of lines {arcs}. "
            f"Reconstructions are of their datum's class in {kept}. Regularity {space.regularity}, continuity "
            f"{space.continuity}, completeness {complete}; {judge.says()}.",
            verdict,
            COLLAPSED if collapsed else _advice(verdict, holes, space),
            {
                "shares": {k: m.numbers() for k, m in shares.items()},
                "lerp_less_averaged": over.numbers(),
                "slerp_less_lerp": arcs.numbers(),
                "kept": kept.numbers(),
                "regularity": space.regularity.numbers(),
                "continuity": space.continuity.numbers(),
                "completeness": space.completeness.numbers(),
                "judge": judge.numbers(),
            },
            [_picture(shares)],
            [("what is shown to the judge", "share recognized"), *((WORDS[k], str(m)) for k, m in shares.items())],
        )


def _advice(verdict: Verdict, holes: bool, space: Regularity) -> str:
    if verdict == "well":
        return ""
    if holes and space.regularity.value < 0.5:
        return (
            "the prior is drawn where no codes are: learn it, `prior='VampPrior'`, or draw at a lower temperature, "
            "`sample_at(model, n, 0.7)`"
        )
    if holes:
        return "draws decode to what the judge does not know: draw nearer the centre, `sample_at(model, n, 0.7)`, or train on"
    return "midway between data the decoder does no better than a mean of pixels: more weight on the KL, `ELBO(beta=4)`"


def _picture(shares: dict[str, Measured]) -> Picture:
    named = {WORDS[k]: (m.value, m.error) for k, m in shares.items()}
    caption = f"The share that the judge is confident of, above {CONFIDENT}, with standard errors."
    return Picture("recognized", caption, walk_plots.shares(named, "share recognized"))
