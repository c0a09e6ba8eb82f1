"""Draw from exact posteriors, and hand them to ArviZ as they are: summaries, plots and files.

Two dependent latents, a mean and a variance; the guide knows the one and takes the other from the prior. The model is
conjugate, so the exact answer stands beside every estimate.

    python examples/analyse_a_posterior.py
"""

import arviz_plots
import arviz_stats
import pyro
import pyro.distributions as dist
import torch
import xarray

from pyrogen.inference import sample_posterior


def model(x: torch.Tensor) -> None:
    with pyro.plate("patient", x.shape[0]):
        variance = pyro.sample("variance", dist.InverseGamma(3.0, 2.0))
        mean = pyro.sample("mean", dist.Normal(0.0, (2 * variance).sqrt()))
        measured = dist.Normal(mean.unsqueeze(-1), variance.sqrt().unsqueeze(-1)).expand(x.shape)
        pyro.sample("x", measured.to_event(1), obs=x)


def guide(x: torch.Tensor) -> None:
    with pyro.plate("patient", x.shape[0]):
        pyro.sample("variance", dist.InverseGamma(3.0, 2.0).expand([x.shape[0]]))
        pyro.sample("mean", dist.Normal(x.mean(1), 0.5))


x = torch.tensor([[0.5, 1.5, -0.2, 2.0], [-3.0, -2.5, -3.5, -3.1]])
posterior = sample_posterior((model, guide), x, draws=300, warm_up=200)

print(arviz_stats.summary(posterior, round_to=2))
exact = x.sum(1) / 4.5
for patient, mean in enumerate(posterior["posterior"]["mean"].mean(("chain", "draw")).values):
    print(f"patient {patient}: E[mean | x] = {mean:.2f}, exact {exact[patient]:.2f}")
spread = {group: float(posterior[group]["variance"].std()) for group in ("posterior", "posterior_q")}
print(f"sd of the variance: exact posterior {spread['posterior']:.2f}, guide {spread['posterior_q']:.2f}")
print(posterior["diagnostics"].to_dataset().to_dataframe().round(2))

arviz_plots.plot_trace_dist(posterior).savefig("trace.png")
posterior.to_netcdf("posterior.nc", engine="h5netcdf")
with xarray.open_datatree("posterior.nc", engine="h5netcdf") as again:
    print(f"read again from posterior.nc: {', '.join(again.children)}")
