"""How near made frames are to true ones: PSNR, SSIM, and PSNR where something moved."""
import torch
import torch.nn.functional as F

MOVED = 0.1  # a pixel has moved when a channel differs from the reference by more than this (of 1)


def ssim(a, b):
    """[N, 3, H, W] in [0, 1] -> [N]; Gaussian window of 11, as in the paper."""
    k = torch.exp(-(torch.arange(11, device=a.device, dtype=torch.float32) - 5) ** 2 / 4.5)
    k = (k / k.sum())[:, None] * (k / k.sum())[None]
    blur = lambda x: F.conv2d(x, k.expand(3, 1, 11, 11), groups=3)  # noqa: E731
    ma, mb = blur(a), blur(b)
    va, vb, cov = blur(a * a) - ma ** 2, blur(b * b) - mb ** 2, blur(a * b) - ma * mb
    s = ((2 * ma * mb + 1e-4) * (2 * cov + 9e-4)) / ((ma ** 2 + mb ** 2 + 1e-4) * (va + vb + 9e-4))
    return s.flatten(1).mean(1)


def compare(made, true, reference):
    """[N, 3, H, W] in [0, 1] each -> PSNR, SSIM, PSNR on moved pixels."""
    error = (made - true).square()
    psnr = -10 * torch.log10(error.flatten(1).mean(1).clamp(min=1e-8))
    moved = ((true - reference).abs().amax(1) > MOVED).float()
    count = moved.flatten(1).sum(1)
    part = (error.mean(1) * moved).flatten(1).sum(1) / count.clamp(min=1)
    enough = count > 50
    return {"psnr": psnr.mean().item(), "ssim": ssim(made, true).mean().item(),
            "moved_psnr": (-10 * torch.log10(part[enough].clamp(min=1e-8))).mean().item()}
