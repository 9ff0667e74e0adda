"""The VAE: its encoder starts as a closed-form PCA of 8x8 patches, the decoder learns from nothing, then both together."""
import torch
import torch.nn.functional as F
from torch import nn

from . import config
from .figures import ssim
from .models.vae import Vae
from .training import Average, Fallback, Progress, clip_gradients, load, save, set_rate, to_signed

BORDER = 40.0  # amplitude of the constant border that dominates the last norm's statistics
GAIN = 0.25    # that norm's weight


@torch.no_grad()
def patch_components(images, count=4):
    """[N, 3, H, W] -> the leading directions [count, 3, 8, 8] of 8x8 patches, each with unit variance, and their means."""
    patches = F.unfold(images, 8, stride=8).transpose(1, 2).reshape(-1, 192).double()
    mean = patches.mean(0)
    centred = patches - mean
    values, vectors = torch.linalg.eigh((centred.T @ centred / len(centred)).cpu())
    directions = (vectors.T.flip(0)[:count] / values.flip(0)[:count, None].sqrt()).float()
    return directions.reshape(count, 3, 8, 8), -(directions @ mean.cpu().float())


@torch.no_grad()
def start_encoder(vae, directions, offsets):
    """Writes the components into the encoder: three stride-2 convolutions gather an 8x8 patch into channels.

    The residual branches start at zero. The last group norm would remove a picture's mean colour, so each component x
    travels as the pair x + b, -x + b of one group, where b is a fixed pattern (a strong right border that the zero
    padding makes): the group's mean and variance are then almost constants, and the pair's difference gives x back.
    """
    e = vae.encoder
    for module in e.modules():
        if hasattr(module, "conv2"):
            nn.init.zeros_(module.conv2.weight), nn.init.zeros_(module.conv2.bias)
        if isinstance(getattr(module, "conv_shortcut", None), nn.Conv2d):
            nn.init.dirac_(module.conv_shortcut.weight), nn.init.zeros_(module.conv_shortcut.bias)
    out = e.mid_block.attentions[0].to_out[0]
    nn.init.zeros_(out.weight), nn.init.zeros_(out.bias)
    one = 48  # the channel that carries a constant 1 at the last level; 31 before
    nn.init.dirac_(e.conv_in.weight), nn.init.zeros_(e.conv_in.bias)
    e.conv_in.weight[3:].zero_()
    e.conv_in.bias[31] = 1
    gathers = [block.downsamplers[0].conv for block in e.down_blocks[:3]]
    for conv in gathers:
        nn.init.zeros_(conv.weight), nn.init.zeros_(conv.bias)
    for conv, channels, carry_from, carry_to in ((gathers[0], 3, 31, 31), (gathers[1], 12, 31, one)):
        for dy in range(2):
            for dx in range(2):
                for c in range(channels):
                    conv.weight[(dy * 2 + dx) * channels + c, c, dy, dx] = 1
        conv.weight[carry_to, carry_from, 0, 0] = 1
    rows = [(a, b) for a in range(2) for b in range(2)]
    for g in range(4):
        for sign, channel in ((1, 2 * g), (-1, 2 * g + 1)):
            for c in range(3):  # channel at the middle level: ((dy2, dx2), (dy1, dx1), colour)
                for i2, (y2, x2) in enumerate(rows):
                    for i1, (y1, x1) in enumerate(rows):
                        for y4, x4 in rows:
                            gathers[2].weight[channel, (i2 * 4 + i1) * 3 + c, y4, x4] = sign * directions[g, c, y4 * 4 + y2 * 2 + y1,
                                                                                                        x4 * 4 + x2 * 2 + x1]
            gathers[2].bias[channel] = sign * offsets[g]
            gathers[2].weight[channel, one, 1, 1], gathers[2].weight[channel, one, 1, 2] = BORDER, -BORDER
    nn.init.constant_(e.conv_norm_out.weight, GAIN), nn.init.zeros_(e.conv_norm_out.bias)
    nn.init.zeros_(e.conv_out.weight), nn.init.zeros_(e.conv_out.bias)
    share = 1 / 16
    spread = (BORDER ** 2 * share * (1 - share) + 1) ** 0.5
    middle = torch.tensor(-GAIN * BORDER * share / spread)  # what x = 0 is after the norm, away from the border
    slope = torch.sigmoid(middle) * (1 + middle * (1 - torch.sigmoid(middle)))
    for g in range(4):
        back = 1 / (2 * slope * GAIN / spread)
        e.conv_out.weight[g, 2 * g, 1, 1], e.conv_out.weight[g, 2 * g + 1, 1, 1] = back, -back
    e.conv_out.bias[4:] = -10  # log-variance: the mode is what everybody uses
    nn.init.dirac_(vae.quant_conv.weight), nn.init.zeros_(vae.quant_conv.bias)


