"""The two pose nets, with the contracts of the real files: a YOLOX-like detector (640x640 letterbox in RGB 0..255 ->
[N, 8400, 85]) and an RTMPose-like net (384x288 crop -> SimCC logits of 133 keypoints, 576 and 768 bins).

They train with batch norms; `fold` writes these into the convolutions, as the published files have it, before the export.
"""
import copy
import math

import torch
import torch.nn.functional as F
from torch import nn


class Conv(nn.Module):
    def __init__(self, cin, cout, kernel=1, stride=1, groups=1):
        super().__init__()
        self.conv = nn.Conv2d(cin, cout, kernel, stride, kernel // 2, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(cout, eps=1e-3, momentum=0.03)

    def forward(self, x):
        x = self.bn(self.conv(x))
        return x * torch.sigmoid(x)


class CspBlock(nn.Module):
    """1x1 then 3x3, or with `wide` RTMPose's 3x3, depthwise 5x5 and 1x1."""

    def __init__(self, channels, shortcut, wide):
        super().__init__()
        self.body = (nn.Sequential(Conv(channels, channels, 3), Conv(channels, channels, 5, 1, channels), Conv(channels, channels))
                     if wide else nn.Sequential(Conv(channels, channels), Conv(channels, channels, 3)))
        self.shortcut = shortcut

    def forward(self, x):
        y = self.body(x)
        return x + y if self.shortcut else y


class ChannelAttention(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.pool, self.fc, self.gate = nn.AdaptiveAvgPool2d(1), nn.Conv2d(channels, channels, 1), nn.Hardsigmoid()

    def forward(self, x):
        return x * self.gate(self.fc(self.pool(x)))


class Csp(nn.Module):
    def __init__(self, cin, cout, shortcut=True, wide=False):
        super().__init__()
        half = cout // 2
        self.main, self.side, self.join = Conv(cin, half), Conv(cin, half), Conv(2 * half, cout)
        self.block = CspBlock(half, shortcut, wide)
        self.attention = ChannelAttention(2 * half) if wide else nn.Identity()

    def forward(self, x):
        return self.join(self.attention(torch.cat([self.block(self.main(x)), self.side(x)], dim=1)))


class Spp(nn.Module):
    def __init__(self, cin, cout):
        super().__init__()
        half = cin // 2
        self.before, self.after = Conv(cin, half), Conv(4 * half, cout)
        self.pools = nn.ModuleList([nn.MaxPool2d(k, 1, k // 2) for k in (5, 9, 13)])

    def forward(self, x):
        x = self.before(x)
        return self.after(torch.cat([x] + [pool(x) for pool in self.pools], dim=1))


class Detector(nn.Module):
    """`raw` gives per level boxes, objectness and class logits; `forward` the file's layout."""
    strides = (8, 16, 32)

    def __init__(self, width=8, head=32):
        super().__init__()
        c = [width * 2 ** i for i in range(5)]
        self.folded = False  # `fold` moves the division by 255 into the first convolution
        self.stem = Conv(12, c[0], 3)
        self.dark2 = nn.Sequential(Conv(c[0], c[1], 3, 2), Csp(c[1], c[1]))
        self.dark3 = nn.Sequential(Conv(c[1], c[2], 3, 2), Csp(c[2], c[2]))
        self.dark4 = nn.Sequential(Conv(c[2], c[3], 3, 2), Csp(c[3], c[3]))
        self.dark5 = nn.Sequential(Conv(c[3], c[4], 3, 2), Spp(c[4], c[4]), Csp(c[4], c[4], False))
        self.up = nn.Upsample(scale_factor=2, mode="nearest")
        self.lateral0, self.join4 = Conv(c[4], c[3]), Csp(2 * c[3], c[3], False)
        self.lateral1, self.join3 = Conv(c[3], c[2]), Csp(2 * c[2], c[2], False)
        self.down2, self.out4 = Conv(c[2], c[2], 3, 2), Csp(2 * c[2], c[3], False)
        self.down1, self.out5 = Conv(c[3], c[3], 3, 2), Csp(2 * c[3], c[4], False)
        self.stems = nn.ModuleList([Conv(cin, head) for cin in c[2:]])
        self.class_towers = nn.ModuleList([Conv(head, head, 3) for _ in c[2:]])
        self.box_towers = nn.ModuleList([Conv(head, head, 3) for _ in c[2:]])
        self.class_heads = nn.ModuleList([nn.Conv2d(head, 80, 1) for _ in c[2:]])
        self.box_heads = nn.ModuleList([nn.Conv2d(head, 4, 1) for _ in c[2:]])
        self.object_heads = nn.ModuleList([nn.Conv2d(head, 1, 1) for _ in c[2:]])
        for module in [*self.class_heads, *self.object_heads]:
            nn.init.constant_(module.bias, -math.log(99))

    def raw(self, x):
        x = x if self.folded else x / 255.0
        corners = [x[..., i::2, j::2] for j in (0, 1) for i in (0, 1)]
        x3 = self.dark3(self.dark2(self.stem(torch.cat(corners, dim=1))))
        x4 = self.dark4(x3)
        x5 = self.dark5(x4)
        f0 = self.lateral0(x5)
        f1 = self.lateral1(self.join4(torch.cat([self.up(f0), x4], 1)))
        p3 = self.join3(torch.cat([self.up(f1), x3], 1))
        p4 = self.out4(torch.cat([self.down2(p3), f1], 1))
        p5 = self.out5(torch.cat([self.down1(p4), f0], 1))
        levels = []
        for i, p in enumerate((p3, p4, p5)):
            p = self.stems[i](p)
            box = self.box_towers[i](p)
            levels.append((self.box_heads[i](box), self.object_heads[i](box), self.class_heads[i](self.class_towers[i](p))))
        return levels

    def forward(self, x):
        out = [torch.cat([box, objectness.sigmoid(), classes.sigmoid()], 1) for box, objectness, classes in self.raw(x)]
        return torch.cat([o.reshape(o.shape[0], 85, -1) for o in out], dim=2).permute(0, 2, 1)


class ScaleNorm(nn.Module):
    def __init__(self, dim, eps=1e-5):
        super().__init__()
        self.scale, self.eps, self.g = dim ** -0.5, eps, nn.Parameter(torch.ones(1))

    def forward(self, x):
        norm = torch.norm(x, dim=-1, keepdim=True) * self.scale
        return x / norm.clamp(min=self.eps) * self.g


class GatedAttention(nn.Module):
    """RTMPose's gated attention unit with a squared-relu kernel."""

    def __init__(self, dim, key, inner):
        super().__init__()
        self.sizes, self.key = [inner, inner, key], key
        self.norm = ScaleNorm(dim)
        self.uv, self.out = nn.Linear(dim, 2 * inner + key, bias=False), nn.Linear(inner, dim, bias=False)
        self.gamma, self.beta = nn.Parameter(torch.rand(2, key) * 0.5), nn.Parameter(torch.zeros(2, key))
        self.keep = nn.Parameter(torch.ones(dim))

    def forward(self, x):
        uv = self.uv(self.norm(x))
        u, v, base = torch.split(uv * torch.sigmoid(uv), self.sizes, dim=2)
        q, k = torch.unbind(base.unsqueeze(2) * self.gamma[None, None] + self.beta, dim=2)
        kernel = torch.square(F.relu(torch.bmm(q, k.permute(0, 2, 1)) / math.sqrt(self.key)))
        return x * self.keep + self.out(u * torch.bmm(kernel, v))


class SimccNet(nn.Module):
    def __init__(self, width=16, top=96, hidden=192, key=64, inner=256):
        super().__init__()
        c = [width * 2 ** i for i in range(5)]
        half = c[0] // 2
        self.stem = nn.Sequential(Conv(3, half, 3, 2), Conv(half, half, 3), Conv(half, c[0], 3))
        self.stages = nn.Sequential(
            *[nn.Sequential(Conv(c[i], c[i + 1], 3, 2), Csp(c[i + 1], c[i + 1], wide=True)) for i in range(3)],
            nn.Sequential(Conv(c[3], c[4], 3, 2), Spp(c[4], c[4]), Csp(c[4], top, False, wide=True)))
        self.final_layer = nn.Conv2d(top, 133, 7, padding=3)
        self.norm, self.lift = ScaleNorm(108), nn.Linear(108, hidden, bias=False)
        self.gau = GatedAttention(hidden, key, inner)
        self.to_x, self.to_y = nn.Linear(hidden, 576, bias=False), nn.Linear(hidden, 768, bias=False)

    def forward(self, x):
        maps = self.final_layer(self.stages(self.stem(x))).reshape(-1, 133, 108)
        tokens = self.gau(self.lift(self.norm(maps)))
        return self.to_x(tokens), self.to_y(tokens)


def fold(net):
    """A copy in eval mode whose batch norms are part of the convolutions."""
    net = copy.deepcopy(net).float().cpu().eval()
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, Conv):
                bn, conv = module.bn, module.conv
                gain = bn.weight / torch.sqrt(bn.running_var + bn.eps)
                conv.weight.mul_(gain.reshape(-1, 1, 1, 1))
                conv.bias = nn.Parameter(bn.bias - bn.running_mean * gain)
                module.bn = nn.Identity()
        if isinstance(net, Detector):
            net.stem.conv.weight.div_(255.0)
            net.folded = True
    return net


def export_onnx(net, path):
    """`net` is a trained Detector or SimccNet; writes the file that onnxruntime and the worker read (opset 11, fp32)."""
    detector = isinstance(net, Detector)
    size, names = ((640, 640), ["images"]) if detector else ((384, 288), ["input"])
    outputs = ["output"] if detector else ["simcc_x", "simcc_y"]
    with torch.no_grad():
        torch.onnx.export(fold(net), torch.zeros(1, 3, *size), str(path), input_names=names, output_names=outputs,
                          opset_version=11, dynamo=False, do_constant_folding=True)
