"""Which of our own kernels compute a network: their code stands beside torch's."""

from __future__ import annotations

from app.core.network_code.lines import all_rows, left_out
from app.core.nn.description import describe_network
from app.core.nn.plan import plan
from app.core.specs import ConvNetSpec, layers

__all__ = ["kernel_names"]


def kernel_names(
    spec: ConvNetSpec, image_shape: tuple[int, int, int], classes: int
) -> tuple[str, ...]:
    """Return the layers that a network is made of, each once, and its loss.

    Returns
    -------
    tuple of str
        Names in `app.core.kernels.reference` without ``_forward`` and ``_backward``; a loss has
        neither.

    Raises
    ------
    ShapeError
        A row is impossible.
    """
    names: list[str] = []
    for row in all_rows(plan(describe_network(spec.rows, image_shape, classes).checked())):
        match row.layer:
            case layers.Residual():
                found = "conv" if row.names else ""
            case layers.Dropout() as layer:
                found = "dropout" if left_out(layer, spec.dropout) else ""
            case layers.Batchnorm():
                found = "spatial_batchnorm" if row.picture else "batchnorm"
            case layers.Groupnorm():
                found = "spatial_groupnorm"
            case layers.Layernorm():
                found = "spatial_groupnorm" if row.picture else "layernorm"
            case layer:
                found = _KERNELS[type(layer)]
        names += [found] if found else []
    return (*dict.fromkeys(names), f"{spec.loss}_loss")


_KERNELS: dict[type, str] = {
    layers.Conv: "conv",
    layers.Affine: "affine",
    layers.Relu: "relu",
    layers.LeakyRelu: "leaky_relu",
    layers.Elu: "elu",
    layers.Pool: "max_pool",
    layers.AvgPool: "avg_pool",
    layers.GlobalAvgPool: "global_avg_pool",
}
