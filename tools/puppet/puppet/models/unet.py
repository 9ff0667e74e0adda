"""UNetSpatioTemporalConditionModel of diffusers 0.27 with MimicMotion's pose latents added after conv_in."""
import torch
import torch.nn.functional as F
from torch import nn

from .blocks import (Downsample2D, SpatioTemporalResBlock, SpatioTemporalTransformer, TimestepEmbedding, Upsample2D,
                     sinusoid)


class Block(nn.Module):
    """A level of the UNet: resnets, a transformer after each where `heads` is given, and a resampler at the end."""

    def __init__(self, widths, cout, temb, eps, heads=None, context=None, down=False, up=False):
        super().__init__()
        self.resnets = nn.ModuleList([SpatioTemporalResBlock(cin, cout, temb, eps) for cin in widths])
        if heads:
            self.attentions = nn.ModuleList([SpatioTemporalTransformer(cout, heads, context) for _ in widths])
        if down:
            self.downsamplers = nn.ModuleList([Downsample2D(cout)])
        if up:
            self.upsamplers = nn.ModuleList([Upsample2D(cout)])
        self.attends, self.down, self.up = bool(heads), down, up

    def layers(self, x, cond, skips=None, kept=None):
        frames, temb, context, positions = cond
        for i, resnet in enumerate(self.resnets):
            x = resnet(x if skips is None else torch.cat([x, skips.pop()], dim=1), frames, temb)
            if self.attends:
                x = self.attentions[i](x, frames, context, positions)
            if kept is not None:
                kept.append(x)
        return x

    def forward(self, x, cond, skips=None, kept=None):
        x = self.layers(x, cond, skips, kept)
        if self.down:
            x = self.downsamplers[0](x)
            kept.append(x)
        return self.upsamplers[0](x) if self.up else x


class MidBlock(nn.Module):
    def __init__(self, channels, temb, heads, context):
        super().__init__()
        self.resnets = nn.ModuleList([SpatioTemporalResBlock(channels, channels, temb, 1e-5) for _ in range(2)])
        self.attentions = nn.ModuleList([SpatioTemporalTransformer(channels, heads, context)])

    def forward(self, x, cond):
        frames, temb, context, positions = cond
        x = self.attentions[0](self.resnets[0](x, frames, temb), frames, context, positions)
        return self.resnets[1](x, frames, temb)


class UNet(nn.Module):
    def __init__(self, config):
        super().__init__()
        widths, heads = config["block_out_channels"], config["num_attention_heads"]
        layers, context = config["layers_per_block"], config["cross_attention_dim"]
        self.time_channels = config["addition_time_embed_dim"]
        temb, top = 4 * widths[0], len(widths) - 1
        self.conv_in = nn.Conv2d(config["in_channels"], widths[0], 3, padding=1)
        self.time_embedding = TimestepEmbedding(widths[0], temb)
        self.add_embedding = TimestepEmbedding(config["projection_class_embeddings_input_dim"], temb)
        self.down_blocks, self.up_blocks = nn.ModuleList(), nn.ModuleList()
        cin, skips = widths[0], [widths[0]]
        for i, cout in enumerate(widths):
            eps = 1e-6 if i < top else 1e-5
            self.down_blocks.append(Block([cin] + [cout] * (layers - 1), cout, temb, eps,
                                          heads[i] if i < top else None, context, down=i < top))
            skips += [cout] * (layers + (i < top))
            cin = cout
        self.mid_block = MidBlock(widths[-1], temb, heads[-1], context)
        for i, cout in reversed(list(enumerate(widths))):
            ins = []
            for _ in range(layers + 1):
                ins.append(cin + skips.pop())
                cin = cout
            self.up_blocks.append(Block(ins, cout, temb, 1e-5, heads[i] if i < top else None, context, up=i > 0))
        self.conv_norm_out = nn.GroupNorm(32, widths[0], 1e-5)
        self.conv_out = nn.Conv2d(widths[0], config["out_channels"], 3, padding=1)

    def forward(self, sample, timestep, context, time_ids, pose=None, positions=None):
        """sample [B, F, 8, h, w], timestep [B], context [B, 1, X], time_ids [B, 3], pose [B*F, C0, h, w] -> [B, F, 4, h, w].

        `positions` [B, F] replaces the frame numbers 0..F-1 (training on a few frames of a longer clip).
        """
        b, frames = sample.shape[:2]
        if positions is None:
            positions = torch.arange(frames, device=sample.device).expand(b, frames)
        x = sample.flatten(0, 1)
        temb = self.time_embedding(sinusoid(timestep, self.conv_in.out_channels).to(x.dtype))
        ids = sinusoid(time_ids.flatten(), self.time_channels).reshape(b, -1).to(x.dtype)
        temb = (temb + self.add_embedding(ids)).repeat_interleave(frames, 0)
        cond = (frames, temb, context, positions)
        x = self.conv_in(x)
        if pose is not None:
            x = x + pose
        skips = [x]
        for block in self.down_blocks:
            x = block(x, cond, kept=skips)
        x = self.mid_block(x, cond)
        for block in self.up_blocks:
            x = block(x, cond, skips=skips)
        return self.conv_out(F.silu(self.conv_norm_out(x))).unflatten(0, (b, frames))


class PoseNet(nn.Module):
    """MimicMotion's pose encoder: a drawn pose [N, 3, H, W] in [-1, 1] -> [N, C0, H/8, W/8]."""

    def __init__(self, channels):
        super().__init__()
        plan = [(3, 3, 3, 1), (3, 16, 4, 2), (16, 16, 3, 1), (16, 32, 4, 2), (32, 32, 3, 1), (32, 64, 4, 2),
                (64, 64, 3, 1), (64, 128, 3, 1)]
        self.conv_layers = nn.Sequential()
        for cin, cout, kernel, stride in plan:
            self.conv_layers.append(nn.Conv2d(cin, cout, kernel, stride, padding=1))
            self.conv_layers.append(nn.SiLU())
        self.final_proj = nn.Conv2d(128, channels, 1)
        self.scale = nn.Parameter(torch.full((1,), 2.0))

    def forward(self, x):
        return self.final_proj(self.conv_layers(x)) * self.scale
