"""Training data: clips for the generator, stills for the pose nets, rendered by all cores into a folder of shards.

A clip is a reference frame (another moment of the same character) and a run of consecutive frames. A still is wider than
the generator's frame, so that crops of it have many shapes. Seeds from HELD_OUT on are never rendered for training.
"""
import multiprocessing
import os
import zlib
from pathlib import Path

import cv2
import numpy as np

from .character import HEIGHT, WIDTH, make_character
from .motion import make_motion
from .pose_drawing import draw_pose
from .render import bounds, paint_frames
from .skeleton import inside, make_skeleton

HELD_OUT = 10_000_000
FPS = 15
CANVAS = 512  # short side on which poses are drawn
CLIPS_A_SHARD, STILLS_A_SHARD = 20, 60
STILL_LEFT, STILL_WIDTH, STILL_SCALE = -64, 256, 2  # design pixels, design pixels, pixels per design pixel


def seen_scores(rng, points):
    """Scores as a detector gives them: high in the frame (less sure of arms and hands), next to nothing outside.

    They are the brightness of what is drawn, so the generator has to know all that may come.
    """
    frames = len(points)
    part = np.full(133, 1.0)
    part[5:11], part[91:112], part[112:133] = rng.uniform(0.6, 1.0), rng.uniform(0.5, 1.0), rng.uniform(0.5, 1.0)
    high = np.clip(rng.uniform(0.75, 1.0, (frames, 1)) * part + rng.normal(0, 0.05, (frames, 133)), 0.4, 1.0)
    return np.where(inside(points) > 0, high, rng.uniform(0.0, 0.12, (frames, 133)))


def draw_poses(points, scores):
    size = np.array([WIDTH, HEIGHT])
    return np.stack([draw_pose(p / size, s, WIDTH, HEIGHT, CANVAS) for p, s in zip(points, scores)])


def render_clip(seed, frames, fps=FPS, jitter=0.3):
    """-> frames and poses uint8 [frames, H, W, 3] (the reference first), points [frames, 133, 2], traits."""
    rng = np.random.default_rng([seed, 3])
    character = make_character(seed)
    start = rng.uniform(0, 4)
    reference = make_motion(seed + 1, rest=rng.random() < 0.6)
    moving = make_skeleton(character, make_motion(seed), start + np.arange(frames - 1) / fps)
    still = make_skeleton(character, reference, np.array([rng.uniform(0, 5)]))
    images = np.concatenate([paint_frames(character, s) for s in (still, moving)])
    points = np.concatenate([s.keypoints(character) for s in (still, moving)])
    shaken = points + rng.normal(0, 1, points.shape) * rng.uniform(0, jitter)
    shaken = np.clip(shaken, -6, np.array([WIDTH, HEIGHT]) + 6)
    return images, draw_poses(shaken, seen_scores(rng, points)), points, character.traits()


def render_still(seed):
    """-> image uint8 [384, 512, 3], points [133, 2] and box [4] in its pixels."""
    rng = np.random.default_rng([seed, 4])
    character = make_character(seed)
    skeleton = make_skeleton(character, make_motion(seed, rest=rng.random() < 0.1), np.array([rng.uniform(0, 6)]))
    image = paint_frames(character, skeleton, STILL_WIDTH * STILL_SCALE, HEIGHT * STILL_SCALE, STILL_SCALE, STILL_LEFT)[0]
    shift = np.array([STILL_LEFT, 0])
    points = (skeleton.keypoints(character)[0] - shift) * STILL_SCALE
    box = (bounds(character, skeleton)[0].reshape(2, 2) - shift) * STILL_SCALE
    return image, points.astype(np.float32), box.reshape(4).astype(np.float32)


def squeeze(images):
    """Differences to the first image, deflated: flat colours and still backgrounds shrink about 20 times."""
    return np.frombuffer(zlib.compress(np.bitwise_xor(images, images[:1] * (np.arange(len(images)) > 0)[:, None, None, None]
                                                      .astype(np.uint8)).tobytes(), 1), np.uint8)


def unsqueeze(packed, shape):
    images = np.frombuffer(zlib.decompress(packed.tobytes()), np.uint8).reshape(shape).copy()
    images[1:] ^= images[:1]
    return images


def write_shard(job):
    kind, folder, index, first_seed, frames = job
    path = Path(folder) / f"{kind}_{index:05d}.npz"
    if path.exists():
        return
    cv2.setNumThreads(1)
    arrays = {}
    if kind == "clips":
        clips = [render_clip(first_seed + 2 * i, frames) for i in range(CLIPS_A_SHARD)]
        for i, (images, poses, _, _) in enumerate(clips):
            arrays[f"images{i}"], arrays[f"poses{i}"] = squeeze(images), squeeze(poses)
        arrays["traits"] = np.stack([c[3] for c in clips])
    else:
        stills = [render_still(first_seed + 2 * i) for i in range(STILLS_A_SHARD)]
        for i, (image, _, _) in enumerate(stills):
            arrays[f"images{i}"] = squeeze(image[None])
        arrays["points"] = np.stack([s[1] for s in stills])
        arrays["boxes"] = np.stack([s[2] for s in stills])
    part = path.with_suffix(f".{os.getpid()}.part")
    with open(part, "wb") as f:
        np.savez(f, **arrays)
    part.rename(path)


def render_all(folder, clips, frames, stills, seed, workers=None):
    """Writes what is missing. Stills come first: the pose nets are trained while the clips are still being painted."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    base = 100_000 * (1 + seed % 50)
    jobs = [("stills", str(folder), i, base + 50_000 + 2 * i * STILLS_A_SHARD, 1) for i in range(-(-stills // STILLS_A_SHARD))]
    jobs += [("clips", str(folder), i, base + 2 * i * CLIPS_A_SHARD, frames) for i in range(-(-clips // CLIPS_A_SHARD))]
    workers = workers or max(1, os.cpu_count() - 2)
    with multiprocessing.Pool(workers, initializer=os.nice, initargs=(5,)) as pool:
        for _ in pool.imap_unordered(write_shard, jobs):
            pass


def read_clips(path, frames):
    """-> images, poses uint8 [N, frames, H, W, 3], traits [N, K]."""
    with np.load(path) as shard:
        shape = (frames, HEIGHT, WIDTH, 3)
        images, poses = (np.stack([unsqueeze(shard[f"{name}{i}"], shape) for i in range(CLIPS_A_SHARD)])
                         for name in ("images", "poses"))
        return images, poses, shard["traits"]


def read_stills(path):
    with np.load(path) as shard:
        shape = (1, HEIGHT * STILL_SCALE, STILL_WIDTH * STILL_SCALE, 3)
        images = np.stack([unsqueeze(shard[f"images{i}"], shape)[0] for i in range(STILLS_A_SHARD)])
        return images, shard["points"], shard["boxes"]
