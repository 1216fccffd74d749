"""``python -m polyad.testing.fuzz --minutes N --seed S``: run on, shrink what is found, print it.

Exit codes: 0 nothing found, 1 something found, 2 a mistake in what was asked, 130 interrupted, with the
count of what there was until then.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Sequence

from polyad.errors import PolyadError
from polyad.testing.fuzz.finding import Finding, script
from polyad.testing.fuzz.run import run
from polyad.testing.fuzz.shrink import shrink
from polyad.testing.fuzz.ways import OPERATORS, WAYS, available, backend_of

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the fuzzer.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments; by default those of the process.

    Returns
    -------
    int
        The exit code.
    """
    parser = argparse.ArgumentParser(
        prog="python -m polyad.testing.fuzz", description=(__doc__ or "").strip()
    )
    parser.add_argument("--minutes", type=float, default=1.0, help="how long to go on")
    parser.add_argument("--seed", type=int, default=0, help="the first program; the next ones count up")
    parser.add_argument("--programs", type=int, help="how many programs, instead of minutes")
    parser.add_argument(
        "--backends", help=f"ways, separated by commas, of {','.join(WAYS)}, or names of backends"
    )
    parser.add_argument("--operators", help=f"of {','.join(OPERATORS)}")
    parser.add_argument("--limit", type=float, default=60.0, help="seconds for one operator of one program")
    parser.add_argument(
        "--shrink", type=float, default=60.0, help="seconds to make a finding shorter; 0 leaves it"
    )
    parser.add_argument("--refusals", action="store_true", help="list what was refused, by how often")
    options = parser.parse_args(argv)
    operators = options.operators.split(",") if options.operators else list(OPERATORS)
    if unknown := [name for name in operators if name not in OPERATORS]:
        parser.error(f"no operator {unknown[0]!r}: choose of {', '.join(OPERATORS)}")
    ways = tuple(options.backends.split(",")) if options.backends else available()
    try:
        for way in ways:
            backend_of(way)
    except (PolyadError, AttributeError, TypeError) as error:
        parser.error(f"{way}: {error}")
    end = time.monotonic() + 60.0 * options.minutes
    refusals: Counter[str] = Counter()
    seen: Counter[tuple[str, ...]] = Counter()
    seed = options.seed
    passed = rejected = 0

    def more() -> bool:
        if options.programs is not None:
            return seed < options.seed + options.programs
        return time.monotonic() < end

    interrupted = False
    try:
        while more():
            outcome = run(seed, ways, operators, limit=options.limit)
            seed += 1
            rejected += outcome.rejected
            passed += outcome.passed
            refusals.update(outcome.refusals)
            for finding in {(f.way, f.kind): f for f in reversed(outcome.findings)}.values():
                key = (
                    str(finding.way),
                    *finding.signature,
                    finding.detail[:60] if finding.kind == "raw error" else "",
                )
                seen[key] += 1
                if seen[key] == 1:
                    _show(finding, options.shrink)
            if sys.stderr.isatty():
                print(f"\r{seed - options.seed} programs, {passed} results right", end="", file=sys.stderr)
    except KeyboardInterrupt:
        interrupted = True
        print("\ninterrupted", file=sys.stderr)
    count = seed - options.seed
    print(
        f"{count} programs ({rejected} left out: kinks, bad conditioning), {passed} results right, "
        f"{sum(refusals.values())} refusals, {sum(seen.values())} findings"
    )
    if options.refusals:
        for text, number in refusals.most_common():
            print(f"{number:6} {text}")
    return 130 if interrupted else 1 if seen else 0


def _show(finding: Finding, seconds: float) -> None:
    print(f"\n# program {finding.program.seed}: {finding}")
    shorter = shrink(finding, seconds=seconds) if seconds else finding
    print(script(shorter), flush=True)


if __name__ == "__main__":
    sys.exit(main())
