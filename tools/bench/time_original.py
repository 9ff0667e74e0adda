"""Runs the original Python pipeline once on a pack, as its turbo script does, and prints one JSON line of stage seconds.

The whole of a user's command: imports, model loading, preprocessing, sampling, decoding, writing the MP4. CPU, fp32.
Needs SEED_DIR and MIMIC_DIR (checkouts of the original) and tools/reference/requirements.txt."""
import time

START = time.perf_counter()
import argparse
import json
import os
import pathlib
import sys

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--pack", required=True)
parser.add_argument("--output", required=True, help="the MP4 to write")
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--videos", nargs="*", default=[], help="clips of the pack (default: the config's); models are loaded anew for each, as the original does")
args = parser.parse_args()
os.environ["OMP_NUM_THREADS"] = str(args.threads)
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "reference"))

import make_goldens as original
import torch

torch.set_num_threads(args.threads)
import inference_raw_batch_turbo as turbo
import onnxruntime
from mimicmotion.dwpose import wholebody
from omegaconf import OmegaConf


def write_mp4(path: str, frames: torch.Tensor, fps: int) -> None:
    """What torchvision.io.write_video did before it was removed: libx264 through PyAV with its defaults."""
    import av

    with av.open(path, mode="w") as container:
        stream = container.add_stream("libx264", rate=fps)
        stream.width, stream.height, stream.pix_fmt = frames.shape[3], frames.shape[2], "yuv420p"
        for frame in frames.permute(0, 2, 3, 1).numpy():
            for packet in stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)


def session_with_threads(*positional, **named):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = args.threads
    return original_session(*positional, sess_options=options, **named)


original_session = onnxruntime.InferenceSession
wholebody.ort.InferenceSession = session_with_threads
seconds = {"import": time.perf_counter() - START, "load": 0.0, "preprocess": 0.0, "clip": 0.0, "vae_encode": 0.0, "vae_decode": 0.0, "denoise": 0.0, "mux": 0.0}


def timed(stage, function):
    def call(*positional, **named):
        begin = time.perf_counter()
        result = function(*positional, **named)
        seconds[stage] += time.perf_counter() - begin
        return result

    return call


os.chdir(args.pack)
config = OmegaConf.load("config.yaml")
task = config.test_case[0]
clips = args.videos or [task.ref_video_path]
for index, clip in enumerate(clips):
    with original.quiet():
        pose, image = timed("preprocess", turbo.preprocess)(clip, task.ref_image_path, resolution=task.resolution, sample_stride=task.sample_stride)
    pipe = timed("load", original.float_pipeline)(turbo, config)
    with original.quiet():
        turbo.configure_scheduler(pipe, original.turbo_args("EulerDiscreteScheduler"))
    for stage, method in (("clip", "_encode_image"), ("vae_encode", "_encode_vae_image"), ("vae_decode", "decode_latents")):
        setattr(pipe, method, timed(stage, getattr(pipe, method)))
    before = dict(seconds)
    begin = time.perf_counter()
    with torch.no_grad(), original.quiet():
        frames = turbo.run_pipeline(pipe, image, pose, original.DEV, task)
    inside = sum(seconds[stage] - before[stage] for stage in ("clip", "vae_encode", "vae_decode"))
    seconds["denoise"] += time.perf_counter() - begin - inside
    timed("mux", write_mp4)(args.output if len(clips) == 1 else f"{args.output}.{index}.mp4", frames, int(task.fps))
print(json.dumps({"stages": seconds, "whole": time.perf_counter() - START, "clips": len(clips)}))
