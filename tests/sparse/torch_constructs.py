"""Functions of six numbers written in torch, one for each thing that such code can do."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as tf
from constructs import BAND, DENSE, PLACES, SPD
from torch import linalg

band, dense, spd = (torch.tensor(a) for a in (BAND, DENSE, SPD))
places = torch.tensor(PLACES)
with warnings.catch_warnings():  # torch says that compressed rows are not finished
    warnings.simplefilter("ignore")
    compressed, coordinates = band.to_sparse_csr(), band.to_sparse()
kernel = torch.tensor([[[1.0, 0.0, -2.0]]], dtype=torch.float64)
square = torch.tensor(DENSE[:2, :2]).reshape(1, 1, 2, 2)


class Straight(torch.autograd.Function):
    """Rounds, with the derivative of the identity."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        return x.round()

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:  # type: ignore[override]
        return g.clone()


def written(x: Any) -> Any:
    y = x.clone()
    y[2:4] = x[:2] * 3
    y[0] *= x[5]
    return y


def buffer(x: Any) -> Any:
    y = torch.zeros(2, 3, dtype=x.dtype)
    y[0] = x[:3]
    y[1, 2] = x[5] ** 2
    return y


def stepped(x: Any) -> Any:
    y = x
    for _ in range(2):
        y = y + torch.roll(y, 1) * 0.1
    return y


def added(x: Any) -> Any:
    return torch.zeros(6, dtype=x.dtype).index_add(0, places, x[:4] ** 2)


