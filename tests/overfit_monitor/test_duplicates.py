"""Examples in both sets: by hand, beside a double loop, and in the diagnosis."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from overfit_monitor import Facts, Monitor, UsageError, find_duplicates
from overfit_monitor.facts import DataFacts


def places(found):
    return [(pair.train, pair.val) for pair in found.pairs]


@pytest.mark.parametrize(
    ("train", "val", "expected"),
    [
        (["a", "b", "b"], ["b", "c", "a"], [(1, 0), (0, 2)]),
        ([np.zeros(2), np.ones(2)], [np.ones(2), np.ones(3)], [(1, 0)]),
        ([np.zeros(2)], [np.zeros(2, dtype="float32")], []),
        ([(np.ones(2), 0)], [(np.ones(2), 1)], [(0, 0)]),
        ([{"x": 1, "y": [2, 3]}], [{"y": [2, 3], "x": 1}, {"x": 1, "y": [2, 4]}], [(0, 0)]),
        ([[["ab", "c"], 0]], [[["a", "bc"], 0]], []),
        ([b"1", 1], [1.0, "1", 1], [(0, 1), (1, 2)]),
        ([], ["a"], []),
        (["a"], [], []),
    ],
)
def test_the_same_inputs(train, val, expected):
    found = find_duplicates(iter(train), iter(val))
    assert places(found) == expected
    assert (found.n_train, found.n_val) == (len(train), len(val))


def test_tensors_and_a_function_for_the_input():
    torch = pytest.importorskip("torch")
    train = [{"image": torch.ones(2, 2), "id": 1}, {"image": torch.zeros(2, 2), "id": 2}]
    val = [{"image": torch.zeros(2, 2), "id": 3}]
    assert places(find_duplicates(train, val, inputs=lambda example: example["image"])) == [(1, 0)]
    assert places(find_duplicates(train, val)) == []


@given(st.integers(0, 30), st.integers(0, 30), st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_near_duplicates_are_those_of_a_double_loop(n_train, n_val, width, seed):
    rng = np.random.default_rng(seed)
    train, val = rng.normal(size=(n_train, width)), rng.normal(size=(n_val, width))
    val[: n_val // 2] = train[rng.integers(n_train, size=n_val // 2)] if n_train else 0.0
    found = find_duplicates(list(train), list(val), embed=np.stack, similarity=0.9)
    expected = []
    centre = train.mean(axis=0) if n_train else 0.0
    for i, example in enumerate(val - centre):
        lengths = np.linalg.norm(train - centre, axis=1) * np.linalg.norm(example)
        cosines = np.where(lengths > 1e-9, (train - centre) @ example / np.maximum(lengths, 1e-9), 0.0)
        # Similarities are reckoned in single precision, which decides where one is at the limit.
        assume(not n_train or abs(cosines.max() - 0.9) > 1e-5)
        if n_train and cosines.max() >= 0.9:
            expected.append((i, cosines.max()))
    near = [(pair.val, pytest.approx(pair.similarity, abs=1e-4)) for pair in found.pairs]
    assert [val for val, _ in near] == [i for i, _ in expected]
    assert [value for _, value in near] == [cosine for _, cosine in expected]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"similarity": 0.0}, "similarity must be above 0"),
        ({"similarity": 1.5}, "similarity must be above 0"),
        ({"embed": lambda batch: np.zeros(3)}, r"embed must return an array of shape \(2, d\) but its shape is \(3,\)"),
        ({"inputs": lambda example: object()}, "an input must be made of numbers or text but got object"),
    ],
)
def test_what_cannot_be(arguments, message):
    with pytest.raises(UsageError, match=message):
        find_duplicates(["a", "b"], ["c", "d"], **arguments)


def test_embeddings_of_two_widths():
    widths = iter([2, 3])
    with pytest.raises(UsageError, match="embed gave 2 numbers for train and 3 for val"):
        find_duplicates(["a"], ["b"], embed=lambda batch: np.ones((len(batch), next(widths))))


def test_they_are_a_finding_and_stay_known(tmp_path):
    monitor = Monitor(run_dir=tmp_path, sinks={})
    monitor.know_duplicates(find_duplicates(["a", "b"], ["b", "c", "d"]))
    monitor.know(Facts(data=DataFacts(n_train=2)))
    for step in range(20):
        diagnosis = monitor.log(step=step, train={"loss": 1.0}, val={"loss": 1.0 + 0.01 * (step % 2)})
    leak = diagnosis.finding("leakage_suspected")
    assert leak.severity == "warning"
    assert leak.message.startswith("1 validation examples are in the training set") or leak.message.startswith("1 of 3")
    none = Monitor()
    none.know_duplicates(find_duplicates(["a"], ["b"]))
    assert none.log(step=0, val={"loss": 1.0}).finding("leakage_suspected") is None
