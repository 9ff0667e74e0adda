"""What the finished pack is judged on: characters and motions that no training saw, as users' files and as the truth."""
import subprocess
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from .character import HEIGHT, WIDTH, make_character
from .data import HELD_OUT
from .motion import make_motion
from .render import bounds, paint_frames
from .skeleton import make_skeleton

FIRST = HELD_OUT + 7000
DRIVING = (256, 384)  # width, height of driving videos and reference images
FPS = 15


def view(width, height):
    """Pixels per design pixel and the design x of the left edge: the figure in the middle, as high as the frame."""
    scale = height / HEIGHT
    return scale, WIDTH / 2 - width / scale / 2


def paint(character, skeleton, width, height):
    """-> uint8 [T, height, width, 3], RGB."""
    return paint_frames(character, skeleton, width, height, *view(width, height))


def write_mp4(path, frames, fps, crf=20):
    height, width = frames.shape[1:3]
    command = ["ffmpeg", "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", str(fps), "-i", "-",
               "-c:v", "libx264", "-preset", "slow", "-crf", str(crf), "-pix_fmt", "yuv420p", "-movflags", "+faststart", "-threads", "1",
               str(path)]
    subprocess.run(command, input=frames.tobytes(), check=True)


@dataclass
class Subject:
    """One character with a picture at rest and a motion."""
    name: str
    character: object
    resting: object  # Skeleton of one moment
    moving: object   # Skeleton of all frames

    def truth(self):
        """-> the reference and the frames as the generator should make them, uint8 [1, 192, 128, 3] and [T, 192, 128, 3]."""
        return tuple(paint(self.character, s, WIDTH, HEIGHT) for s in (self.resting, self.moving))

    def write_files(self, folder, width=DRIVING[0], height=DRIVING[1], crf=20):
        """NAME.mp4 and NAME.png, as a user would have them."""
        Path(folder).mkdir(parents=True, exist_ok=True)
        write_mp4(folder / f"{self.name}.mp4", paint(self.character, self.moving, width, height), FPS, crf)
        cv2.imwrite(str(folder / f"{self.name}.png"), paint(self.character, self.resting, width, height)[0, ..., ::-1])

    def keypoints(self, width, height):
        """-> points [T, 133, 2] in pixels, whether each lies in the frame [T, 133], boxes [T, 4] cut at the frame."""
        scale, left = view(width, height)
        points = (self.moving.keypoints(self.character) - [left, 0]) * scale
        box = (bounds(self.character, self.moving).reshape(-1, 2, 2) - [left, 0]) * scale
        seen = ((points >= 0) & (points < [width, height])).all(-1)
        return points, seen, np.clip(box, 0, [width, height]).reshape(-1, 4)


def subjects(count, frames=24):
    made = []
    for i in range(count):
        character = make_character(FIRST + 10 * i)
        moving = make_skeleton(character, make_motion(FIRST + 10 * i + 3), 0.4 + np.arange(frames) / FPS)
        resting = make_skeleton(character, make_motion(FIRST + 10 * i + 5, rest=True), np.zeros(1))
        made.append(Subject(f"held_out_{i:02d}", character, resting, moving))
    return made
