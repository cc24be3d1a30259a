"""Memory of long rollouts: 100,000 steps under `Checkpointed()` against 1,000."""

from pathlib import Path

import pytest

from .alone import measure

pytestmark = pytest.mark.bench

LONG, SHORT = 100_000, 1_000
MOST = 300  # MB that the long rollout may take more


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")
def test_memory_of_a_long_rollout(tmp_path: Path) -> None:
    """The full tape is shown for comparison: the walker is so small that it too would fit."""
    peaks = {}
    print()
    for adjoint, steps in (("Checkpointed", SHORT), ("Checkpointed", LONG), ("FullTape", SHORT), ("FullTape", LONG)):
        cache = tmp_path / f"{adjoint}-{steps}"
        cold = measure("memory", adjoint, str(steps), cache=cache)
        # From the cache: the compiler's own memory, which may hide what the rollout takes, is not in the peak.
        found = measure("memory", adjoint, str(steps), cache=cache)
        peaks[adjoint, steps] = found["peak"]
        print(
            f"{adjoint}, {steps:,} steps: peak {found['peak']:.0f} MB ({cold['peak']:.0f} MB when it compiles); "
            f"norm of the gradient {found['norm']:.1e}, loss {found['loss']:.4f}, first call {found['seconds']:.1f} s"
        )
    for adjoint in ("Checkpointed", "FullTape"):
        more = peaks[adjoint, LONG] - peaks[adjoint, SHORT]
        print(f"{adjoint}: {LONG:,} steps take {more:.1f} MB more than {SHORT:,}")
    assert peaks["Checkpointed", LONG] - peaks["Checkpointed", SHORT] < MOST
