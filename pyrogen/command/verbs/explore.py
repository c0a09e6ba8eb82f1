"""``pyrogen explore``."""

from __future__ import annotations

from collections.abc import Sequence

import pyrogen
from pyrogen.command.cli import VERBS
from pyrogen.command.plain import Parser, numbers
from pyrogen.seeds import check_seed


def run(arguments: Sequence[str]) -> int:
    """Serve the page until it is stopped."""
    parser = Parser("pyrogen explore", VERBS["explore"])
    parser.add_argument("run", help="folder of a run")
    parser.add_argument(
        "--coordinates", help="two latents, as 1,4 for z1 and z4, to span the plane; default: principal axes"
    )
    parser.add_argument("--split", default="test", help="whose codes are shown: train, valid or test; default test")
    parser.add_argument("--limit", type=int, default=1000, help="of how many data, evenly spread; default 1000")
    parser.add_argument("--weights", default="last", help="last, best or ema; default last")
    parser.add_argument("--port", type=int, default=0, help="of this machine; default: a free one")
    parser.add_argument("--browser", action="store_true", help="open the page in a browser as well")
    parser.add_argument("--seed", type=int, default=0, help="of the draws; default 0")
    options = parser.parse_args(arguments)
    check_seed(options.seed)
    if not 0 <= options.port < 2**16:
        raise ValueError(f"--port {options.port}: a port is 1 to 65535, or 0 for a free one.")
    from pyrogen.inference.explorer.server import Explorer
    from pyrogen.inference.explorer.view import View
    from pyrogen.inference.runs.recipe import data_of
    from pyrogen.inference.training.checkpoint import Stops

    model, data = pyrogen.load(options.run, weights=options.weights), data_of(options.run)
    wished = options.coordinates
    shown = numbers("--coordinates", wished, "two latents by their numbers from 1, as 1,4") if wished else []
    view = View(model, data, options.split, shown, options.limit, options.seed)
    with Explorer(view, options.port) as server, Stops().heard() as stops:
        print(f"open {server.url}\non this machine only; stop with Ctrl-C", flush=True)
        if options.browser:
            import webbrowser

            webbrowser.open(server.url)
        # an exception may be lost where a thread is just being started: a wish is not
        while not stops.wished:
            server.handle_request()
        print("stopped")
    return 0
