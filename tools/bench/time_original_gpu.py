"""Runs the original's pipeline on a model folder of the real sizes, as its turbo script does: create_pipeline() for every video, then
the pipeline in fp16. Its inputs are made here, so that it needs neither OpenCV nor a video reader nor a GPU build of onnxruntime: its
pose stage and its MP4 writer do not count. Prints one JSON line for each video as it ends.

  time_original_gpu.py --original DIR --models DIR --frames 72 --modes euler25,lcm4,lcm4

DIR is a checkout of UniSignMimicTurbo; docs/benchmarks.md says which packages it needs."""
import argparse
import json
import pathlib
import sys
import time

parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
parser.add_argument("--original", type=pathlib.Path, required=True)
parser.add_argument("--models", type=pathlib.Path, required=True)
parser.add_argument("--frames", type=int, default=72, help="the reference's included")
parser.add_argument("--width", type=int, default=576)
parser.add_argument("--height", type=int, default=1024)
parser.add_argument("--tile", type=int, default=16)
parser.add_argument("--overlap", type=int, default=6)
parser.add_argument("--modes", default="euler25,lcm4", help="SCHEDULER+STEPS of each video, such as euler25 or lcm4; the guidance is 2, which its script always has")
parser.add_argument("--device", default="cuda")
args = parser.parse_args()

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import original_pipeline

original_pipeline.set_up(args.original, args.device, half=args.device != "cpu")
import PIL.Image
import numpy
import torch

import diffusers
from mimicmotion.lcm_scheduler import AnimateLCMSVDStochasticIterativeScheduler


def synchronize() -> None:
    if args.device != "cpu":
        torch.cuda.synchronize()


def timed(seconds: dict, stage: str, function):
    def call(*positional, **named):
        synchronize()
        begin = time.perf_counter()
        result = function(*positional, **named)
        synchronize()
        seconds[stage] = seconds.get(stage, 0.0) + time.perf_counter() - begin
        return result

    return call


def inputs() -> tuple:
    """A picture, and poses of bright lines on black: [F, 3, H, W] in [-1, 1]."""
    random = numpy.random.default_rng(1)
    image = PIL.Image.fromarray(random.integers(0, 256, (args.height, args.width, 3), dtype=numpy.uint8))
    poses = torch.full((args.frames, 3, args.height, args.width), -1.0)
    for frame in range(args.frames):
        poses[frame, frame % 3, args.height // 4 : 3 * args.height // 4, args.width // 2 + frame : args.width // 2 + frame + 8] = 1.0
    return image, poses


@torch.no_grad()
def run(mode: str) -> dict:
    lcm = mode.startswith("lcm")
    seconds: dict = {}
    begin = time.perf_counter()
    pipeline = timed(seconds, "load", original_pipeline.create)(args.models, args.device)
    if args.device == "cpu":
        for part in (pipeline.unet, pipeline.vae, pipeline.image_encoder, pipeline.pose_net):
            part.float()
    if lcm:
        pipeline.scheduler = AnimateLCMSVDStochasticIterativeScheduler(num_train_timesteps=40, sigma_min=0.002, sigma_max=700.0, sigma_data=1.0, s_noise=1.0, rho=7,
                                                                       clip_denoised=False)
    pipeline.set_progress_bar_config(disable=True)
    for stage, method in (("clip", "_encode_image"), ("vae_encode", "_encode_vae_image"), ("vae_decode", "decode_latents")):
        setattr(pipeline, method, timed(seconds, stage, getattr(pipeline, method)))
    image, poses = inputs()
    start = time.perf_counter()
    frames = pipeline([image], image_pose=poses, num_frames=args.frames, tile_size=args.tile, tile_overlap=args.overlap, height=args.height, width=args.width, fps=7,
                      noise_aug_strength=0, num_inference_steps=int(mode.removeprefix("lcm" if lcm else "euler")), generator=torch.Generator(args.device).manual_seed(42),
                      min_guidance_scale=2.0, max_guidance_scale=2.0, decode_chunk_size=8, output_type="pt", device=torch.device(args.device)).frames.cpu()
    seconds["denoise"] = time.perf_counter() - start - sum(seconds[stage] for stage in ("clip", "vae_encode", "vae_decode"))
    result = {"mode": mode, "whole": time.perf_counter() - begin, "stages": seconds, "frames": frames.shape[1], "finite": bool(torch.isfinite(frames.float()).all()),
              "versions": {"diffusers": diffusers.__version__, "torch": torch.__version__}}
    if args.device != "cpu":
        result["peak_gb"] = torch.cuda.max_memory_allocated() / 1e9
    return result


for mode in args.modes.split(","):
    print(json.dumps(run(mode)), flush=True)
