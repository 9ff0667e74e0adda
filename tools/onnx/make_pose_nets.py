#!/usr/bin/env python3
"""Writes YOLOX-L and RTMPose-l (133 keypoints, 384x288, SimCC) as ONNX graphs: the published nets' layers,
operators and sizes, with weights from a formula. Needs torch, onnx, onnxruntime and safetensors.

  make_pose_nets.py --out DIR        the whole graphs, as a model folder has them
  make_pose_nets.py --goldens DIR    for the tests: the graphs without the weights that the formula gives (their
                                     doc_string says which), and what onnxruntime computes with them
"""
import argparse
import math
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
import torch.nn.functional as F
from safetensors.numpy import save_file
from torch import nn


class ConvBnSilu(nn.Module):
    def __init__(self, i, o, k=1, s=1, groups=1):
        super().__init__()
        self.conv = nn.Conv2d(i, o, k, s, (k - 1) // 2, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(o, eps=1e-3)

    def forward(self, x):
        x = self.bn(self.conv(x))
        return x * torch.sigmoid(x)


class Focus(nn.Module):
    def __init__(self, o):
        super().__init__()
        self.conv = ConvBnSilu(12, o, 3)

    def forward(self, x):
        corners = [x[..., dy::2, dx::2] for dx in (0, 1) for dy in (0, 1)]
        return self.conv(torch.cat(corners, 1))


class DarkBlock(nn.Module):
    def __init__(self, c, add):
        super().__init__()
        self.conv1, self.conv2, self.add = ConvBnSilu(c, c), ConvBnSilu(c, c, 3), add

    def forward(self, x):
        y = self.conv2(self.conv1(x))
        return x + y if self.add else y


class NeXtBlock(nn.Module):
    def __init__(self, c, add):
        super().__init__()
        self.conv1, self.add = ConvBnSilu(c, c, 3), add
        self.depthwise, self.pointwise = ConvBnSilu(c, c, 5, groups=c), ConvBnSilu(c, c)

    def forward(self, x):
        y = self.pointwise(self.depthwise(self.conv1(x)))
        return x + y if self.add else y


class ChannelAttention(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.pool, self.fc, self.act = nn.AdaptiveAvgPool2d(1), nn.Conv2d(c, c, 1), nn.Hardsigmoid()

    def forward(self, x):
        return x * self.act(self.fc(self.pool(x)))


class CspLayer(nn.Module):
    def __init__(self, i, o, n, add, block=DarkBlock, attention=False):
        super().__init__()
        h = o // 2
        self.main, self.short, self.final = ConvBnSilu(i, h), ConvBnSilu(i, h), ConvBnSilu(2 * h, o)
        self.blocks = nn.Sequential(*[block(h, add) for _ in range(n)])
        self.attention = ChannelAttention(2 * h) if attention else nn.Identity()

    def forward(self, x):
        return self.final(self.attention(torch.cat((self.blocks(self.main(x)), self.short(x)), 1)))


class SpatialPyramid(nn.Module):
    def __init__(self, i, o):
        super().__init__()
        self.conv1, self.conv2 = ConvBnSilu(i, i // 2), ConvBnSilu(i * 2, o)
        self.pools = nn.ModuleList([nn.MaxPool2d(k, 1, k // 2) for k in (5, 9, 13)])

    def forward(self, x):
        x = self.conv1(x)
        return self.conv2(torch.cat([x] + [pool(x) for pool in self.pools], 1))


class YoloxL(nn.Module):
    def __init__(self):
        super().__init__()
        c = [64, 128, 256, 512, 1024]
        head = 256
        self.stem = Focus(c[0])
        self.dark2 = nn.Sequential(ConvBnSilu(c[0], c[1], 3, 2), CspLayer(c[1], c[1], 3, True))
        self.dark3 = nn.Sequential(ConvBnSilu(c[1], c[2], 3, 2), CspLayer(c[2], c[2], 9, True))
        self.dark4 = nn.Sequential(ConvBnSilu(c[2], c[3], 3, 2), CspLayer(c[3], c[3], 9, True))
        self.dark5 = nn.Sequential(ConvBnSilu(c[3], c[4], 3, 2), SpatialPyramid(c[4], c[4]),
                                   CspLayer(c[4], c[4], 3, False))
        self.up = nn.Upsample(scale_factor=2, mode="nearest")
        self.lateral, self.c3_p4 = ConvBnSilu(c[4], c[3]), CspLayer(2 * c[3], c[3], 3, False)
        self.reduce, self.c3_p3 = ConvBnSilu(c[3], c[2]), CspLayer(2 * c[2], c[2], 3, False)
        self.bottom2, self.c3_n3 = ConvBnSilu(c[2], c[2], 3, 2), CspLayer(2 * c[2], c[3], 3, False)
        self.bottom1, self.c3_n4 = ConvBnSilu(c[3], c[3], 3, 2), CspLayer(2 * c[3], c[4], 3, False)
        self.stems = nn.ModuleList([ConvBnSilu(k, head) for k in c[2:]])
        towers = lambda: nn.ModuleList(
            [nn.Sequential(ConvBnSilu(head, head, 3), ConvBnSilu(head, head, 3)) for _ in range(3)])
        self.cls_convs, self.reg_convs = towers(), towers()
        predict = lambda n: nn.ModuleList([nn.Conv2d(head, n, 1) for _ in range(3)])
        self.cls, self.reg, self.obj = predict(80), predict(4), predict(1)

    def forward(self, x):
        c3 = self.dark3(self.dark2(self.stem(x)))
        c4 = self.dark4(c3)
        c5 = self.dark5(c4)
        f0 = self.lateral(c5)
        p4 = self.c3_p4(torch.cat([self.up(f0), c4], 1))
        f1 = self.reduce(p4)
        p3 = self.c3_p3(torch.cat([self.up(f1), c3], 1))
        n3 = self.c3_n3(torch.cat([self.bottom2(p3), f1], 1))
        n4 = self.c3_n4(torch.cat([self.bottom1(n3), f0], 1))
        outputs = []
        for i, level in enumerate((p3, n3, n4)):
            x = self.stems[i](level)
            r = self.reg_convs[i](x)
            outputs.append(torch.cat([self.reg[i](r), self.obj[i](r).sigmoid(),
                                      self.cls[i](self.cls_convs[i](x)).sigmoid()], 1))
        return torch.cat([o.flatten(start_dim=2) for o in outputs], dim=2).permute(0, 2, 1)


class ScaleNorm(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.scale, self.g = d ** -0.5, nn.Parameter(torch.ones(1))

    def forward(self, x):
        return x / (torch.norm(x, dim=2, keepdim=True) * self.scale).clamp(min=1e-5) * self.g


class GatedAttention(nn.Module):
    def __init__(self, d=256, s=128, e=512):
        super().__init__()
        self.e, self.s, self.norm = e, s, ScaleNorm(d)
        self.uv, self.o = nn.Linear(d, 2 * e + s, bias=False), nn.Linear(e, d, bias=False)
        self.gamma, self.beta = nn.Parameter(torch.rand(2, s)), nn.Parameter(torch.rand(2, s))
        self.res_scale = nn.Parameter(torch.rand(d))

    def forward(self, x):
        u, v, base = torch.split(F.silu(self.uv(self.norm(x))), [self.e, self.e, self.s], dim=2)
        q, k = torch.unbind(base.unsqueeze(2) * self.gamma[None, None, :] + self.beta, dim=2)
        kernel = torch.square(F.relu(torch.bmm(q, k.permute(0, 2, 1)) / math.sqrt(self.s)))
        return x * self.res_scale + self.o(u * torch.bmm(kernel, v))


class RtmPoseL(nn.Module):
    def __init__(self):
        super().__init__()
        c = [64, 128, 256, 512, 1024]
        layer = lambda i, o, n, add: CspLayer(i, o, n, add, NeXtBlock, attention=True)
        self.stem = nn.Sequential(ConvBnSilu(3, c[0] // 2, 3, 2), ConvBnSilu(c[0] // 2, c[0] // 2, 3),
                                  ConvBnSilu(c[0] // 2, c[0], 3))
        self.stage1 = nn.Sequential(ConvBnSilu(c[0], c[1], 3, 2), layer(c[1], c[1], 3, True))
        self.stage2 = nn.Sequential(ConvBnSilu(c[1], c[2], 3, 2), layer(c[2], c[2], 6, True))
        self.stage3 = nn.Sequential(ConvBnSilu(c[2], c[3], 3, 2), layer(c[3], c[3], 6, True))
        self.stage4 = nn.Sequential(ConvBnSilu(c[3], c[4], 3, 2), SpatialPyramid(c[4], c[4]),
                                    layer(c[4], c[4], 3, False))
        self.final_layer = nn.Conv2d(c[4], 133, 7, padding=3)
        self.norm, self.mlp, self.gau = ScaleNorm(12 * 9), nn.Linear(12 * 9, 256, bias=False), GatedAttention()
        self.cls_x, self.cls_y = nn.Linear(256, 576, bias=False), nn.Linear(256, 768, bias=False)

    def forward(self, x):
        x = self.final_layer(self.stage4(self.stage3(self.stage2(self.stage1(self.stem(x))))))
        x = self.gau(self.mlp(self.norm(torch.flatten(x, 2))))
        return self.cls_x(x), self.cls_y(x)


def formula(count, seed, low, high):
    """`count` numbers in [low, high), which tests/worker/onnx/formula_weights.cpp computes, too (splitmix64)."""
    x = np.arange(count, dtype=np.uint64) + np.uint64(seed * 0x9E3779B97F4A7C15 % 2 ** 64)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    unit = ((x ^ (x >> np.uint64(31))) >> np.uint64(40)).astype(np.float64) / 2.0 ** 24
    return (low + (high - low) * unit).astype(np.float32)


# Norms that keep the activations where SiLU is nearly straight: a net of random weights is otherwise chaotic, and
# rounding alone moves its outputs by more than the bound of the test.
RANGES = {".bn.weight": (0.3, 0.6), ".bn.bias": (0.5, 1.5), ".g": (0.5, 1.5), "res_scale": (0.5, 1.5)}


@torch.no_grad()
def fill(net, sample):
    """Weights from the formula; every norm takes the statistics of `sample`, so that activations keep their scale.
    Returns the formula's arguments by parameter."""
    arguments = {}
    for seed, (name, parameter) in enumerate(net.named_parameters(), start=1):
        reach = (3 / parameter[0].numel()) ** 0.5 if parameter.dim() > 1 else 0.5
        arguments[name] = (seed, *next((v for k, v in RANGES.items() if name.endswith(k)), (-reach, reach)))
        parameter.copy_(torch.from_numpy(formula(parameter.numel(), *arguments[name])).view(parameter.shape))
    for m in net.modules():
        if isinstance(m, nn.BatchNorm2d):
            m.momentum = 1.0
    net.train()(sample)
    net.eval()
    return arguments


def export(net, shape, path, inputs, outputs, dynamic_batch):
    """Norms stay nodes of their own, and nothing is folded: parameters keep their names and values."""
    axes = {name: {0: "batch"} for name in inputs + outputs} if dynamic_batch else None
    torch.onnx.export(net, torch.zeros(shape), str(path), input_names=inputs, output_names=outputs, opset_version=11,
                      training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=False, dynamic_axes=axes,
                      dynamo=False)


def without_formula_weights(path, arguments):
    model = onnx.load(str(path))
    for tensor in model.graph.initializer:
        if tensor.name in arguments:
            seed, low, high = arguments[tensor.name]
            tensor.doc_string = f"formula {seed} {low!r} {high!r}"
            tensor.ClearField("raw_data")
    return model


def computed(path, items):
    """The outputs of onnxruntime for each item, stacked."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    runs = [session.run(None, {name: item[None]}) for item in items]
    return [np.concatenate(outputs) for outputs in zip(*runs)]


def picture(shape, seed, low, high):
    return formula(math.prod(shape), seed, low, high).reshape(shape)


NETS = {
    "yolox_l": (YoloxL, (3, 640, 640), (0.0, 255.0), ["images"], ["output"], False),
    "dw-ll_ucoco_384": (RtmPoseL, (3, 384, 288), (-2.0, 2.0), ["input"], ["simcc_x", "simcc_y"], True),
}
THINNED = {"output": 97, "simcc_x": 7, "simcc_y": 7}  # every nth row or keypoint goes into the goldens


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path)
    parser.add_argument("--goldens", type=Path)
    args = parser.parse_args()
    if not (args.out or args.goldens):
        parser.error("--out or --goldens")
    with tempfile.TemporaryDirectory() as scratch:
        folder = args.out or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        expected = {}
        for name, (net_class, shape, (low, high), inputs, outputs, dynamic_batch) in NETS.items():
            net = net_class()
            small = (2, shape[0], 256, 256) if name == "yolox_l" else (2, *shape)
            arguments = fill(net, torch.from_numpy(picture(small, 1001, low, high)))
            path = folder / f"{name}.onnx"
            export(net, (1, *shape), path, inputs, outputs, dynamic_batch)
            if args.goldens:
                args.goldens.mkdir(parents=True, exist_ok=True)
                onnx.save(without_formula_weights(path, arguments), str(args.goldens / f"{name}.onnx"))
                items = picture((2, *shape), 2001, low, high)
                for output, values in zip(outputs, computed(path, items)):
                    expected[f"{name}.{output}"] = np.ascontiguousarray(values[:, ::THINNED[output]])
        if args.goldens:
            save_file(expected, str(args.goldens / "expected.safetensors"))


if __name__ == "__main__":
    main()
