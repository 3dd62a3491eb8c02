"""The provider asked for is the one that runs: whatever else onnxruntime would do is an error that says what to do."""

from typing import Any

import pytest

from workloads.errors import ModelError
from workloads.loading.opening import open_model
from workloads.models import shipped_models
from workloads.providers import INSTALL, PROVIDERS, RECORDS, known, open_session, placement

SCREEN = shipped_models()["cloud-screen"]


@pytest.fixture
def cuda_listed(monkeypatch: pytest.MonkeyPatch) -> Any:
    """An onnxruntime that lists CUDA, as onnxruntime-gpu does on a host without a driver; the rest is the real one."""
    import onnxruntime

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [PROVIDERS["cuda"], PROVIDERS["cpu"]])
    return onnxruntime


def test_an_unknown_provider_is_refused_with_those_there_are() -> None:
    with pytest.raises(
        ModelError, match=r"'abacus' is not there: this onnxruntime has .*cpu.*; the known ones are cpu"
    ):
        known("abacus")


def test_a_known_provider_that_is_not_installed_says_what_it_needs() -> None:
    with pytest.raises(ModelError, match=r"'rocm' is not there.*onnxruntime-rocm"):
        open_session(open_model(SCREEN), "rocm")
    assert set(INSTALL) == set(PROVIDERS) - {"cpu"}


def test_a_silent_fall_back_to_the_cpu_is_an_error(cuda_listed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    real = cuda_listed.InferenceSession
    monkeypatch.setattr(cuda_listed, "InferenceSession", lambda source, options, **_: real(source, options))
    with pytest.raises(
        ModelError, match=r"does not initialise: onnxruntime fell back to CPU.*libraries.*driver"
    ) as told:
        open_session(open_model(SCREEN), "cuda")
    assert "onnxruntime-gpu" not in str(told.value)  # it is there already


@pytest.mark.parametrize(
    ("long", "short"), [("CUDAExecutionProvider", "cuda"), ("cpuexecutionprovider", "cpu"), ("CPU", "cpu")]
)
def test_onnxruntime_s_own_name_of_a_provider_is_answered_with_ours(long: str, short: str) -> None:
    with pytest.raises(ModelError, match=f"there is no provider '{long}': did you mean '{short}'"):
        known(long)


def test_a_provider_that_fails_to_start_is_told_apart_from_a_bad_model(
    cuda_listed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = cuda_listed.InferenceSession

    def session(source: Any, options: Any, providers: Any, **_: Any) -> Any:
        if providers[0][0] == PROVIDERS["cuda"]:
            raise RuntimeError("CUDA failure 35: CUDA driver version is insufficient")
        return real(source, options, providers=providers)

    monkeypatch.setattr(cuda_listed, "InferenceSession", session)
    with pytest.raises(ModelError, match="'cuda' is there but does not initialise: CUDA failure 35"):
        open_session(open_model(SCREEN), "cuda")


def test_every_node_of_a_model_on_the_cpu_is_placed_on_the_cpu() -> None:
    session = open_session(open_model(SCREEN), "cpu", 1, RECORDS)
    found = placement(session)
    assert found == {} or set(found) == {PROVIDERS["cpu"]}


@pytest.mark.gpu
def test_cuda_runs_on_the_gpu() -> None:
    import onnxruntime

    if PROVIDERS["cuda"] not in onnxruntime.get_available_providers():
        pytest.skip("this onnxruntime has no CUDA provider: onnxruntime-gpu is not installed")
    session = open_session(open_model(SCREEN), "cuda", 1, RECORDS)
    assert session.get_providers()[0] == PROVIDERS["cuda"]
    assert placement(session).get(PROVIDERS["cuda"], 0) > 0
