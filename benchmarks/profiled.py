"""Where the time of a training step goes, by torch.profiler: the share of each kind of operation in that of all."""

from __future__ import annotations

from collections import Counter

from torch.profiler import ProfilerActivity, profile

# the first that has a part of an operation's name is its kind
KINDS = {
    "optimizer": ("fused_adam",),
    "convolutions": ("conv", "mkldnn"),
    "norms": ("norm",),
    "matrix products": ("mm", "linear", "matmul", "dot"),
    "random numbers": ("rand", "normal_", "uniform_", "bernoulli"),
    "copies": ("copy", "clone", "cat", "index", "fill", "zero", "empty", "stack", "repeat", "gather"),
}
REST = "all else"


class Profiler:
    """A clock that watches operations from the first time that it is asked for the time to the second."""

    def __init__(self) -> None:
        self.watch, self.running = profile(activities=[ProfilerActivity.CPU]), False

    def __call__(self) -> float:
        (self.watch.stop if self.running else self.watch.start)()
        self.running = not self.running
        return 0.0

    def says(self) -> str:
        """The shares, the largest first, down to a fiftieth."""
        spent: Counter[str] = Counter()
        for event in self.watch.key_averages():
            spent[kind_of(event.key)] += event.self_cpu_time_total
        whole = sum(spent.values())
        return ", ".join(f"{kind} {time / whole:.0%}" for kind, time in spent.most_common() if time >= whole / 50)


def kind_of(operation: str) -> str:
    return next((kind for kind, parts in KINDS.items() if any(part in operation for part in parts)), REST)