EXACT: dict[str, Callable[[Any], Any]] = {
    "square": lambda x: x**2,
    "sign": lambda x: torch.sign(x) + x.flip(0),
    "round": lambda x: torch.round(x) * x,
    "constant": lambda x: torch.ones(4, dtype=x.dtype),
    "sum": lambda x: x[:3].sum(),
    "sum of an axis": lambda x: x.reshape(2, 3).sum(0),
    "mean kept": lambda x: x.reshape(2, 3) - x.reshape(2, 3).mean(1, keepdim=True),
    "prod": lambda x: x[1:4].prod(),
    "cumsum": lambda x: x.cumsum(0),
    "cumprod": lambda x: x.cumprod(0),
    "diff": torch.diff,
    "roll": lambda x: x.roll(2) * x,
    "slice": lambda x: x[1:5:2] * x[0],
    "index": lambda x: x[places] ** 2,
    "index of an axis": lambda x: x.reshape(3, 2)[torch.tensor([2, 0])],
    "mask": lambda x: x[torch.tensor([1, 0, 1, 1, 0, 0], dtype=torch.bool)],
    "gather": lambda x: x.reshape(2, 3).gather(1, torch.tensor([[2, 0], [1, 1]])),
    "take": lambda x: x.take(places),
    "where of a constant": lambda x: torch.where(torch.arange(6) > 2, x, 2 * x.flip(0)),
    "maximum": lambda x: torch.maximum(x, x.flip(0)),
    "clamp": lambda x: x.clamp(-0.5, 0.5),
    "relu": lambda x: tf.relu(x),
    "activations": lambda x: tf.gelu(x) + tf.silu(x) + tf.softplus(x) + tf.leaky_relu(x) + torch.sigmoid(x),
    "more activations": lambda x: (
        tf.elu(x) + tf.hardtanh(x * 0.1) + tf.logsigmoid(x) + tf.mish(x) + torch.tanh(x)
    ),
    "sort of rows": lambda x: x.reshape(2, 3).sort(1)[0],
    "band": lambda x: band @ x,
    "band from the right": lambda x: x @ band,
    "dense": lambda x: dense @ x,
    "outer": lambda x: torch.outer(x[:3], x[3:]),
    "matmul": lambda x: x.reshape(2, 3) @ x.reshape(3, 2),
    "stack of matrices": lambda x: torch.matmul(
        torch.stack([band[:2, :2], dense[:2, :2]]), x[:4].reshape(2, 2, 1)
    ),
    "einsum": lambda x: torch.einsum("ij,j->i", band, x),
    "einsum of both": lambda x: torch.einsum("ij,ij->j", x.reshape(2, 3), x.reshape(2, 3)),
    "linear": lambda x: tf.linear(x, band, x),
    "addmm": lambda x: torch.addmm(x[:2], x[:4].reshape(2, 2), dense[:2, :2]),
    "kron": lambda x: torch.kron(x[:2], x[2:4]),
    "conv1d": lambda x: tf.conv1d(x.reshape(1, 1, 6), kernel, padding=1),
    "conv2d": lambda x: tf.conv2d(x.reshape(1, 1, 2, 3), square),
    "conv of channels": lambda x: tf.conv1d(x.reshape(1, 2, 3), torch.tensor(DENSE[:4, :2].reshape(2, 2, 2))),
    "conv of groups": lambda x: tf.conv1d(x.reshape(1, 2, 3), torch.ones(2, 1, 2, dtype=x.dtype), groups=2),
    "conv by the weights": lambda x: tf.conv1d(spd[:1].reshape(1, 1, 6), x.reshape(2, 1, 3)),
    "avg_pool": lambda x: tf.avg_pool1d(x.reshape(1, 1, 6), 3, stride=2),
    "avg_pool2d": lambda x: tf.avg_pool2d(x.reshape(1, 1, 2, 3), 2, stride=1),
    "solve": lambda x: linalg.solve(spd, x),
    "solve of columns": lambda x: linalg.solve(spd[:3, :3], x.reshape(3, 2)),
    "solve of a matrix": lambda x: linalg.solve(3 * torch.eye(2, dtype=x.dtype) + x[:4].reshape(2, 2), x[4:]),
    "solve_triangular": lambda x: linalg.solve_triangular(spd.triu(), x[:, None], upper=True),
    "solve_triangular from the left": lambda x: linalg.solve_triangular(
        spd[:3, :3].tril(), x.reshape(2, 3), upper=False, left=False
    ),
    "inv": lambda x: linalg.inv(x[:4].reshape(2, 2) + 3 * torch.eye(2, dtype=x.dtype)),
    "det": lambda x: linalg.det(x[:4].reshape(2, 2)),
    "eigvalsh": lambda x: linalg.eigvalsh(spd + torch.diag(x)),
    "norm": lambda x: linalg.norm(x[:4]),
    "fft": lambda x: torch.fft.fft(x).abs(),
    "rfft of rows": lambda x: torch.fft.rfft(x.reshape(2, 3), dim=1).abs(),
    "complex": lambda x: torch.complex(x[:3], x[3:]).abs() ** 2,
    "view as complex": lambda x: torch.view_as_complex(x.reshape(3, 2)).abs(),
    "cat": lambda x: torch.cat([x[3:], torch.ones(2, dtype=x.dtype), x[:2] ** 2]),
    "stack": lambda x: torch.stack([x[:3], x[3:]], 1),
    "pad": lambda x: tf.pad(x, (2, 1)),
    "reflected pad": lambda x: tf.pad(x.reshape(1, 1, 6), (2, 2), mode="reflect"),
    "circular pad": lambda x: tf.pad(x.reshape(1, 1, 6), (1, 1), mode="circular"),
    "repeat": lambda x: x[:2].repeat(3),
    "repeat_interleave": lambda x: x[:3].repeat_interleave(2),
    "unfold": lambda x: x.unfold(0, 3, 1).sum(1),
    "tril": lambda x: x[:4].reshape(2, 2).tril(),
    "diag": lambda x: torch.diag(x[:2]),
    "trace": lambda x: x[:4].reshape(2, 2).trace(),
    "split": lambda x: torch.split(x, 2)[1] * torch.chunk(x, 3)[0],
    "unbind": lambda x: torch.stack(torch.unbind(x.reshape(2, 3), 1)[1:]),
    "written": written,
    "buffer": buffer,
    "stepped": stepped,
    "index_add": added,
    "scatter_add": lambda x: torch.zeros(6, dtype=x.dtype).scatter_add(0, places, x[:4] ** 2),
    "index_put": lambda x: x.index_put((places[:2],), x[:2] ** 2),
    "masked_fill": lambda x: x.masked_fill(torch.tensor([1, 0, 1, 1, 0, 0], dtype=torch.bool), 0.0),
    "softmax of rows": lambda x: tf.softmax(x.reshape(2, 3), 1),
    "log_softmax": lambda x: tf.log_softmax(x.reshape(2, 3), 0),
    "logsumexp": lambda x: torch.logsumexp(x[:4], 0),
    "layer_norm": lambda x: tf.layer_norm(x.reshape(2, 3), (3,)),
    "var": lambda x: x.reshape(2, 3).var(0),
    "cross": lambda x: torch.cross(x[:3], x[3:], dim=0),
    "atan2": lambda x: torch.atan2(x[:3], x[3:]),
    "power": lambda x: x[:3].abs() ** x[3:],
    "lgamma": lambda x: torch.lgamma(x.abs() + 1) * x[0],
    "mse": lambda x: tf.mse_loss(x[:3], x[3:]),
    "huber": lambda x: tf.huber_loss(x[:3], x[3:], reduction="none"),
    "detach": lambda x: x * x.flip(0).detach(),
    "custom function": lambda x: 2 * Straight.apply(x) + x.flip(0),
    "vmap": lambda x: torch.vmap(torch.dot)(x.reshape(2, 3), x.reshape(2, 3)),
    "checkpoint": lambda x: torch.utils.checkpoint.checkpoint(
        lambda x: x.sin() * x.flip(0), x, use_reentrant=False
    ),
    "numbers": lambda x: x[0] * x[3] + 2,
    "empty": lambda x: x[:0],
    "embedding": lambda x: tf.embedding(torch.tensor([2, 0]), x.reshape(3, 2)),
    "interpolate": lambda x: tf.interpolate(x.reshape(1, 1, 6), scale_factor=2, mode="nearest"),
    "cosine": lambda x: tf.cosine_similarity(x[:3], x[3:], dim=0),
    "matrix_exp": lambda x: torch.matrix_exp(x[:4].reshape(2, 2)),
    "pinv": lambda x: linalg.pinv(x.reshape(3, 2)),
    "conv_transpose": lambda x: tf.conv_transpose1d(x.reshape(1, 1, 6), kernel),
    "slogdet": lambda x: linalg.slogdet(x[:4].reshape(2, 2) + 3 * torch.eye(2, dtype=x.dtype))[1],
    "sparse matrix": lambda x: torch.mv(compressed, x**2),
    "sparse matrix by columns": lambda x: torch.sparse.mm(coordinates.t(), torch.outer(x, x[:2])),
    "by a sparse matrix": lambda x: torch.outer(x[:2], x) @ coordinates,
    "xlogy": lambda x: torch.xlogy(x.abs() + 1, x.flip(0).abs() + 1),
    "segments": lambda x: torch.zeros(3, dtype=x.dtype).scatter_reduce(0, torch.arange(6) // 2, x, "sum"),
}
CONSERVATIVE: dict[str, Callable[[Any], Any]] = {
    "where": lambda x: torch.where(x > 0, x, x.flip(0)),
    "max": torch.max,
    "sort": lambda x: x.sort()[0],
    "argsort": lambda x: x[x.argsort()],
    "topk": lambda x: x.topk(2)[0],
    "median": torch.median,
    "cummax": lambda x: x.cummax(0)[0],
    "max_pool": lambda x: tf.max_pool1d(x.reshape(1, 1, 6), 2),
    "cholesky": lambda x: linalg.cholesky(spd + torch.diag(x)),
    "qr": lambda x: linalg.qr(spd + torch.diag(x))[1],
    "svdvals": lambda x: linalg.svdvals(x.reshape(2, 3)),
    "eigh": lambda x: linalg.eigh(spd + torch.diag(x))[1].abs(),
    "scatter where data says": lambda x: torch.zeros(6, dtype=x.dtype).scatter_add(0, x.argsort(), x**2),
    "put where data says": lambda x: x.index_put((x.argsort()[:2],), x[:2] ** 2),
    "lstsq": lambda x: linalg.lstsq(torch.tensor(DENSE[:, :3]), x[:, None])[0],
    "cdist": lambda x: torch.cdist(x[:4].reshape(2, 2), x[2:].reshape(2, 2)),
    "times zero": lambda x: x * torch.arange(6.0, dtype=x.dtype),
}
