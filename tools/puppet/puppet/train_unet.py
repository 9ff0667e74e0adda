"""The video UNet and PoseNet: denoise clips given the reference frame and the drawn poses."""
import math

import torch
from torch import nn

from . import config
from .diffusion import SIGMA_MAX, SIGMA_MIN, velocity, wide
from .models.unet import PoseNet, UNet
from .training import Average, Fallback, Progress, clip_gradients, load, save, set_rate, to_signed

SCALE = config.VAE["scaling_factor"]
DROP = 0.1  # share of clips that learn the unconditional pass
SHORT = 13  # frames of most training clips; the last part of the training sees whole tiles
LONG_FROM = 0.8


class Model(nn.Module):
    """UNet and PoseNet together, as MimicMotion's file holds them."""

    def __init__(self):
        super().__init__()
        self.unet = UNet(config.UNET)
        self.pose_net = PoseNet(config.UNET["block_out_channels"][0])

    def forward(self, noisy, image, time, context, ids, poses, kept, positions):
        """kept [B]: 1 with conditions, 0 without. poses [B, F, 3, H, W]."""
        b, frames = noisy.shape[:2]
        mask = kept.reshape(b, 1, 1, 1, 1)
        pose = self.pose_net(poses.flatten(0, 1)).unflatten(0, (b, frames)) * mask
        sample = torch.cat([noisy, image[:, None] * mask.expand(-1, frames, -1, -1, -1)], dim=2)
        return self.unet(sample, time, context * kept.reshape(b, 1, 1), ids, pose.flatten(0, 1), positions)


@torch.no_grad()
def start(model):
    """Residual branches and outputs begin at zero."""
    for module in model.unet.modules():
        for name in ("conv2", "proj_out"):
            layer = getattr(module, name, None)
            if layer is not None:
                nn.init.zeros_(layer.weight), nn.init.zeros_(layer.bias)
    for layer in (model.unet.conv_out, model.pose_net.final_proj):
        nn.init.zeros_(layer.weight), nn.init.zeros_(layer.bias)
    model.unet.conv_in.weight[:, 4:].mul_(SCALE)  # the image's latents arrive unscaled
    for layer in model.pose_net.conv_layers:
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu"), nn.init.zeros_(layer.bias)


def channels_last(run, model):
    if run.device.type == "cuda":
        for p in model.parameters():
            if p.dim() == 4:
                p.data = p.data.contiguous(memory_format=torch.channels_last)


def draw_sigmas(count, device):
    """Mostly log-normal around the sigmas at which shapes appear, some over the sampler's whole range."""
    middle = 1.2 + 1.7 * torch.randn(count, device=device)
    low, high = math.log(SIGMA_MIN), math.log(SIGMA_MAX)
    anywhere = low + (high - low) * torch.rand(count, device=device)
    chosen = torch.where(torch.rand(count, device=device) < 0.75, middle, anywhere)
    return chosen.clamp(low, high).exp()


class Batches:
    """Random clips with their conditions; everything lies on the device."""

    def __init__(self, run, clips, latents, context):
        self.run, self.poses, self.latents, self.context = run, clips.arrays[1], latents, context

    def draw(self, count, frames):
        device = self.run.device
        total = self.latents.shape[1]
        which = torch.randint(len(self.latents), (count, 1), device=device)
        first = torch.randint(1, total - frames + 2, (count, 1), device=device)
        follow = first + torch.arange(frames - 1, device=device)
        frame = torch.cat([torch.zeros_like(first), follow], dim=1)  # the reference, then consecutive frames
        shift = torch.randint(0, total - frames + 1, (count, 1), device=device)
        positions = torch.cat([torch.zeros_like(shift), 1 + shift + torch.arange(frames - 1, device=device)], dim=1)
        poses = to_signed(self.poses[which, frame]).unflatten(0, (count, frames))
        x0 = self.latents[which, frame].float() * SCALE
        ids = torch.stack([torch.randint(4, 31, (count,), device=device).float(), torch.full((count,), 127.0, device=device),
                           torch.zeros(count, device=device)], dim=1)
        ids[:, 0] = torch.where(torch.rand(count, device=device) < 0.5, 6.0, ids[:, 0])
        return x0, self.latents[which[:, 0], 0].float(), self.context[which[:, 0]], ids, poses, positions


def denoising_loss(run, forward, batch, drop=DROP):
    x0, image, context, ids, poses, positions = batch
    sigma = draw_sigmas(len(x0), run.device)
    x = x0 + wide(sigma) * torch.randn_like(x0)
    kept = (torch.rand(len(x0), device=run.device) >= drop).float()
    with run.autocast():
        v = forward(x / (wide(sigma) ** 2 + 1).sqrt(), image, 0.25 * sigma.log(), context, ids, poses, kept, positions)
    return (v.float() - velocity(x0, x, sigma)).square().mean()


def batch_shape(run, fraction):
    """(clips, frames) of a step."""
    if run.device.type != "cuda":
        return 2, 5
    return (24, SHORT) if fraction < LONG_FROM else (12, config.FRAMES)


def make_optimizer(run, model):
    return torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.99), weight_decay=0.01, fused=run.device.type == "cuda")


def train_unet(run, clips, latents, context):
    """-> the averaged model, or None when the time is over first."""
    path = run.work / "unet.pt"
    saved = load(path)
    model = Model().to(run.device)
    progress = Progress(run, "unet", saved and saved["progress"])
    if progress.done:  # a longer plan makes a finished training go on
        model.load_state_dict(saved["average"])
        return model.eval().requires_grad_(False)
    if saved:
        model.load_state_dict(saved["model"])
    else:
        start(model)
    channels_last(run, model)
    average = Average(model, 0.9995)
    optimizer = make_optimizer(run, model)
    if saved:
        average.shadow.load_state_dict(saved["average"])
        average.steps = saved["progress"]["steps"]
        if saved.get("optimizer"):
            optimizer.load_state_dict(saved["optimizer"])
    batches = Batches(run, clips, latents, context)
    forward = Fallback(run, model)

    def checkpoint():
        save(path, {"model": model.state_dict(), "average": average.shadow.state_dict(), "optimizer": optimizer.state_dict(),
                    "progress": progress.state()})

    shape, began = None, 0
    while progress.running():
        if batch_shape(run, progress.fraction) != shape:
            shape = batch_shape(run, progress.fraction)
            denoising_loss(run, forward, batches.draw(*shape)).backward()  # compiles
            progress.pause()
            run.log(f"unet: {shape[0]} clips of {shape[1]} frames, {'plain' if forward.fast is None else 'compiled'}")
            began = progress.steps, progress.seconds
        loss = denoising_loss(run, forward, batches.draw(*shape))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        clip_gradients(model.parameters())
        set_rate(optimizer, progress.rate(1.2e-3, warmup=300))
        optimizer.step()
        average.update()
        progress.stepped(loss)
        if progress.steps - began[0] == 100:
            run.log(f"unet: {(progress.seconds - began[1]) / 100:.4f} s a step")
        if progress.due(120):
            checkpoint()
            progress.pause()
    checkpoint()
    run.log(f"unet: {progress.steps} steps, {progress.seconds:.0f} s, {'done' if progress.done else 'paused'}")
    return average.shadow if progress.done else None


def unet_so_far(run):
    """The averaged model of the last checkpoint, finished or not, or None."""
    saved = load(run.work / "unet.pt")
    if not saved:
        return None
    model = Model()
    model.load_state_dict(saved["average"])
    return model.to(run.device).eval().requires_grad_(False)
