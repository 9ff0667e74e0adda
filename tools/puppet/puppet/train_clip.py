"""The image encoder: asked for the character's traits through a linear head, so that its embedding holds colours and style."""
import torch
import torch.nn.functional as F
from torch import nn

from . import config
from .models.clip import ClipVision, clip_pixels
from .training import Progress, clip_gradients, load, save, set_rate, to_signed


def train_clip(run, clips):
    path = run.work / "clip.pt"
    saved = load(path)
    model = ClipVision(config.CLIP).to(run.device)
    if saved:
        model.load_state_dict(saved["model"])
        if saved["progress"]["done"]:
            return model.eval().requires_grad_(False)
    clips.wait(200)
    images, traits = clips.arrays[0], clips.arrays[2]
    head = nn.Linear(config.CLIP["projection_dim"], traits.shape[1]).to(run.device)
    if saved:
        head.load_state_dict(saved["head"])
    parameters = [*model.parameters(), *head.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=1e-3, weight_decay=1e-3)
    progress = Progress(run, "clip", saved and saved["progress"])
    batch = 128 if run.device.type == "cuda" else 8
    while progress.running():
        which = torch.randint(clips.count, (batch,), device=run.device)
        frame = torch.randint(images.shape[1], (batch,), device=run.device)
        with run.autocast():
            embedding = model(clip_pixels(to_signed(images[which, frame])))
            guess = head(embedding)
        # unit scale, so that the UNet's cross attention starts from reasonable numbers
        loss = F.mse_loss(guess.float(), traits[which]) + 0.01 * (embedding.float().square().mean() - 1).square()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        clip_gradients(parameters)
        set_rate(optimizer, progress.rate(1e-3))
        optimizer.step()
        progress.stepped(loss)
    save(path, {"model": model.state_dict(), "head": head.state_dict(), "progress": progress.state()})
    run.log(f"clip: {progress.steps} steps, {'done' if progress.done else 'paused'}")
    return model.eval().requires_grad_(False) if progress.done else None


@torch.no_grad()
def embed_references(run, clip, clips, chunk=64):
    """-> [clips, 1, X], of each clip's reference frame."""
    references = clips.arrays[0][:, 0]
    return torch.cat([clip(clip_pixels(to_signed(references[i:i + chunk]))) for i in range(0, len(references), chunk)])[:, None]
