"""A policy for other programs: as a C file, for ONNX, or for PyTorch; each with its contract and vectors to test it."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from diffsim.bridges.packages import needed
from diffsim.files import draft, write_whole
from diffsim.learning.contract import Network, network_of
from diffsim.problem import Problem
from diffsim.spec import choices

__all__ = ["export_policy"]


def export_policy(problem: Problem, params: Mapping[str, Any], folder: str | os.PathLike[str], kind: str) -> list[Path]:
    """Write a policy for other programs.

    Beside it are ``contract.json`` (what goes in and comes out, in which order and units, how often) and
    ``vectors.csv`` (observations, with the actuations that belong to them).

    Args:
        problem: whose controller it is: a `MLP` with ``sines=0``.
        params: values of its parameters, as `Learned.best_params`.
        folder: where to; it is made as needed.
        kind: "c": ``policy.c``, which compiles alone; "onnx": ``policy.onnx``; "torch": ``policy.pt2``, which
            ``torch.export.load`` reads.

    Returns:
        The paths.

    Raises:
        InputError: the controller sees more than an observation, or not that.
        MissingExtraError: "onnx" and "torch" need those packages.
    """
    write = {"c": _c, "onnx": _onnx, "torch": _torch}[choices("export_policy(kind)", kind, ("c", "onnx", "torch"))]
    network, folder = network_of(problem, params), Path(folder)
    found = write(network, folder)
    contract = json.dumps(network.contract(), indent=1).encode() + b"\n"
    for name, data in (("contract.json", contract), ("vectors.csv", _vectors(network))):
        write_whole(folder / name, data)
        found.append(folder / name)
    return found


def _vectors(network: Network) -> bytes:
    held = io.StringIO()
    writer = csv.writer(held, lineterminator="\n")
    writer.writerow([name for name, _ in (*network.inputs, *network.outputs)])
    for row in np.concatenate([network.observations, network.actuations], axis=1):
        writer.writerow([repr(float(value)) for value in row])
    return held.getvalue().encode()


# C

HIDDEN = {"tanh": "tanh(sum)", "elu": "sum > 0.0 ? sum : expm1(sum)"}

C = """\
/*
{about}

  cc -O2 -c policy.c                                     the function
  cc -O2 -DPOLICY_TEST policy.c -lm && ./a.out           compares it with what diffsim computed
*/
#include <math.h>

#define POLICY_OBSERVATIONS {inputs}
#define POLICY_ACTUATIONS {outputs}

{arrays}

static void layer(const double *weights, const double *bias, const double *in, int into,
                  double *out, int count, int last)
{{
    for (int k = 0; k < count; k++) {{
        double sum = bias[k];
        for (int i = 0; i < into; i++)
            sum += weights[k * into + i] * in[i];
        out[k] = last ? tanh(sum) : ({hidden});
    }}
}}

/* From an observation (POLICY_OBSERVATIONS numbers) to actuations (POLICY_ACTUATIONS numbers). */
void policy(const double *observation, double *actuation)
{{
    double a[{widest}], b[{widest}];
    (void)a, (void)b;
{calls}
}}

#ifdef POLICY_TEST
#include <stdio.h>

{vectors}

