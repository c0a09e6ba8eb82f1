"""Kill a training run in the middle, start it again, and get the very bytes of a run that was never interrupted.

python examples/resume_after_a_crash.py [--epochs 40]
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--epochs", type=int, default=40)
options = parser.parse_args()

with tempfile.TemporaryDirectory() as home:
    train = [sys.executable, "-m", "pyrogen", "train", "vae", "--data", "digits", "--hidden", "64"]
    train += ["--epochs", str(options.epochs), "--checkpoint_seconds", "0.1", "--resume", "true"]
    whole, crashed = Path(home) / "whole", Path(home) / "crashed"

    subprocess.run([*train, "--folder", str(whole)], check=True)

    process = subprocess.Popen([*train, "--folder", str(crashed)])
    while not (crashed / "checkpoint.safetensors").exists() and process.poll() is None:
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)  # no warning, no chance to tidy up
    process.wait()
    print(f"\nkilled; what is left: {sorted(p.name for p in crashed.iterdir())}\n")

    subprocess.run([*train, "--folder", str(crashed)], check=True)
    same = (whole / "weights.safetensors").read_bytes() == (crashed / "weights.safetensors").read_bytes()
    print(f"\nthe same bytes: {same}")
    sys.exit(not same)
