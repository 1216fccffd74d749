"""Independent calls spread over workers: order, errors, lost processes, Dask, MPI, sums over data."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import textwrap
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import polyad as ad
from polyad.errors import ArgumentError, NonScalarOutputError, NotPicklableError, WorkerError
from polyad.workers import run, sending

X = np.array([0.5, -1.0])
DATA = [(np.linspace(0, 1, n), np.linspace(1, 2, n)) for n in (3, 4, 5, 4, 3)]


def misfit(p: Any, batch: Any) -> Any:
    t, y = batch
    return np.sum((p[0] * np.sin(t) + p[1] - y) ** 2)


def by_hand(p: Any) -> tuple[float, Any]:
    value, slope = 0.0, np.zeros(2)
    for t, y in DATA:
        r = p[0] * np.sin(t) + p[1] - y
        value, slope = value + np.sum(r**2), slope + 2 * np.array([r @ np.sin(t), np.sum(r)])
    return value, slope


def square(x: float) -> float:
    return x * x


def unhappy(x: float) -> float:
    if x == 3:
        raise ValueError("no threes")
    return x


class Unsendable(Exception):
    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} and {two}")


def unsendable(x: float) -> float:
    raise Unsendable(1, 2)


def dies_once(item: tuple[str, int]) -> int:
    """End the process at item 2, the first time."""
    mark, k = item
    if k == 2 and not Path(mark).exists():
        Path(mark).touch()
        os._exit(1)
    return k * k


def dies(item: int) -> int:
    os._exit(1)


class Counted:
    def __init__(self) -> None:
        self.factor = 2

    def __call__(self, x: int) -> tuple[int, int]:
        return id(self), self.factor * x


@pytest.fixture(scope="module")
def processes() -> Any:
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        yield pool


# -- one after the other -------------------------------------------------------------------------------------


def test_results_come_in_the_order_of_the_items(processes: Any) -> None:
    items, expected = list(range(11)), [k * k for k in range(11)]
    with ThreadPoolExecutor(3) as threads:
        for workers in (None, 1, 2, processes, threads, map, threads.map, processes.map):
            for chunk in (None, 1, 4, 100):
                assert run(square, items, workers=workers, chunk=chunk, progress=False) == expected
        backwards: Any = lambda f, pieces: [f(p) for p in reversed(pieces)]  # noqa: E731
        assert run(square, items, workers=backwards) == expected
        assert run(square, items, workers=lambda f, p: [threads.submit(f, x) for x in p]) == expected
    assert run(square, [], workers=2) == []


@pytest.mark.parametrize("workers", [0, True, "4", 2.0, -2])
def test_what_cannot_work_is_refused(workers: Any) -> None:
    with pytest.raises(ArgumentError, match="number of processes"):
        run(square, [1], workers=workers)


@pytest.mark.parametrize("chunk", [0, -1, 2.5, True])
def test_pieces_have_a_size(chunk: Any) -> None:
    with pytest.raises(ArgumentError, match="chunk is"):
        run(square, [1], chunk=chunk)


def test_a_map_that_drops_results_is_found() -> None:
    with pytest.raises(ArgumentError, match="2 results for 3 calls"):
        run(square, [1, 2, 3], workers=lambda f, pieces: [f(p) for p in pieces[:-1]])


# -- errors --------------------------------------------------------------------------------------------------


def test_an_error_names_the_item_and_shows_the_workers_traceback(processes: Any) -> None:
    for workers in (None, 2, processes, processes.map, map):
        with pytest.raises(ValueError, match="no threes") as caught:
            run(unhappy, range(6), workers=workers, label="evaluation", progress=False)
        (note,) = caught.value.__notes__
        assert note.startswith("in evaluation 3")
        elsewhere = workers is not None and workers is not map
        assert ('raise ValueError("no threes")' in note) == elsewhere
        assert ("by process" in note) == elsewhere


def test_an_error_that_cannot_be_sent_is_told_in_words(processes: Any) -> None:
    with pytest.raises(WorkerError, match="Unsendable: 1 and 2"):
        run(unsendable, [1], workers=processes)
    with pytest.raises(Unsendable):
        run(unsendable, [1], workers=map)


def test_the_first_failure_is_the_one_that_is_raised(processes: Any) -> None:
    with pytest.raises(ValueError, match="no threes"):
        run(unhappy, [1, 3, 2, 3], workers=processes, chunk=1)


def test_a_lambda_travels_with_cloudpickle_only(processes: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(lambda x: x + 1, [1, 2], workers=processes) == [2, 3]
    monkeypatch.setitem(sys.modules, "cloudpickle", None)
    with pytest.raises(NotPicklableError, match=r"at module level .* install cloudpickle"):
        run(lambda x: x + 1, [1, 2], workers=processes)


# -- what is kept --------------------------------------------------------------------------------------------


def test_a_worker_unpacks_a_function_once_and_a_changed_one_anew() -> None:
    f, before = Counted(), len(sending._ARRIVED)

    def sent(x: int) -> tuple[int, int]:
        return pickle.loads(pickle.dumps(sending.Sent(f, "it")))(x)

    (first, a), (second, b) = sent(1), sent(3)
    assert (a, b) == (2, 6)
    assert first == second
    f.factor = 5
    assert sent(1)[1] == 5
    assert len(sending._ARRIVED) <= max(before, sending.MOST)


# -- lost processes ------------------------------------------------------------------------------------------


def test_what_a_lost_process_had_is_done_again(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    assert run(dies_once, [(str(mark), k) for k in range(8)], workers=3) == [k * k for k in range(8)]
    assert mark.exists()


def test_a_call_that_ends_every_process_is_given_up() -> None:
    with pytest.raises(WorkerError, match=r"died 2 time\(s\).* call 0 or one behind it.* if __name__ =="):
        run(dies, [1, 2], workers=2, retries=1)
    assert run(square, [1, 2], workers=2) == [1, 4]  # the next run has processes again


# -- sums over data ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", ["numpy", "jax", "torch", "autograd"])
def test_the_gradient_of_a_sum_over_data(backend: str) -> None:
    function = misfit
    if backend == "torch":
        function = lambda p, b: ((p[0] * b[0].sin() + p[1] - b[1]) ** 2).sum()  # noqa: E731
    if backend == "torch":
        torch = pytest.importorskip("torch")
        data: Any = [tuple(map(torch.tensor, batch)) for batch in DATA]
        value, slope = ad.map_gradient(function, data, torch.tensor(X), backend=backend, progress=False)
    else:
        value, slope = ad.map_gradient(function, DATA, X, backend=backend)
    expected = by_hand(X)
    assert np.allclose(value, expected[0], rtol=1e-13)
    assert np.allclose(slope, expected[1], rtol=1e-13)


def test_the_sum_does_not_depend_on_who_worked(processes: Any) -> None:
    p = ad.prepare_map_gradient(misfit, DATA, X, backend="numpy")
    assert "5 batches" in repr(p)
    with ThreadPoolExecutor(3) as threads:
        for workers in (2, processes, threads, processes.map):
            for chunk in (1, 2):
                q = ad.prepare_map_gradient(misfit, DATA, X, backend="numpy", workers=workers, chunk=chunk)
                for x in (X, X + 1):  # the second is computed by what the workers have kept
                    (value, slope), (right, also) = q(x), p(x)
                    assert value == right
                    assert np.array_equal(slope, also)


def model(a: Any, b: Any, batch: Any) -> Any:
    return np.sum(a["w"] * b * batch)


def test_trees_several_arguments_and_data_that_are_loaded_there(processes: Any) -> None:
    options: dict[str, Any] = {"argnums": (0, -1), "load": square, "workers": processes}
    value, (da, db) = ad.map_gradient(model, [2.0, 3.0], {"w": X}, 3.0, **options)
    assert np.allclose(value, 13 * 3 * X.sum())
    assert np.allclose(da["w"], [39, 39])
    assert np.allclose(db, 13 * X.sum())


def test_what_is_wrong_with_a_sum_is_said() -> None:
    with pytest.raises(ArgumentError, match="no batches"):
        ad.map_gradient(misfit, [], X)
    with pytest.raises(ArgumentError, match="the batch, which is a constant"):
        ad.map_gradient(misfit, DATA, X, argnums=1)
    with pytest.raises(NonScalarOutputError, match="2 leaves, but map_gradient adds up one real number"):
        ad.map_gradient(lambda p, b: (misfit(p, b), 1.0), DATA, X, backend="numpy")
    with pytest.raises(ArgumentError, match="number of processes"):
        ad.prepare_map_gradient(misfit, DATA, X, workers=0)
    with pytest.raises(ValueError, match="unpack") as caught:
        ad.map_gradient(misfit, [DATA[0], (1.0, 2.0, 3.0)], X, backend="numpy")
    assert "in batch 1" in caught.value.__notes__[0]


def test_progress_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    run(square, range(3), workers=map, progress=True, label="evaluation")
    assert "evaluations: 3 of 3" in capsys.readouterr().err
    run(square, range(3), workers=map)  # no terminal
    assert capsys.readouterr().err == ""


# -- clusters ------------------------------------------------------------------------------------------------


DASK = """
    import logging
    import os
    import sys
    from pathlib import Path

    import numpy as np
    import polyad as ad
    from distributed import Client, LocalCluster
    from polyad.workers import run

    def square(k):
        return k * k

    def unhappy(k):
        if k == 3:
            raise ValueError("no threes")
        return k

    def dies_once(item):
        mark, k = item
        if k == 2 and not Path(mark).exists():
            Path(mark).touch()
            os._exit(1)
        return k * k

    def misfit(p, b):
        return np.sum((p * b) ** 2)

    def main(mark):
        options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
        with LocalCluster(**options, silence_logs=logging.CRITICAL) as cluster, Client(cluster) as client:
            for workers in (client, client.get_executor()):
                assert run(square, range(7), workers=workers, chunk=2) == [k * k for k in range(7)]
            x, data = np.array([1.0, 2.0]), [np.full(2, float(k)) for k in range(5)]
            value, slope = ad.map_gradient(misfit, data, x, backend="numpy", workers=client)
            assert (float(value), slope.tolist()) == (150.0, [60.0, 120.0]), (value, slope)
            center = 0.25  # a closure
            b = ad.FiniteDifferences(workers=client, chunk=3)
            slope = ad.gradient(lambda x: np.sum((x - center) ** 2), x, backend=b)
            assert np.allclose(slope, 2 * (x - center))
            try:
                run(unhappy, range(6), workers=client)
            except ValueError as error:
                assert "in call 3 of 6" in error.__notes__[0]
            else:
                raise AssertionError("no error came back")
            items = [(mark, k) for k in range(6)]
            assert run(dies_once, items, workers=client) == [k * k for k in range(6)]
            assert Path(mark).exists()
        print("right")

    if __name__ == "__main__":
        main(sys.argv[1])
