"""Blocks that the video UNet and the video VAE share.

Parameter names and arithmetic are those of diffusers 0.27 (resnet.py, transformer_temporal.py, attention.py), so that a
trained state dict loads strictly into diffusers' classes; tests/test_models.py compares the numbers. A video is a batch
of B*F frames; the number of frames F travels beside it.

Two identities make training faster without changing a number: a (3,1,1) convolution of a video is a (3,1) convolution of
[B, C, F, H*W], and cross attention to a single token is that token's value, whatever the query.
"""
import math

import torch
import torch.nn.functional as F
from torch import nn


def sinusoid(t, channels):
    """[N] positions or times -> [N, channels], cosines first."""
    half = channels // 2
    freq = torch.exp(-math.log(10000) * torch.arange(half, device=t.device, dtype=torch.float32) / half)
    arg = t.float()[:, None] * freq[None]
    return torch.cat([arg.cos(), arg.sin()], dim=1)


class TimestepEmbedding(nn.Module):
    def __init__(self, in_channels, hidden, out=None):
        super().__init__()
        self.linear_1 = nn.Linear(in_channels, hidden)
        self.linear_2 = nn.Linear(hidden, out or hidden)

    def forward(self, x):
        return self.linear_2(F.silu(self.linear_1(x)))


class TemporalConv(nn.Conv3d):
    """Conv3d with kernel (3,1,1) or 1, computed as a 2-D convolution over (frames, pixels)."""

    def __init__(self, cin, cout, taps=3):
        super().__init__(cin, cout, (taps, 1, 1), padding=(taps // 2, 0, 0))

    def forward(self, x):  # [B, C, F, P]
        return F.conv2d(x, self.weight[..., 0], self.bias, padding=(self.weight.shape[2] // 2, 0))


class ResnetBlock2D(nn.Module):
    def __init__(self, cin, cout, temb=None, eps=1e-6):
        super().__init__()
        self.norm1 = nn.GroupNorm(32, cin, eps)
        self.conv1 = nn.Conv2d(cin, cout, 3, padding=1)
        self.time_emb_proj = nn.Linear(temb, cout) if temb else None
        self.norm2 = nn.GroupNorm(32, cout, eps)
        self.conv2 = nn.Conv2d(cout, cout, 3, padding=1)
        self.conv_shortcut = nn.Conv2d(cin, cout, 1) if cin != cout else None

    def forward(self, x, temb=None):
        h = self.conv1(F.silu(self.norm1(x)))
        if self.time_emb_proj is not None:
            h = h + self.time_emb_proj(F.silu(temb))[:, :, None, None]
        h = self.conv2(F.silu(self.norm2(h)))
        return (x if self.conv_shortcut is None else self.conv_shortcut(x)) + h


class TemporalResnetBlock(nn.Module):
    def __init__(self, channels, temb=None, eps=1e-6):
        super().__init__()
        self.norm1 = nn.GroupNorm(32, channels, eps)
        self.conv1 = TemporalConv(channels, channels)
        self.time_emb_proj = nn.Linear(temb, channels) if temb else None
        self.norm2 = nn.GroupNorm(32, channels, eps)
        self.conv2 = TemporalConv(channels, channels)

    def forward(self, x, temb=None):  # x: [B, C, F, P], temb: [B, F, T]
        h = self.conv1(F.silu(self.norm1(x)))
        if self.time_emb_proj is not None:
            h = h + self.time_emb_proj(F.silu(temb)).transpose(1, 2)[..., None]
        return x + self.conv2(F.silu(self.norm2(h)))


class Mixer(nn.Module):
    """alpha * spatial + (1 - alpha) * temporal with a learned alpha; the VAE's decoder has the two the other way."""

    def __init__(self, start, switched=False):
        super().__init__()
        self.mix_factor = nn.Parameter(torch.tensor([float(start)]))
        self.switched = switched

    def forward(self, spatial, temporal):
        alpha = torch.sigmoid(self.mix_factor)
        alpha = (1 - alpha if self.switched else alpha).to(spatial.dtype)
        return temporal + alpha * (spatial - temporal)


class SpatioTemporalResBlock(nn.Module):
    def __init__(self, cin, cout, temb=None, eps=1e-6, temporal_eps=None, mix=0.5, switched=False):
        super().__init__()
        self.spatial_res_block = ResnetBlock2D(cin, cout, temb, eps)
        self.temporal_res_block = TemporalResnetBlock(cout, temb, temporal_eps or eps)
        self.time_mixer = Mixer(mix, switched)

    def forward(self, x, frames, temb=None):  # x: [B*F, C, H, W]
        x = self.spatial_res_block(x, temb)
        n, c, h, w = x.shape
        video = x.reshape(n // frames, frames, c, h * w).transpose(1, 2)
        temb = None if temb is None else temb.reshape(n // frames, frames, -1)
        video = self.time_mixer(video, self.temporal_res_block(video, temb))
        return video.transpose(1, 2).reshape(n, c, h, w)


class Attention(nn.Module):
    def __init__(self, dim, heads, context=None):
        super().__init__()
        self.heads = heads
        self.to_q = nn.Linear(dim, dim, bias=False)
        self.to_k = nn.Linear(context or dim, dim, bias=False)
        self.to_v = nn.Linear(context or dim, dim, bias=False)
        self.to_out = nn.ModuleList([nn.Linear(dim, dim), nn.Dropout(0.0)])

    def forward(self, x):
        n, tokens, c = x.shape
        q, k, v = (f(x).reshape(n, tokens, self.heads, c // self.heads).transpose(1, 2)
                   for f in (self.to_q, self.to_k, self.to_v))
        y = F.scaled_dot_product_attention(q, k, v)
        return self.to_out[0](y.transpose(1, 2).reshape(n, tokens, c))

    def to_single_token(self, context):
        return self.to_out[0](self.to_v(context))


class Geglu(nn.Module):
    def __init__(self, dim, inner):
        super().__init__()
        self.proj = nn.Linear(dim, 2 * inner)

    def forward(self, x):
        value, gate = self.proj(x).chunk(2, dim=-1)
        return value * F.gelu(gate)


class FeedForward(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.net = nn.ModuleList([Geglu(dim, 4 * dim), nn.Dropout(0.0), nn.Linear(4 * dim, dim)])

    def forward(self, x):
        return self.net[2](self.net[0](x))


class TransformerBlock(nn.Module):
    """Spatial block, or temporal one with an extra feed-forward in front."""

    def __init__(self, dim, heads, context, temporal=False):
        super().__init__()
        if temporal:
            self.norm_in = nn.LayerNorm(dim)
            self.ff_in = FeedForward(dim)
        self.norm1 = nn.LayerNorm(dim)
        self.attn1 = Attention(dim, heads)
        self.norm2 = nn.LayerNorm(dim)  # feeds only a query to one token: no gradient, kept for the checkpoint's sake
        self.attn2 = Attention(dim, heads, context)
        self.norm3 = nn.LayerNorm(dim)
        self.ff = FeedForward(dim)
        self.temporal = temporal

    def forward(self, x, context):  # context: [N, 1, X], one token for each sequence
        if self.temporal:
            x = x + self.ff_in(self.norm_in(x))
        x = x + self.attn1(self.norm1(x))
        x = x + self.attn2.to_single_token(context)
        return x + self.ff(self.norm3(x))


class SpatioTemporalTransformer(nn.Module):
    def __init__(self, channels, heads, context):
        super().__init__()
        self.norm = nn.GroupNorm(32, channels, 1e-6)
        self.proj_in = nn.Linear(channels, channels)
        self.transformer_blocks = nn.ModuleList([TransformerBlock(channels, heads, context)])
        self.temporal_transformer_blocks = nn.ModuleList([TransformerBlock(channels, heads, context, temporal=True)])
        self.time_pos_embed = TimestepEmbedding(channels, 4 * channels, channels)
        self.time_mixer = Mixer(0.5)
        self.proj_out = nn.Linear(channels, channels)

    def forward(self, x, frames, context, positions):
        """x: [B*F, C, H, W], context: [B, 1, X], positions: [B, F] frame numbers."""
        n, c, h, w = x.shape
        b = n // frames
        y = self.norm(x).permute(0, 2, 3, 1).reshape(n, h * w, c)
        y = self.transformer_blocks[0](self.proj_in(y), context.repeat_interleave(frames, 0))
        where = self.time_pos_embed(sinusoid(positions.reshape(-1), c).to(y.dtype))[:, None]
        t = (y + where).reshape(b, frames, h * w, c).transpose(1, 2).reshape(b * h * w, frames, c)
        t = self.temporal_transformer_blocks[0](t, context.repeat_interleave(h * w, 0))
        t = t.reshape(b, h * w, frames, c).transpose(1, 2).reshape(n, h * w, c)
        y = self.proj_out(self.time_mixer(y, t))
        return x + y.reshape(n, h, w, c).permute(0, 3, 1, 2)


class Downsample2D(nn.Module):
    def __init__(self, channels, padding=1):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2, padding=padding)

    def forward(self, x):
        return self.conv(x if self.conv.padding[0] else F.pad(x, (0, 1, 0, 1)))


class Upsample2D(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x):
        return self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))
