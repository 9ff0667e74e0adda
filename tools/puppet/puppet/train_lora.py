"""The few-step LoRA: consistency distillation of the trained UNet on the LCM scheduler's grid of sigmas.

The student at sigma n must say what its own average says at sigma n + SKIP, one Euler step of the teacher further down; a
share of plain regression keeps it from drifting. The student's whole weights W = W0 + B A live in an ordinary module; the
gradients of A and B follow from that of W, so that the network runs the same code as in the training before.
"""
import copy

import torch
from torch import nn

from . import config
from .diffusion import LCM_GRID, denoise, karras, wide
from .train_unet import Batches, batch_shape, channels_last
from .training import Fallback, Progress, clip_gradients, load, save, set_rate

SKIP = 5  # grid steps between student and target: the finest the 8-step sampler needs
REGRESSION = 0.5


def targets(unet):
    """Names of the adapted layers: the transformers' linear layers and the spatial convolutions."""
    names = []
    for name, module in unet.named_modules():
        linear = isinstance(module, nn.Linear) and "attentions" in name and "time_pos_embed" not in name
        unused = name.endswith(("attn2.to_q", "attn2.to_k"))
        conv = isinstance(module, nn.Conv2d) and name.endswith(("spatial_res_block.conv1", "spatial_res_block.conv2"))
        if (linear and not unused) or conv:
            names.append(name)
    return names


class Lora:
    def __init__(self, unet, rank, device):
        self.layers = {name: unet.get_submodule(name) for name in targets(unet)}
        self.base = {name: layer.weight.detach().clone() for name, layer in self.layers.items()}
        self.a, self.b = {}, {}
        for name, weight in self.base.items():
            inner = weight[0].numel()
            self.a[name] = torch.randn(rank, inner, device=device) / inner ** 0.5
            self.b[name] = torch.zeros(weight.shape[0], rank, device=device)

    def parameters(self):
        return [*self.a.values(), *self.b.values()]

    @torch.no_grad()
    def write(self, unet, a=None, b=None):
        a, b = a or self.a, b or self.b
        for name, base in self.base.items():
            unet.get_submodule(name).weight.copy_(base + (b[name] @ a[name]).reshape(base.shape))

    @torch.no_grad()
    def pull_gradients(self):
        for name, layer in self.layers.items():
            g = layer.weight.grad.flatten(1)
            self.a[name].grad, self.b[name].grad = self.b[name].T @ g, g @ self.a[name].T

    def tensors(self, a=None, b=None):
        """peft's layout, fp16: `unet.<module>.lora_A.weight`, `lora_B.weight`; the scale is 1."""
        a, b, out = a or self.a, b or self.b, {}
        for name, base in self.base.items():
            rank = a[name].shape[0]
            down, up = a[name], b[name]
            if base.dim() == 4:
                down, up = down.reshape(rank, *base.shape[1:]), up.reshape(-1, rank, 1, 1)
            out[f"unet.{name}.lora_A.weight"] = down.half().cpu().contiguous()
            out[f"unet.{name}.lora_B.weight"] = up.half().cpu().contiguous()
        return out


def draw_levels(count, device):
    """Grid indices: two thirds of those that 4 and 8 steps visit, the rest anywhere."""
    visited = 5 * torch.randint(0, 8, (count,), device=device)
    return torch.where(torch.rand(count, device=device) < 0.67, visited, torch.randint(0, LCM_GRID - 1, (count,), device=device))


def train_lora(run, teacher, clips, latents, context):
    """-> peft tensors, or None when the time is over first."""
    path = run.work / "lora.pt"
    saved, teacher_steps = load(path), load(run.work / "unet.pt")["progress"]["steps"]
    if saved and saved["progress"]["teacher_steps"] != teacher_steps:
        saved = None  # another teacher
    if saved and saved["progress"]["done"]:
        return saved["tensors"]
    channels_last(run, teacher)
    student, target = copy.deepcopy(teacher).requires_grad_(True), copy.deepcopy(teacher)
    lora = Lora(student.unet, config.LORA_RANK, run.device)
    if saved:
        for mine, kept in ((lora.a, saved["a"]), (lora.b, saved["b"])):
            for name in mine:
                mine[name].copy_(kept[name])
    slow_a, slow_b = ({k: v.clone() for k, v in part.items()} for part in (lora.a, lora.b))
    optimizer = torch.optim.AdamW(lora.parameters(), lr=1e-3, betas=(0.9, 0.99), weight_decay=0.0)
    progress = Progress(run, "lora", saved and saved["progress"])
    batches = Batches(run, clips, latents, context)
    forward = Fallback(run, student)
    grid = torch.tensor(karras(torch.arange(LCM_GRID).numpy() / (LCM_GRID - 1)), dtype=torch.float32, device=run.device)
    count, frames = batch_shape(run, 1.0)
    kept = torch.ones(count, device=run.device)

    def clean(model, x, sigma, conditions):
        image, words, ids, poses, positions = conditions
        with run.autocast():
            v = model(x / (wide(sigma) ** 2 + 1).sqrt(), image, 0.25 * sigma.log(), words, ids, poses, kept, positions)
        return denoise(v.float(), x, sigma)

    def step():
        x0, *conditions = batches.draw(count, frames)
        level = draw_levels(count, run.device)
        sigma, lower = grid[level], grid[(level + SKIP).clamp(max=LCM_GRID - 1)]
        x = x0 + wide(sigma) * torch.randn_like(x0)
        with torch.no_grad():
            slope = (x - clean(teacher, x, sigma, conditions)) / wide(sigma)
            goal = clean(target, x + slope * wide(lower - sigma), lower, conditions)
        made = clean(forward, x, sigma, conditions)
        huber = ((made - goal).square() + 1e-4).sqrt().mean()
        return huber + REGRESSION * (made - x0).square().mean()

    def checkpoint():
        save(path, {"a": lora.a, "b": lora.b, "tensors": lora.tensors(slow_a, slow_b),
                    "progress": {**progress.state(), "teacher_steps": teacher_steps}})

    lora.write(student.unet)
    step().backward()  # compiles
    student.zero_grad(set_to_none=True)
    while progress.running():
        loss = step()
        loss.backward()
        lora.pull_gradients()
        student.zero_grad(set_to_none=True)
        clip_gradients(lora.parameters())
        set_rate(optimizer, progress.rate(1e-3))
        optimizer.step()
        lora.write(student.unet)
        for slow, fast in ((slow_a, lora.a), (slow_b, lora.b)):
            torch._foreach_lerp_(list(slow.values()), list(fast.values()), 0.02)
        lora.write(target.unet, slow_a, slow_b)
        progress.stepped(loss)
        if progress.due(120):
            checkpoint()
            progress.pause()
    checkpoint()
    run.log(f"lora: {progress.steps} steps, {progress.seconds:.0f} s, {'done' if progress.done else 'paused'}")
    return lora.tensors(slow_a, slow_b) if progress.done else None


@torch.no_grad()
def apply_lora(unet, tensors, scale=1.0):
    """In place: W + scale * B A."""
    for key, down in tensors.items():
        if key.endswith("lora_A.weight"):
            name = key[len("unet."):-len(".lora_A.weight")]
            weight = unet.get_submodule(name).weight
            up = tensors[key.replace("lora_A", "lora_B")].float().flatten(1)
            weight.add_(scale * (up @ down.float().flatten(1)).reshape(weight.shape).to(weight))