def start_decoder(vae):
    for module in vae.decoder.modules():
        if hasattr(module, "conv2"):
            nn.init.zeros_(module.conv2.weight), nn.init.zeros_(module.conv2.bias)
    taps = vae.decoder.time_conv_out
    with torch.no_grad():
        taps.weight.zero_(), taps.bias.zero_()
        for c in range(3):
            taps.weight[c, c, 1] = 1


class Whitening:
    """Keeps the latents near zero mean and unit variance by slowly moving constants, folded into quant_conv at the end.

    Statistics of a batch would not do: it holds few different pictures, and their mean colours must get through.
    """

    def __init__(self, channels, device):
        self.mean, self.std = torch.zeros(channels, device=device), torch.ones(channels, device=device)

    def __call__(self, z):
        white = self.fixed(z)
        self.mean.lerp_(z.detach().mean((0, 2, 3)), 0.005)
        self.std.lerp_((z.detach() - self.mean[:, None, None]).square().mean((0, 2, 3)).sqrt(), 0.005)
        return white

    def fixed(self, z):
        return (z - self.mean[:, None, None].clone()) / self.std[:, None, None].clone()


def picture_loss(made, true):
    error = made - true
    edges = sum((error.diff(dim=d)).abs().mean() for d in (2, 3))
    structure = 1 - ssim((made + 1) / 2, (true + 1) / 2).mean()  # faint ripples on flat colours cost much of it
    return error.abs().mean() + 4 * error.square().mean() + 0.5 * edges + 0.5 * structure


def psnr(made, true):
    """Both in [-1, 1], [N, ...]; mean over the images."""
    error = ((made.clamp(-1, 1) - true) / 2).square().flatten(1).mean(1).clamp(min=1e-10)
    return (-10 * torch.log10(error)).mean().item()


@torch.no_grad()
def fold_whitening(vae, white):
    """The pack's encoder gives latents whose scaled values (times scaling_factor) have unit variance, and its decoder takes them
    unscaled, as users divide by the factor first."""
    factor = config.VAE["scaling_factor"]
    gain = (1 / (white.std * factor)).to(vae.quant_conv.weight.device)
    vae.quant_conv.weight[:4] *= gain[:, None, None, None]
    vae.quant_conv.bias[:4] = (vae.quant_conv.bias[:4] - white.mean.to(gain.device)) * gain
    vae.decoder.conv_in.weight *= factor


