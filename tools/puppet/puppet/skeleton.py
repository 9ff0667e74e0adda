"""From a character and a motion to joints: two-bone arms solved in three dimensions and seen from the front, hands of 21
joints, a face of 68 points, gathered in the order of COCO-WholeBody."""
from dataclasses import dataclass

import numpy as np

from .character import HEIGHT, WIDTH

SPLAY = np.radians([0, -13, -4, 5, 15])
KNUCKLES = np.array([[-0.14, 0.10], [-0.17, 0.46], [-0.055, 0.50], [0.06, 0.47], [0.165, 0.41]])
FINGER = np.array([0.40, 0.42, 0.47, 0.43, 0.34])  # of the hand's length, tip to knuckle
PHALANGES = np.array([[0.42, 0.32, 0.26]] + [[0.46, 0.29, 0.25]] * 4)
CURL = np.radians([75, 95, 65])


@dataclass
class Skeleton:
    """Every array starts with T frames; hand axis: 0 the person's left (image right), 1 right."""
    shoulders: np.ndarray  # [T, 2, 2]
    elbows: np.ndarray     # [T, 2, 2]
    wrists: np.ndarray     # [T, 2, 2]
    hands: np.ndarray      # [T, 2, 21, 2]
    facing: np.ndarray     # [T, 2]
    face: np.ndarray       # [T, 68, 2]
    mouth: np.ndarray      # [T], 0 closed .. 1 open
    eyes: np.ndarray       # [T], 0 closed .. 1 open

    def keypoints(self, character):
        """COCO-WholeBody, [T, 133, 2]."""
        t = len(self.mouth)
        hx, hy, hw, hh = character.head
        out = np.zeros((t, 133, 2))
        gap = character.eye_gap * hw
        out[:, 0] = self.face[:, 30]
        out[:, 1], out[:, 2] = (hx + gap, hy - 0.05 * hh), (hx - gap, hy - 0.05 * hh)
        out[:, 3], out[:, 4] = (hx + hw, hy + 0.08 * hh), (hx - hw, hy + 0.08 * hh)
        out[:, 5:7], out[:, 7:9], out[:, 9:11] = self.shoulders, self.elbows, self.wrists
        middle = character.shoulders.mean(0)
        half = character.shoulders[0, 0] - middle[0]
        for i, (x, y) in enumerate([(0.55, 4.9), (0.6, 6.6), (0.6, 8.2)]):  # hips, knees, ankles: below the frame
            out[:, 11 + 2 * i], out[:, 12 + 2 * i] = middle + [x * half, y * half], middle + [-x * half, y * half]
        out[:, 17:20], out[:, 20:23] = out[:, 15:16], out[:, 16:17]
        out[:, 23:91] = self.face
        out[:, 91:112], out[:, 112:133] = self.hands[:, 0], self.hands[:, 1]
        return out


def inside(points, margin=0.0):
    """1 where a point lies in the frame."""
    low, high = -margin, np.array([WIDTH, HEIGHT]) + margin
    return ((points >= low) & (points < high)).all(-1).astype(np.float32)


def solve_arms(character, targets):
    """targets [T, 2, 3] relative to the shoulders' middle in half widths -> elbows, wrists [T, 2, 2]."""
    middle = character.shoulders.mean(0)
    half = character.shoulders[0, 0] - middle[0]
    shoulder = np.concatenate([character.shoulders, np.zeros((2, 1))], axis=1)[None]
    wrist = targets * half + np.array([middle[0], middle[1], 0.0])
    reach = character.upper_arm + character.forearm
    arm = wrist - shoulder
    length = np.linalg.norm(arm, axis=-1, keepdims=True)
    wanted = np.clip(length, abs(character.upper_arm - character.forearm) + 6, 0.985 * reach)
    axis = arm / np.maximum(length, 1e-6)
    wrist = shoulder + axis * wanted
    along = (character.upper_arm ** 2 - character.forearm ** 2 + wanted ** 2) / (2 * wanted)
    out = np.sqrt(np.maximum(character.upper_arm ** 2 - along ** 2, 0))
    prefer = np.array([[0.5, 1.0, -0.35], [-0.5, 1.0, -0.35]])[None]  # elbows hang outwards
    side = prefer - (prefer * axis).sum(-1, keepdims=True) * axis
    side /= np.maximum(np.linalg.norm(side, axis=-1, keepdims=True), 1e-6)
    return (shoulder + axis * along + side * out)[..., :2], wrist[..., :2]


