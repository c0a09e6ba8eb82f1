"""Where and when something was computed: machine, versions, commit of the sources, date."""

from __future__ import annotations

import datetime
import functools
import os
import platform
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyro
import torch

import pyrogen

CPU = torch.device("cpu")


def provenance(device: torch.device = CPU) -> dict[str, Any]:
    """Machine, versions, commit and date, as plain data; of another device than the processor, what it is.

    Args:
        device: where models are trained.
    """
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    machine = {
        "system": f"{platform.system()} {platform.machine()}",
        "cpu": _cpu(),
        "cpus": cpus,
        "threads": torch.get_num_threads(),
    }
    if device.type != "cpu":
        machine["device"] = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    versions = {
        "pyrogen": pyrogen.__version__,
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "pyro": pyro.__version__,
        "numpy": np.__version__,
    }
    return {"machine": machine, "versions": versions, "commit": commit(), "date": datetime.date.today().isoformat()}


def machine_words(machine: Mapping[str, Any]) -> str:
    """What :func:`provenance` says of a machine, as one reads it."""
    words = f"{machine['cpu']}, {machine['cpus']} CPUs, {machine['threads']} threads, {machine['system']}"
    return f"{words}, models on {machine['device']}" if "device" in machine else words


@functools.cache
def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8", errors="replace").splitlines() if info.exists() else []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())


@functools.cache  # what runs is what was imported, whatever becomes of the files
def commit() -> str:
    """The commit of the sources that run, with "+" where files differ from it; "" where they are in no repository."""
    source = Path(pyrogen.__file__)

    def git(*words: str) -> str | None:
        try:
            done = subprocess.run(["git", *words], cwd=source.parent, capture_output=True, text=True, check=True)
        except (OSError, subprocess.CalledProcessError):
            return None
        return done.stdout.strip()

    # an installed copy may lie inside somebody else's repository
    if git("ls-files", "--error-unmatch", source.name) is None:
        return ""
    changed = git("status", "--porcelain", "--", ":/pyrogen", ":/inference", ":/models")
    return f"{git('rev-parse', '--short', 'HEAD')}{'+' if changed else ''}"