"""
MPI = """
    import numpy as np
    import polyad as ad
    from mpi4py.futures import MPIPoolExecutor

    def misfit(p, b):
        return np.sum((p * b) ** 2)

    if __name__ == "__main__":
        with MPIPoolExecutor() as pool:
            data = [np.full(2, float(k)) for k in range(5)]
            x, options = np.array([1.0, 2.0]), {"backend": "numpy", "workers": pool}
            value, slope = ad.map_gradient(misfit, data, x, **options)
            assert (float(value), slope.tolist()) == (150.0, [60.0, 120.0]), (value, slope)
            b = ad.FiniteDifferences(workers=pool)
            assert np.allclose(ad.gradient(lambda x: np.sum(x**2), np.ones(3), backend=b), 2)
            print("right")
"""


# In programs of their own: what such frameworks leave to the garbage collector would be told in other tests.
def test_a_cluster_of_dask_that_loses_a_worker(tmp_path: Path) -> None:
    pytest.importorskip("distributed", reason="Dask is an extra of the tests")
    script = tmp_path / "cluster.py"
    script.write_text(textwrap.dedent(DASK))
    in_a_program([sys.executable, str(script), str(tmp_path / "mark")], tmp_path)


def test_processes_of_mpi(tmp_path: Path) -> None:
    pytest.importorskip("mpi4py", reason="MPI is an extra of the tests")
    mpiexec = Path(sys.prefix) / "bin" / "mpiexec"
    if not mpiexec.exists():
        pytest.skip("no mpiexec in this environment (the wheel of mpich has one)")
    script = tmp_path / "sums.py"
    script.write_text(textwrap.dedent(MPI))
    in_a_program([str(mpiexec), "-n", "3", sys.executable, "-m", "mpi4py.futures", str(script)], tmp_path)


def in_a_program(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=folder)
    assert done.stdout.strip() == "right", done.stdout + done.stderr
