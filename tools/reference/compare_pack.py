"""Compares the built programs with the original Python code on a pack whose poses are drawn small, frame for frame.

    export SEED_DIR=<UniSignMimicTurbo> MIMIC_DIR=<MimicMotion>
    VENV/bin/python tools/reference/compare_pack.py                 (models/puppet on a shipped clip)

The original loads the pack's folders as they are (diffusers' and transformers' from_pretrained, strict weights) and runs its own
retargeting, drawing and pipeline in fp32; the canvas on which it draws poses is set to the pack's size. Both sides draw the key points that
the programs found (`--own-detectors`: each its own): where two bins of the pose net are equal but for rounding, the sides choose
differently for one point in a thousand, the fit of the bodies moves, and all drawings with it. The reference image has the pack's size.
The original's VAE encodes an image whose memory is contiguous: for the layout that Pillow leaves PyTorch's group norm is inexact on a CPU.
Exit code 1 when a bound is missed: of the frames' values at most 0.1 % off by more than a level, none by more than 3.
"""
import argparse
import json
import subprocess
import sys
import tempfile
import types
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--models", type=Path, default=ROOT / "models" / "puppet")
parser.add_argument("--build", type=Path, default=ROOT / "build")
parser.add_argument("--video", type=Path, default=ROOT / "examples" / "words" / "tomorrow.mp4")
parser.add_argument("--reference", type=Path, default=ROOT / "examples" / "references" / "coral.png")
parser.add_argument("--steps", type=int, default=4)
parser.add_argument("--guidance", type=float, default=1.5, help="above 1: the original cannot run without guidance")
parser.add_argument("--own-detectors", action="store_true", help="the original finds the key points itself; the bounds are not judged")
args = parser.parse_args()
sys.argv = sys.argv[:1]
sys.path.insert(0, str(Path(__file__).resolve().parent))

import make_goldens as original  # noqa: E402
import cv2  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402
import yaml  # noqa: E402
import inference_raw_batch_turbo as turbo  # noqa: E402
from mimicmotion.dwpose import preprocess0, wholebody  # noqa: E402

MOST_OFF_BY_MORE = 0.001
MOST_LEVELS = 3
SCHEDULERS = {"euler": "EulerDiscreteScheduler", "lcm": "AnimateLCM_SVD"}


def drawing_on(short_side):
    draw = preprocess0.draw_pose
    return original.patched(preprocess0, "draw_pose", lambda pose, height, width, *_: draw(pose, height, width, short_side))


def seen_by_the_programs(path):
    """-> for each frame points [1, 133, 2] in pixels and scores [1, 133]."""
    report = subprocess.run([args.build / "tests" / "pose_report", args.models, path], check=True, capture_output=True)
    return [(np.array([frame["points"]]), np.array([frame["scores"]])) for frame in json.loads(report.stdout)["frames"]]


def same_key_points():
    """The original asks for the reference image twice, then for each frame of the video."""
    if args.own_detectors:
        return original.contextlib.nullcontext()
    answers = iter(2 * seen_by_the_programs(args.reference) + seen_by_the_programs(args.video))
    return original.patched(wholebody, "inference_pose", lambda *_: next(answers))


def task_of(defaults):
    return types.SimpleNamespace(
        resolution=int(defaults["resolution"].split("x")[0]), sample_stride=defaults["sample_stride"], num_frames=defaults["tile_frames"],
        frames_overlap=defaults["tile_overlap"], num_inference_steps=args.steps, noise_aug_strength=defaults["noise_aug_strength"],
        guidance_scale=args.guidance, seed=42)


@torch.no_grad()
def original_frames(task, canvas, scheduler):
    """-> uint8 [T, H, W, 3]."""
    with tempfile.TemporaryDirectory() as folder:  # the original looks for models/DWPose below the working folder
        Path(folder, "models").mkdir()
        Path(folder, "models", "DWPose").symlink_to(args.models.resolve() / "DWPose")
        with original.contextlib.chdir(folder), original.quiet(), drawing_on(canvas), same_key_points():
            poses, image = turbo.preprocess(str(args.video.resolve()), str(args.reference.resolve()), resolution=task.resolution,
                                            sample_stride=task.sample_stride)
    pipe = original.float_pipeline(turbo, types.SimpleNamespace(base_model_path=str(args.models / "svd"),
                                                                ckpt_path=str(args.models / "MimicMotion_1-1.pth")))
    encode = pipe.vae.encode  # PyTorch's group norm of channels-last images on a CPU is off by up to a hundredth in this encoder
    pipe.vae.encode = lambda image: encode(image.contiguous())
    with original.quiet():
        turbo.configure_scheduler(pipe, original.turbo_args(SCHEDULERS[scheduler]))
        frames = turbo.run_pipeline(pipe, image, poses, original.DEV, task)
    return frames.permute(0, 2, 3, 1).numpy()


def program_frames(scheduler, folder):
    command = [args.build / "bin" / "coordinator", "submit", args.video, "--ref-image", args.reference, "--models", args.models,
               "--server", "embedded", "--device", "cpu", "--precision", "fp32", "--output-dir", folder, "--save-frames", "--compat", "original",
               "--steps", args.steps, "--guidance-scale", args.guidance, "--scheduler", scheduler]
    subprocess.run([str(word) for word in command], check=True, capture_output=True)
    files = sorted(Path(folder, "_frames", args.video.stem).glob("*.png"))
    return np.stack([cv2.imread(str(path))[..., ::-1] for path in files])


def main():
    defaults = yaml.safe_load((args.models / "defaults.yaml").read_text())
    good = True
    for scheduler in SCHEDULERS:
        theirs = original_frames(task_of(defaults), defaults["pose_canvas"], scheduler)
        with tempfile.TemporaryDirectory() as folder:
            ours = program_frames(scheduler, folder)
        if ours.shape != theirs.shape:
            sys.exit(f"compare_pack: frames {ours.shape} against {theirs.shape}")
        off = np.abs(ours.astype(int) - theirs.astype(int))
        figures = {"scheduler": scheduler, "frames": len(off), "equal": float((off == 0).mean()), "off_by_more": float((off > 1).mean()),
                   "largest": int(off.max())}
        good &= figures["off_by_more"] <= MOST_OFF_BY_MORE and figures["largest"] <= MOST_LEVELS
        print(json.dumps(figures))
    return int(not good and not args.own_detectors)


if __name__ == "__main__":
    sys.exit(main())