def hand_joints(character, wrist, direction, facing, shape):
    """wrist [..., 2], direction (radians) and facing [...], shape [..., 6] of the person's right hand -> [..., 21, 2].

    Local axes: y along the hand, x away from the thumb; `facing` squeezes and flips x.
    """
    lead = wrist.shape[:-1]
    local = np.zeros(lead + (21, 2))
    squeeze = np.where(facing >= 0, 1.0, -1.0) * np.maximum(np.abs(facing), 0.4)
    for f in range(5):
        curl = shape[..., f, None]
        bend = np.cumsum(CURL) * curl if f else np.cumsum([0.1, 0.25, 0.35]) * curl
        splay = SPLAY[f] * shape[..., 5] if f else np.radians(-38 + 75 * shape[..., 0])
        run = FINGER[f] * character.lengths[f] * PHALANGES[f] * np.cos(bend)
        along = np.cumsum(run, axis=-1)
        tips = np.stack([along * np.sin(splay)[..., None], along * np.cos(splay)[..., None]], axis=-1)
        local[..., 1 + 4 * f, :] = KNUCKLES[f]
        local[..., 2 + 4 * f:5 + 4 * f, :] = KNUCKLES[f] + tips
    x = -local[..., 0] * squeeze[..., None]  # right hand, palm to the viewer: thumb towards the image's right
    y = local[..., 1]
    c, s = np.cos(direction)[..., None], np.sin(direction)[..., None]
    world = np.stack([c * y - s * x, s * y + c * x], axis=-1)
    return wrist[..., None, :] + character.hand * world


def face_points(character, mouth, eyes):
    """68 landmarks in iBUG order, [T, 68, 2]. Points of the image's left side come first in each group."""
    hx, hy, hw, hh = character.head
    t = len(mouth)
    p = np.zeros((t, 68, 2))
    a = np.linspace(np.pi, 0, 17)
    p[:, 0:17, 0] = np.cos(a) * (1 - (1 - character.jaw) * np.sin(a) ** 2)
    p[:, 0:17, 1] = 0.05 + 0.95 * np.sin(a)
    gap, eye = character.eye_gap, character.eye_size
    for side, first in ((-1, 17), (1, 22)):
        x = np.linspace(-1, 1, 5)
        p[:, first:first + 5, 0] = side * gap + 0.26 * x
        p[:, first:first + 5, 1] = -0.27 - 0.05 * (1 - x ** 2)
    p[:, 27:31, 1] = np.linspace(-0.08, character.nose_length, 4)
    p[:, 31:36, 0] = np.linspace(-0.16, 0.16, 5)
    p[:, 31:36, 1] = character.nose_length + 0.06
    for side, first in ((-1, 36), (1, 42)):
        x = np.array([-1, -0.4, 0.4, 1, 0.4, -0.4])
        y = np.array([0, -1, -1, 0, 1, 1])
        p[:, first:first + 6, 0] = side * gap + eye * x
        p[:, first:first + 6, 1] = -0.05 + 0.075 * y * np.maximum(eyes, 0.12)[:, None]
    width, gape = character.mouth_width, 0.13 * mouth[:, None]
    x = np.array([-1, -0.66, -0.3, 0, 0.3, 0.66, 1, 0.66, 0.3, 0, -0.3, -0.66])
    y = np.array([0, -0.035, -0.055, -0.04, -0.055, -0.035, 0, 0.05, 0.07, 0.075, 0.07, 0.05])
    lower = np.array([0, 0, 0, 0, 0, 0, 0, 0.8, 1, 1, 1, 0.8])
    p[:, 48:60, 0] = width * x
    p[:, 48:60, 1] = 0.62 + y + gape * lower
    x = np.array([-0.85, -0.3, 0, 0.3, 0.85, 0.3, 0, -0.3])
    p[:, 60:68, 0] = width * x
    p[:, 60:68, 1] = 0.63 + gape * np.array([0, 0, 0, 0, 0, 1, 1, 1])
    return p * [hw, hh] + [hx, hy]


def make_skeleton(character, motion, seconds):
    position, bend, facing, shape, mouth, eyes = motion.at(seconds)
    elbows, wrists = solve_arms(character, position)
    t = len(mouth)
    forearm = wrists - elbows
    direction = np.arctan2(forearm[..., 1], forearm[..., 0])
    direction = direction + bend * np.array([1, -1])
    right = np.array([-1.0, 1.0])  # the left hand is the right one mirrored: its x axis is flipped
    hands = hand_joints(character, wrists, direction, facing * right, shape)
    return Skeleton(np.repeat(character.shoulders[None], t, 0), elbows, wrists, hands, facing, face_points(character, mouth, eyes),
                    mouth, eyes)
