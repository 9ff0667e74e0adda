"""The detector and the SimCC net on stills that are cropped, shrunk and compressed as videos are."""
import math

import torch
import torch.nn.functional as F

from .models.pose_nets import Detector, SimccNet
from .training import Average, Progress, clip_gradients, load, save, set_rate

MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
GREY = 114.0


def dct_matrix(device):
    k = torch.arange(8, device=device, dtype=torch.float32)
    m = torch.cos(math.pi * (2 * k[None] + 1) * k[:, None] / 16) * 0.5
    m[0] *= 0.5 ** 0.5
    return m


def compress(images, strength):
    """Quantises 8x8 cosine blocks of [N, 3, H, W] in 0..255, as video codecs do; strength [N] 0 (none) .. 1 (rough)."""
    n, c, h, w = images.shape
    m = dct_matrix(images.device)
    blocks = images.reshape(n, c, h // 8, 8, w // 8, 8).transpose(3, 4)
    spectrum = m @ blocks @ m.T
    k = torch.arange(8, device=images.device)
    step = (2 + 5 * (k[:, None] + k[None])) * strength.reshape(n, 1, 1, 1, 1, 1) + 0.5
    spectrum = (spectrum / step).round() * step
    return (m.T @ spectrum @ m).transpose(3, 4).reshape(n, c, h, w).clamp(0, 255)


def affine_sample(images, scale, shift, height, width):
    """Samples images [N, 3, H, W] at x = u * scale + shift (pixel indices, both [N, 2]), as cv2.warpAffine; 0 outside."""
    n, _, h, w = images.shape
    size = torch.tensor([w, h], device=images.device, dtype=torch.float32)
    v, u = torch.meshgrid(torch.arange(height, device=images.device), torch.arange(width, device=images.device), indexing="ij")
    at = torch.stack([u, v], dim=-1).float() * scale[:, None, None] + shift[:, None, None]
    return F.grid_sample(images, (2 * at + 1) / size - 1, mode="bilinear", padding_mode="zeros", align_corners=False)


class Frames:
    """A batch of video frames cut out of stills: pixels [N, 3, h, w] in 0..255, points [N, 133, 2], seen, boxes [N, 4]."""

    def __init__(self, run, stills, count, lowest=112, highest=400):
        device = run.device
        images, points, boxes = stills.arrays
        which = torch.randint(stills.count, (count,), device=device)
        picked = images[which].permute(0, 3, 1, 2).float()
        n, _, still_height, still_width = picked.shape
        portrait = torch.rand(()).item() < 0.6
        aspect = 2 / 3 * 1.15 ** torch.randn(()).clamp(-1, 1).item() if portrait else torch.empty(()).uniform_(0.75, 1.33).item()
        height = int(torch.empty(()).uniform_(lowest, highest).item()) // 8 * 8
        width = max(64, int(height * aspect) // 8 * 8)
        tall = still_height * torch.empty(n, device=device).uniform_(0.86, 1.0)
        scale = tall / height  # still pixels for one video pixel
        spare = still_width - scale * width
        left = spare / 2 + torch.empty(n, device=device).uniform_(-1, 1) * torch.minimum(spare / 2, torch.full_like(spare, 32.0))
        top = (still_height - tall) * torch.rand(n, device=device) ** 0.5  # rather cut the top than the bottom
        shift = torch.stack([left, top], dim=1)
        shrink = max(1, round(tall.mean().item() / height))
        soft = F.avg_pool2d(picked, shrink) if shrink > 1 else picked
        scale2 = scale[:, None].expand(-1, 2)
        pixels = affine_sample(soft, scale2 / shrink, (shift + 0.5 * scale2) / shrink - 0.5, height, width)
        light = torch.empty((n, 3, 1, 1), device=device).uniform_(0.9, 1.1)
        pixels = (pixels * light + torch.randn_like(pixels) * torch.rand((n, 1, 1, 1), device=device) * 4).clamp(0, 255)
        self.pixels = compress(pixels, torch.rand(n, device=device) ** 2)
        self.points = (points[which] - shift[:, None] + 0.5) / scale[:, None, None] - 0.5
        size = torch.tensor([width, height], device=device)
        self.seen = ((self.points >= 0) & (self.points < size)).all(-1)
        corners = (boxes[which].reshape(n, 2, 2) - shift[:, None]) / scale[:, None, None]
        self.boxes = torch.minimum(corners.clamp(min=0), size - 1).reshape(n, 4)
        self.size = size


def letterbox(frames, empty):
    """-> [N, 3, 640, 640] with grey below or beside, boxes scaled. `empty` [N] blanks out the person: a backdrop's flat colour."""
    _, _, h, w = frames.pixels.shape
    r = min(640 / h, 640 / w)
    inner = F.interpolate(frames.pixels, size=(int(h * r), int(w * r)), mode="bilinear", align_corners=False)
    corner = inner[:, :, :8, :8].mean((2, 3), keepdim=True)
    inner = torch.where(empty[:, None, None, None], corner + torch.randn_like(corner) * 4, inner)
    out = torch.full((len(inner), 3, 640, 640), GREY, device=inner.device)
    out[:, :, :inner.shape[2], :inner.shape[3]] = inner
    return out, frames.boxes * r


def giou(a, b):
    """Centre-size boxes [..., 4] -> generalised intersection over union."""
    a0, a1, b0, b1 = a[..., :2] - a[..., 2:] / 2, a[..., :2] + a[..., 2:] / 2, b[..., :2] - b[..., 2:] / 2, b[..., :2] + b[..., 2:] / 2
    overlap = (torch.minimum(a1, b1) - torch.maximum(a0, b0)).clamp(min=0).prod(-1)
    union = a[..., 2:].prod(-1) + b[..., 2:].prod(-1) - overlap
    hull = (torch.maximum(a1, b1) - torch.minimum(a0, b0)).prod(-1)
    return overlap / union.clamp(min=1e-6) - (hull - union) / hull.clamp(min=1e-6)


def detection_loss(net, images, boxes, present):
    """One person an image at most. Cells within 1.5 strides of the box's centre answer, on the level that fits its size."""
    n = len(images)
    centre = torch.cat([(boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]).clamp(min=2)], dim=1)
    side = centre[:, 2:].amax(1)
    level_of = (side > 80).long() + (side > 240).long()
    loss = 0.0
    for level, (box, objectness, classes) in enumerate(net.raw(images)):
        stride, (h, w) = net.strides[level], box.shape[2:]
        v, u = torch.meshgrid(torch.arange(h, device=box.device), torch.arange(w, device=box.device), indexing="ij")
        cell = torch.stack([u, v], dim=-1).float()
        near = ((cell[None] + 0.5 - centre[:, None, None, :2] / stride).abs() < 1.5).all(-1)
        positive = near & ((level_of == level) & present)[:, None, None]
        box, objectness, classes = box.float().permute(0, 2, 3, 1), objectness.float()[:, 0], classes.float().permute(0, 2, 3, 1)
        i, y, x = positive.nonzero(as_tuple=True)
        made = torch.cat([(box[i, y, x, :2] + cell[y, x]) * stride, box[i, y, x, 2:].clamp(-6, 6).exp() * stride], dim=1)
        fit = giou(made, centre[i])
        goal = torch.zeros_like(objectness)
        goal[i, y, x] = fit.detach().clamp(0, 1) * 0.5 + 0.5
        loss = loss + F.binary_cross_entropy_with_logits(objectness, goal, reduction="sum")
        person = torch.zeros_like(classes[i, y, x])
        person[:, 0] = 1
        loss = loss + F.binary_cross_entropy_with_logits(classes[i, y, x], person, reduction="sum") / 4 + 5 * (1 - fit).sum()
        loss = loss + (made - centre[i]).abs().sum() / stride * 0.1
    return loss / n


def crop(frames, jitter):
    """The pose net's input [N, 3, 384, 288], points in its pixels, and whether each is in the crop."""
    boxes = frames.boxes
    n = len(boxes)
    size, centre = boxes[:, 2:] - boxes[:, :2], (boxes[:, :2] + boxes[:, 2:]) / 2
    centre = centre + size * torch.randn_like(size) * 0.04 * jitter
    size = size * (1 + (torch.rand_like(size) - 0.4) * 0.3 * jitter) * 1.25
    width = torch.maximum(size[:, 0], size[:, 1] * 0.75)
    scale = (width / 288)[:, None].expand(-1, 2)
    shift = centre - scale * torch.tensor([144.0, 192.0], device=size.device)
    pixels = affine_sample(frames.pixels, scale, shift, 384, 288)
    points = (frames.points - shift[:, None]) / scale[:, None]
    inside = ((points >= 0) & (points < torch.tensor([288.0, 384.0], device=size.device))).all(-1)
    mean, std = (torch.tensor(v, device=size.device).reshape(1, 3, 1, 1) for v in (MEAN, STD))
    return (pixels - mean) / std, points, inside & frames.seen


def simcc_loss(outputs, points, seen, sigma=5.0, sharpness=12.0):
    """A cross entropy for the place; and Gaussian bumps of height 1 where a point is seen, nothing where it is not, because the
    height is the score. The place has the greater weight: squares alone are content with the middle of all fingers."""
    loss = 0.0
    for axis, out in enumerate(outputs):
        out = out.float()
        bins = torch.arange(out.shape[2], device=out.device)
        goal = torch.exp(-(bins - 2 * points[..., axis, None]) ** 2 / (2 * sigma ** 2))
        error = (out - goal * seen[..., None]).square() * (1 + 8 * goal)
        share = (goal * sharpness).softmax(-1)  # what bumps of the right height give
        place = -(share * F.log_softmax(out * sharpness, dim=-1)).sum(-1)
        weight = seen.float()
        loss = loss + 40 * error.mean() + 0.5 * (place * weight).sum() / weight.sum().clamp(min=1)
    return loss


def train_pose_net(run, stills, name):
    """`detector` or `simcc` -> the averaged net, or None when the time is over first."""
    path = run.work / f"{name}.pt"
    saved = load(path)
    detector = name == "detector"
    net = (Detector() if detector else SimccNet()).to(run.device)
    if saved and saved["progress"]["done"]:
        net.load_state_dict(saved["average"])
        return net.eval().requires_grad_(False)
    if saved:
        net.load_state_dict(saved["model"])
    if run.device.type == "cuda":
        net.to(memory_format=torch.channels_last)
    average = Average(net, 0.998)
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3, weight_decay=0.01)
    if saved:
        average.shadow.load_state_dict(saved["average"]), optimizer.load_state_dict(saved["optimizer"])
        average.steps = saved["progress"]["steps"]
    progress = Progress(run, name, saved and saved["progress"])
    count = (64 if detector else 128) if run.device.type == "cuda" else 4
    stills.wait(stills.per_shard)

    def checkpoint():
        save(path, {"model": net.state_dict(), "average": average.shadow.state_dict(), "optimizer": optimizer.state_dict(),
                    "progress": progress.state()})

    net.train()
    while progress.running():
        frames = Frames(run, stills, count)
        with run.autocast():
            if detector:
                empty = torch.rand(count, device=run.device) < 0.08
                images, boxes = letterbox(frames, empty)
                loss = detection_loss(net, images, boxes, ~empty)
            else:
                images, points, seen = crop(frames, 1.0)
                loss = simcc_loss(net(images), points, seen)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        clip_gradients(net.parameters(), 5.0)
        set_rate(optimizer, progress.rate(3e-3 if detector else 2e-3))
        optimizer.step()
        average.update()
        progress.stepped(loss)
        if progress.due():
            checkpoint()
            progress.pause()
    checkpoint()
    run.log(f"{name}: {progress.steps} steps, {progress.seconds:.0f} s, {'done' if progress.done else 'paused'}")
    return average.shadow if progress.done else None


