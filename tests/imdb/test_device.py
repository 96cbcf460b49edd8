"""The device and the precision of the matrix products."""

import pytest
import torch

from stages.common.errors import UserError
from stages.imdb.engine.optim import build_optimizers
from stages.imdb.models import device
from stages.imdb.models.classifiers import LSTMClassifier
from stages.imdb.models.device import CPU, get_device, get_matmul_dtype

CUDA = torch.device("cuda", 0)


@pytest.mark.parametrize(
    ("amx", "avx512_bf16", "vendor", "expected"),
    [
        (True, True, "GenuineIntel", torch.bfloat16),
        (False, True, "AuthenticAMD", torch.bfloat16),
        (False, True, "GenuineIntel", torch.float32),
        (False, False, "AuthenticAMD", torch.float32),
    ],
)
def test_auto_takes_bfloat16_where_the_processor_is_faster_in_it(
    amx: bool, avx512_bf16: bool, vendor: str, expected: torch.dtype,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512_bf16)
    monkeypatch.setattr(device, "_cpuinfo", lambda: f"vendor_id\t: {vendor}\n")
    assert get_matmul_dtype("auto", CPU) is expected
    assert get_matmul_dtype("float32", CPU) is torch.float32
    assert get_matmul_dtype("bfloat16", CPU) is torch.bfloat16


@pytest.mark.parametrize("supported", [True, False])
def test_auto_on_a_gpu_asks_cuda(supported: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: supported)
    expected = torch.bfloat16 if supported else torch.float32
    assert get_matmul_dtype("auto", CUDA) is expected


def test_auto_takes_a_gpu_if_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert get_device("auto") == CPU
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", lambda device: None)
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert get_device("auto") == torch.device("cuda", 1)
    assert get_device("cpu") == CPU


def test_more_processes_than_gpus_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setenv("LOCAL_RANK", "1")
    with pytest.raises(UserError, match=r"more processes than the 1 GPUs of this machine"):
        get_device("cuda")


def test_a_device_that_this_machine_lacks_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.mps, "is_available", lambda: False)
    with pytest.raises(UserError, match=r"imdb.train.device = 'cuda': .*; use one of auto, cpu"):
        get_device("cuda")


def test_embeddings_are_dense_where_sparse_gradients_are_not_supported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    network = LSTMClassifier(50, 6, 5)
    assert len(build_optimizers(network)) == 2
    monkeypatch.setattr("stages.imdb.engine.optim.device_of", lambda network: CUDA)
    _, sparse = build_optimizers(network)
    assert sparse.param_groups[0]["params"] == [network.embedding.weight]
    assert not network.embedding.sparse