def train_vae(run, clips):
    """-> the finished VAE (averaged, folded) or None when the time is over first."""
    path = run.work / "vae.pt"
    saved = load(path)
    vae = Vae(config.VAE).to(run.device)
    if saved and saved["progress"]["done"]:
        vae.load_state_dict(saved["model"])
        return vae.eval().requires_grad_(False)
    clips.wait(200)
    images = clips.arrays[0]
    white = Whitening(4, run.device)
    if saved is None:
        picks = torch.randint(clips.count, (200,))
        directions, offsets = patch_components(to_signed(images[picks, 3]))
        start_encoder(vae, directions, offsets), start_decoder(vae)
    elif "raw" not in saved:  # a pack's, whose constants are folded into the weights
        vae.load_state_dict(saved["model"])
        with torch.no_grad():
            vae.decoder.conv_in.weight /= config.VAE["scaling_factor"]
        white.std = white.std / config.VAE["scaling_factor"]
    else:
        vae.load_state_dict(saved["raw"])
        white.mean, white.std = saved["mean"].to(run.device), saved["std"].to(run.device)
    average = Average(vae, 0.998)
    groups = [{"params": vae.decoder.parameters()}, {"params": [*vae.encoder.parameters(), *vae.quant_conv.parameters()], "factor": 0.1}]
    optimizer = torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.99), weight_decay=1e-4, fused=run.device.type == "cuda")
    frozen = bool(saved and saved.get("frozen_encoder"))  # latents that other networks know stay as they are
    if saved is not None and "raw" in saved:
        optimizer.load_state_dict(saved["optimizer"]), average.shadow.load_state_dict(saved["average"])
        average.steps = 10000
    progress = Progress(run, "vae", saved and saved["progress"])
    total = 48 if run.device.type == "cuda" else 8
    decode = Fallback(run, vae.decoder)

    def checkpoint():
        model = Vae(config.VAE)
        model.load_state_dict({k: v.cpu() for k, v in average.shadow.state_dict().items()})
        fold_whitening(model, white)
        save(path, {"model": model.state_dict(), "raw": vae.state_dict(), "average": average.shadow.state_dict(), "mean": white.mean.cpu(),
                    "std": white.std.cpu(), "optimizer": optimizer.state_dict(), "progress": progress.state(), "frozen_encoder": frozen})
        return model

    while progress.running():
        joint = progress.fraction > 0.12 and not frozen  # first the decoder alone
        frames = (8, 8, 8, 8, 8, 1)[torch.randint(6, ()).item()]  # chunks of 8; a clip's last chunk may be one frame
        which = torch.randint(clips.count, (total // frames,), device=run.device)
        start = torch.randint(images.shape[1] - frames + 1, (len(which), 1), device=run.device)
        batch = to_signed(images[which[:, None], start + torch.arange(frames, device=run.device)])
        with torch.set_grad_enabled(joint):
            z = (white.fixed if frozen else white)(vae.encode(batch))
        noisy = z + torch.randn_like(z) * torch.rand((len(z), 1, 1, 1), device=run.device) * 0.15
        made = (decode if frames == 8 else vae.decoder)(noisy, frames)
        loss = picture_loss(made, batch)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        clip_gradients(vae.parameters())
        set_rate(optimizer, progress.rate(1.5e-3))
        optimizer.step()
        average.update()
        progress.stepped(loss)
        if progress.steps % 500 == 0:
            run.log(f"vae step {progress.steps}: last batch {psnr(made.detach(), batch):.2f} dB, spread {white.std.tolist()}")
        if progress.due():
            checkpoint()
            progress.pause()
    model = checkpoint()
    run.log(f"vae: {progress.steps} steps, {progress.seconds:.0f} s, {'done' if progress.done else 'paused'}")
    return model.to(run.device).eval().requires_grad_(False) if progress.done else None


@torch.no_grad()
def encode_clips(run, vae, clips):
    """-> unscaled latents of all frames, fp16 [clips, frames, 4, h, w]; kept in the work folder."""
    path = run.work / "latents.pt"
    saved = load(path)
    if saved is not None:
        return saved["latents"].to(run.device)
    clips.wait(clips.total)
    images = clips.arrays[0]
    out = torch.empty((*images.shape[:2], 4, images.shape[2] // 8, images.shape[3] // 8), dtype=torch.float16, device=run.device)
    step = 10 if run.device.type == "cuda" else 1
    for i in range(0, len(images), step):
        out[i:i + step] = vae.encode(to_signed(images[i:i + step])).unflatten(0, (-1, images.shape[1])).half()
    save(path, {"latents": out.cpu()})
    run.log(f"latents: {len(out)} clips, scaled std {(out[:500].float() * config.VAE['scaling_factor']).std().item():.3f}")
    return out
