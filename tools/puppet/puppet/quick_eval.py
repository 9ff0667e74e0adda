"""A first judgement right after training, on held-out characters with true poses, in PyTorch (tools/puppet/evaluate judges the
whole program): PSNR and SSIM of the trivial answer, the VAE's ceiling and several samplers, and a contact sheet."""
import copy

import cv2
import numpy as np
import torch

from . import config
from .data import HELD_OUT, render_clip
from .diffusion import Denoiser, sample
from .figures import compare
from .models.clip import clip_pixels
from .train_lora import apply_lora
from .training import to_signed


def decode(vae, latents, chunk=8):
    """Scaled latents [F, 4, h, w] -> [F, 3, H, W] in [0, 1], in the pipeline's chunks."""
    parts = [latents[i:i + chunk] / config.VAE["scaling_factor"] for i in range(0, len(latents), chunk)]
    return torch.cat([vae.decode(p, len(p)) for p in parts]).div(2).add(0.5).clamp(0, 1)


PLAIN = [("lcm 4 without LoRA", "lcm", 4, 1.0, False), ("euler 25, no guidance", "euler", 25, 1.0, False)]
GUIDED = [("euler 25, guidance 1.5", "euler", 25, 1.5, False), ("euler 25, guidance 2", "euler", 25, 2.0, False)]
FAST = [("lcm 8", "lcm", 8, 1.0, True), ("lcm 4", "lcm", 4, 1.0, True)]


@torch.no_grad()
def evaluate(run, vae, clip, model, lora, clips=8, frames=config.FRAMES, samplers=PLAIN):
    """All clips go through the samplers together. -> {name: figures}, contact sheet uint8 [H, W, 3]."""
    fast = copy.deepcopy(model.unet)
    if lora is not None:
        apply_lora(fast, lora)
    rendered = [render_clip(HELD_OUT + 10 * i, frames, jitter=0.2) for i in range(clips)]
    true = torch.stack([to_signed(torch.from_numpy(r[0])) for r in rendered]).to(run.device)
    drawn = torch.stack([to_signed(torch.from_numpy(r[1])) for r in rendered]).to(run.device)
    latents = torch.stack([vae.encode(t) for t in true])
    words = clip(clip_pixels(true[:, 0]))[:, None]
    made = {"repeat the reference": [(t[:1] + 1).div(2).expand(frames, -1, -1, -1) for t in true],
            "VAE reconstruction": [decode(vae, z * config.VAE["scaling_factor"]) for z in latents]}
    for name, method, steps, guidance, adapted in samplers:
        generator = torch.Generator().manual_seed(42)
        noise = torch.randn(latents.shape, generator=generator).to(run.device)
        denoiser = Denoiser(fast if adapted else model.unet, model.pose_net, words, latents[:, 0], drawn, guidance)
        made[name] = [decode(vae, z) for z in sample(denoiser, noise, steps, method, generator)]
    table = {}
    for name, videos in made.items():
        rows = [compare(v[1:], (t[1:] + 1) / 2, (t[:1] + 1) / 2) for v, t in zip(videos, true)]
        table[name] = {key: float(np.mean([r[key] for r in rows])) for key in rows[0]}
    shown = ["VAE reconstruction", samplers[0][0], samplers[-1][0]]
    return table, np.concatenate([strip(*rendered[i][:2], [made[n][i] for n in shown]) for i in range(min(clips, 6))])


def strip(images, poses, videos, moments=(3, 9, 15, 21)):
    """One character: the reference, then for some moments the pose, the truth and the frame of each video."""
    double = lambda image: cv2.resize(image, None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST)  # noqa: E731
    out = [double(images[0])]
    for t in [m for m in moments if m < len(images)]:
        out += [double(image) for image in (poses[t], images[t])]
        out += [double((v[t].permute(1, 2, 0).cpu().numpy() * 255).astype(np.uint8)) for v in videos]
    return np.concatenate(out, axis=1)


def print_table(log, table):
    log(f"{'':26s} {'PSNR':>7s} {'SSIM':>7s} {'moved':>7s}")
    for name, row in table.items():
        log(f"{name:26s} {row['psnr']:7.2f} {row['ssim']:7.4f} {row['moved_psnr']:7.2f}")
