"""What RESULTS.md says of bars is what the scripts that measure ask by now, and scores are kept for what made them alone."""

import json
import re
import subprocess
import sys
from pathlib import Path

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
# in a process of its own: modules there are called measure and hand
BARS = """
import json
import games, training
bars = {}
for work in (make(True) for module in (training, games) for make in module.WORKS):
    asked = {(work.name, mode): [f"≤ {bar:g}"] for mode, bar in work.bars.items() if mode != training.SVI}
    for mode, bar, others in work.beside:
        asked[work.name, mode].append(f"≤ {bar:g} × {' + '.join(others)}")
    if training.SVI in work.bars:
        asked[work.name, work.modes[-1]].append(f"≥ {work.bars[training.SVI]:g} × SVI")
    bars |= {" | ".join(key): value for key, value in asked.items()}
print(json.dumps(bars))
"""


def by_script(code):
    done = subprocess.run([sys.executable, "-c", code], cwd=BENCHMARKS, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def results(*titles):
    """Model, what trained it, and the bars beside it, of the sections of these titles."""
    sections = (BENCHMARKS / "RESULTS.md").read_text(encoding="utf-8").split("\n## ")[1:]
    for section in sections:
        if section.split("\n")[0].split(",")[0] in titles:
            rows = re.findall(r"^\| (.+?) \| \d+ \| (.+?) \| .* \| .* \| (.*) \|$", section, flags=re.M)
            yield from ((name, mode, re.findall(r"(?:^|; )(.+?): (?:met|MISSED)", bars)) for name, mode, bars in rows)


def test_bars_in_the_results_are_those_of_the_works():
    asked, found = by_script(BARS), list(results("fit", "games"))
    assert len([bars for *_, bars in found if bars]) > 10
    for name, mode, bars in found:
        # what was measured before a bar was asked may lack it; none may be judged by another
        assert set(bars) <= set(asked.get(f"{name} | {mode}", ())), f"{name}, {mode}"


def test_a_score_is_kept_for_what_made_it_alone(tmp_path):
    code = f"""
import json, pathlib, measure
measure.ROOT = pathlib.Path({str(tmp_path)!r})
script = measure.ROOT / "densities.py"
script.write_text("EPOCHS = 1")
measure._git = lambda *words: "abc"
found = [measure.kept(str(script), "made-seed-0.json") for _ in range(2)]
found += [measure.kept(str(script), "made-seed-1.json")]
measure._git = lambda *words: "def"
found += [measure.kept(str(script), "made-seed-0.json")]
script.write_text("EPOCHS = 2")
found += [measure.kept(str(script), "made-seed-0.json")]
print(json.dumps([str(file) for file in found]))
"""
    once, again, *others = by_script(code)
    assert once == again
    assert len({once, *others}) == 4  # by name, by commit and by script
    assert {Path(file).parent for file in (once, *others)} == {tmp_path / "build" / "densities"}
    assert Path(once).parent.is_dir()
