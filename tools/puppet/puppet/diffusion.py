"""SVD's diffusion in EDM terms: velocity predictions of a video of unit variance, Karras sigmas, Euler and LCM sampling.

denoised = x / (s^2 + 1) - v * s / sqrt(s^2 + 1); network input x / sqrt(s^2 + 1); network time 0.25 ln s.
"""
import numpy as np
import torch

SIGMA_MIN, SIGMA_MAX, RHO, LCM_GRID = 0.002, 700.0, 7.0, 40


def wide(sigma):
    return sigma.reshape(-1, 1, 1, 1, 1)


def denoise(v, x, sigma):
    s = wide(sigma)
    return x / (s ** 2 + 1) - v * s / (s ** 2 + 1).sqrt()


def velocity(x0, x, sigma):
    s = wide(sigma)
    return (x / (s ** 2 + 1) - x0) * (s ** 2 + 1).sqrt() / s


def karras(ramp):
    low, high = SIGMA_MIN ** (1 / RHO), SIGMA_MAX ** (1 / RHO)
    return (high + np.asarray(ramp) * (low - high)) ** RHO


def euler_sigmas(steps):
    return np.append(karras(np.linspace(0, 1, steps)), 0.0)


def lcm_sigmas(steps):
    return np.append(karras(np.arange(steps) * (LCM_GRID // steps) / (LCM_GRID - 1)), 0.0)


class Denoiser:
    """UNet, PoseNet and the conditions of some clips; `v` is the velocity with guidance as the pipeline computes it."""

    def __init__(self, unet, pose_net, context, image_latents, poses, guidance=1.0, fps=7):
        """context [B, 1, X], image_latents unscaled [B, 4, h, w], poses [B, F, 3, H, W] in [-1, 1]."""
        self.unet, self.guidance = unet, guidance
        self.context, self.frames = context, poses.shape[1]
        self.image = image_latents[:, None].expand(-1, self.frames, -1, -1, -1)
        self.pose = pose_net(poses.flatten(0, 1))
        self.ids = torch.tensor([[fps - 1.0, 127.0, 0.0]], device=context.device).expand(len(context), -1)

    def v(self, x, sigma):
        noisy = x / (wide(sigma) ** 2 + 1).sqrt()
        time = 0.25 * sigma.log()
        v = self.unet(torch.cat([noisy, self.image], dim=2), time, self.context, self.ids, self.pose)
        if self.guidance > 1:
            blank = self.unet(torch.cat([noisy, torch.zeros_like(self.image)], dim=2), time, torch.zeros_like(self.context), self.ids)
            v = blank + self.guidance * (v - blank)
        return v.float()


@torch.no_grad()
def sample(denoiser, noise, steps, method, generator):
    """noise [B, F, 4, h, w] of unit variance -> scaled latents."""
    sigmas = euler_sigmas(steps) if method == "euler" else lcm_sigmas(steps)
    x = noise * (SIGMA_MAX ** 2 + 1) ** 0.5
    for now, after in zip(sigmas[:-1], sigmas[1:]):
        sigma = torch.full((len(x),), float(now), device=x.device)
        clean = denoise(denoiser.v(x, sigma), x, sigma)
        if method == "euler":
            x = x + (x - clean) / now * (after - now)
        else:
            x = clean + after * torch.randn(x.shape, generator=generator).to(x)
    return x
