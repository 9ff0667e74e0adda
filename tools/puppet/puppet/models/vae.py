"""AutoencoderKLTemporalDecoder of diffusers 0.27: an image encoder and a decoder that sees `frames` frames at once."""
import torch
import torch.nn.functional as F
from torch import nn

from .blocks import Downsample2D, ResnetBlock2D, SpatioTemporalResBlock, TemporalConv, Upsample2D


class ImageAttention(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.group_norm = nn.GroupNorm(32, channels, 1e-6)
        self.to_q, self.to_k, self.to_v = (nn.Linear(channels, channels) for _ in range(3))
        self.to_out = nn.ModuleList([nn.Linear(channels, channels), nn.Dropout(0.0)])

    def forward(self, x):
        y = self.group_norm(x).flatten(2).transpose(1, 2)
        y = F.scaled_dot_product_attention(self.to_q(y), self.to_k(y), self.to_v(y))
        return x + self.to_out[0](y).transpose(1, 2).reshape(x.shape)


class DownBlock(nn.Module):
    def __init__(self, cin, cout, layers, down):
        super().__init__()
        self.resnets = nn.ModuleList([ResnetBlock2D(cin if i == 0 else cout, cout) for i in range(layers)])
        if down:
            self.downsamplers = nn.ModuleList([Downsample2D(cout, padding=0)])
        self.down = down

    def forward(self, x):
        for resnet in self.resnets:
            x = resnet(x)
        return self.downsamplers[0](x) if self.down else x


class EncoderMid(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.attentions = nn.ModuleList([ImageAttention(channels)])
        self.resnets = nn.ModuleList([ResnetBlock2D(channels, channels) for _ in range(2)])

    def forward(self, x):
        return self.resnets[1](self.attentions[0](self.resnets[0](x)))


class Encoder(nn.Module):
    def __init__(self, config):
        super().__init__()
        widths = config["block_out_channels"]
        self.conv_in = nn.Conv2d(3, widths[0], 3, padding=1)
        self.down_blocks = nn.ModuleList([
            DownBlock(widths[max(i - 1, 0)], cout, config["layers_per_block"], i < len(widths) - 1)
            for i, cout in enumerate(widths)])
        self.mid_block = EncoderMid(widths[-1])
        self.conv_norm_out = nn.GroupNorm(32, widths[-1], 1e-6)
        self.conv_out = nn.Conv2d(widths[-1], 2 * config["latent_channels"], 3, padding=1)

    def forward(self, x):
        x = self.conv_in(x)
        for block in self.down_blocks:
            x = block(x)
        return self.conv_out(F.silu(self.conv_norm_out(self.mid_block(x))))


def video_resnet(cin, cout):
    return SpatioTemporalResBlock(cin, cout, None, 1e-6, 1e-5, mix=0.0, switched=True)


class DecoderMid(nn.Module):
    """The attention is part of the checkpoint; with one layer a block the original never calls it."""

    def __init__(self, channels, layers):
        super().__init__()
        self.attentions = nn.ModuleList([ImageAttention(channels)])
        self.resnets = nn.ModuleList([video_resnet(channels, channels) for _ in range(layers)])

    def forward(self, x, frames):
        x = self.resnets[0](x, frames)
        for resnet, attention in zip(self.resnets[1:], self.attentions):
            x = resnet(attention(x), frames)
        return x


class UpBlock(nn.Module):
    def __init__(self, cin, cout, layers, up):
        super().__init__()
        self.resnets = nn.ModuleList([video_resnet(cin if i == 0 else cout, cout) for i in range(layers)])
        if up:
            self.upsamplers = nn.ModuleList([Upsample2D(cout)])
        self.up = up

    def forward(self, x, frames):
        for resnet in self.resnets:
            x = resnet(x, frames)
        return self.upsamplers[0](x) if self.up else x


class Decoder(nn.Module):
    def __init__(self, config):
        super().__init__()
        widths = list(reversed(config["block_out_channels"]))
        layers = config["layers_per_block"]
        self.conv_in = nn.Conv2d(config["latent_channels"], widths[0], 3, padding=1)
        self.mid_block = DecoderMid(widths[0], layers)
        self.up_blocks = nn.ModuleList([UpBlock(widths[max(i - 1, 0)], cout, layers + 1, i < len(widths) - 1)
                                        for i, cout in enumerate(widths)])
        self.conv_norm_out = nn.GroupNorm(32, widths[-1], 1e-6)
        self.conv_out = nn.Conv2d(widths[-1], 3, 3, padding=1)
        self.time_conv_out = TemporalConv(3, 3)

    def forward(self, z, frames):
        x = self.mid_block(self.conv_in(z), frames)
        for block in self.up_blocks:
            x = block(x, frames)
        x = self.conv_out(F.silu(self.conv_norm_out(x)))
        n, c, h, w = x.shape
        video = self.time_conv_out(x.reshape(n // frames, frames, c, h * w).transpose(1, 2))
        return video.transpose(1, 2).reshape(n, c, h, w)


class Vae(nn.Module):
    def __init__(self, config):
        super().__init__()
        latent = config["latent_channels"]
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)
        self.quant_conv = nn.Conv2d(2 * latent, 2 * latent, 1)
        self.latent_channels = latent

    def moments(self, images):
        """[N, 3, H, W] in [-1, 1] -> mean and log-variance, [N, 4, H/8, W/8] each, not multiplied by the scaling factor."""
        return self.quant_conv(self.encoder(images)).chunk(2, dim=1)

    def encode(self, images):
        return self.moments(images)[0]

    def decode(self, latents, frames):
        """[B*F, 4, h, w] -> [B*F, 3, 8h, 8w]."""
        return self.decoder(latents, frames)