@torch.no_grad()
def score_pose_net(run, net, stills, name, rounds=4):
    """Held-out figures: boxes found and their overlap, or PCK at 0.05 of the longer side of the box, and mean scores."""
    count = 64 if run.device.type == "cuda" else 8
    found, overlap, body, hands, low, high = [], [], [], [], [], []
    for _ in range(rounds):
        frames = Frames(run, stills, count)
        if name == "detector":
            images, boxes = letterbox(frames, torch.zeros(count, dtype=torch.bool, device=run.device))
            centre = torch.cat([(boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]], dim=1)
            rows, place = net(images), []
            for stride in net.strides:
                k = torch.arange(640 // stride, device=run.device)
                place.append(torch.stack([k.repeat(len(k)), k.repeat_interleave(len(k)), torch.full((len(k) ** 2,), stride, device=run.device)], 1))
            place = torch.cat(place).float()
            score = rows[..., 4] * rows[..., 5]
            best = score.argmax(1)
            row, at = rows[torch.arange(count), best], place[best]
            made = torch.cat([(row[:, :2] + at[:, :2]) * at[:, 2:], row[:, 2:4].exp() * at[:, 2:]], 1)
            found.append((score.amax(1) > 0.3).float()), overlap.append(giou(made, centre))
        else:
            images, points, seen = crop(frames, 0.3)
            x, y = net(images)
            made = torch.stack([x.argmax(-1), y.argmax(-1)], -1) / 2.0
            score = torch.minimum(x.amax(-1), y.amax(-1))
            limit = 0.05 * 384 / 1.25
            good = ((made - points).norm(dim=-1) < limit).float()
            body.append(good[:, :11][seen[:, :11]]), hands.append(good[:, 91:][seen[:, 91:]])
            low.append(score[~seen]), high.append(score[seen])
            overlap.append((made - points).norm(dim=-1)[:, 5:11][seen[:, 5:11]])
    mean = lambda parts: torch.cat(parts).mean().item()  # noqa: E731
    if name == "detector":
        return {"found": mean(found), "giou": mean(overlap)}
    return {"pck_body": mean(body), "pck_hands": mean(hands), "arm_error_crop_px": mean(overlap), "score_seen": mean(high),
            "score_unseen": mean(low)}