int main(void)
{{
    double worst = 0.0, found[POLICY_ACTUATIONS];
    for (int row = 0; row < {rows}; row++) {{
        policy(observations[row], found);
        for (int k = 0; k < POLICY_ACTUATIONS; k++)
            worst = fmax(worst, fabs(found[k] - actuations[row][k]));
    }}
    printf("at most %g off in {rows} observations\\n", worst);
    return worst > 1e-6;
}}
#endif
"""


def _c(network: Network, folder: Path) -> list[Path]:
    arrays, calls, source = [], [], "observation"
    for k, (weights, bias) in enumerate(network.layers, start=1):
        last = k == len(network.layers)
        out, into = weights.shape
        arrays += [_array(f"w{k}", weights.reshape(-1)), _array(f"b{k}", bias)]
        target = "actuation" if last else "ab"[k % 2]
        calls.append(f"    layer(w{k}, b{k}, {source}, {into}, {target}, {out}, {int(last)});")
        source = target
    vectors = [_array(name, getattr(network, name)) for name in ("observations", "actuations")]
    text = C.format(
        about="\n".join(network.words()).replace("*/", "* /"),
        inputs=len(network.inputs),
        outputs=len(network.outputs),
        arrays="\n".join(arrays),
        hidden=HIDDEN[network.activation],
        widest=max(len(bias) for _, bias in network.layers),
        calls="\n".join(calls),
        vectors="\n".join(vectors),
        rows=len(network.observations),
    )
    write_whole(folder / "policy.c", text.encode())
    return [folder / "policy.c"]


def _array(name: str, values: np.ndarray) -> str:
    def row(numbers: np.ndarray) -> str:
        return "{" + ", ".join(repr(float(value)) for value in numbers) + "}"

    shape = "".join(f"[{length}]" for length in values.shape)
    rows = row(values) if values.ndim == 1 else "{\n" + ",\n".join(row(each) for each in values) + "\n}"
    return f"static const double {name}{shape} = {rows};"


# ONNX


def _onnx(network: Network, folder: Path) -> list[Path]:
    """Matrix products and activations, in float32; the contract is in its metadata as well."""
    onnx = needed("onnx", 'export_policy(kind="onnx")', "onnx")
    helper = onnx.helper
    nodes, weights, source = [], [], "observation"
    for k, (weight, bias) in enumerate(network.layers, start=1):
        last = k == len(network.layers)
        for name, value in ((f"w{k}", weight), (f"b{k}", bias)):
            weights.append(onnx.numpy_helper.from_array(value.astype(np.float32), name))
        nodes.append(helper.make_node("Gemm", [source, f"w{k}", f"b{k}"], [f"sum{k}"], transB=1))
        source = "actuation" if last else f"hidden{k}"
        kind = "Tanh" if last or network.activation == "tanh" else "Elu"
        nodes.append(helper.make_node(kind, [f"sum{k}"], [source]))
    real = onnx.TensorProto.FLOAT
    ends = [
        helper.make_tensor_value_info(name, real, ["copies", len(values)])
        for name, values in (("observation", network.inputs), ("actuation", network.outputs))
    ]
    graph = helper.make_graph(nodes, "policy", ends[:1], ends[1:], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], producer_name="diffsim", ir_version=8)
    model.doc_string = "\n".join(network.words())
    helper.set_model_props(model, {"contract": json.dumps(network.contract())})
    onnx.checker.check_model(model)
    write_whole(folder / "policy.onnx", model.SerializeToString())
    return [folder / "policy.onnx"]


# PyTorch


def _torch(network: Network, folder: Path) -> list[Path]:
    """A program of torch.export, in float32, for any number of observations."""
    torch = needed("torch", 'export_policy(kind="torch")', "torch")
    parts: list[Any] = []
    for k, (weights, bias) in enumerate(network.layers, start=1):
        linear = torch.nn.Linear(weights.shape[1], weights.shape[0])
        with torch.no_grad():
            linear.weight.copy_(torch.tensor(weights))
            linear.bias.copy_(torch.tensor(bias))
        last = k == len(network.layers)
        parts += [linear, torch.nn.Tanh() if last or network.activation == "tanh" else torch.nn.ELU()]
    example = torch.zeros(2, len(network.inputs))
    shapes = ({0: torch.export.Dim("copies")},)
    program = torch.export.export(torch.nn.Sequential(*parts).eval(), (example,), dynamic_shapes=shapes)
    path = folder / "policy.pt2"
    with draft(path) as beside:
        torch.export.save(program, beside, extra_files={"contract.json": json.dumps(network.contract())})
    return [path]
