"""Whole-body keypoints to the pose image that MimicMotion's networks see.

The figure (limb order, colours, sizes in pixels, truncations) is that of DWPose as MimicMotion draws it; the canvas's
short side, 2160 there, is a setting: at 128x192 the lines of a 2160 canvas would vanish in the reduction.
"""
import math

import cv2
import numpy as np

# Positions in the body of 18: COCO-WholeBody's index, or -1 for the neck (the shoulders' mean).
BODY = [0, -1, 6, 8, 10, 5, 7, 9, 12, 14, 16, 11, 13, 15, 2, 1, 4, 3]
LIMBS = [(1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10), (1, 11), (11, 12), (12, 13), (1, 0),
         (0, 14), (14, 16), (0, 15), (15, 17)]
COLOURS = [(255, 0, 0), (255, 85, 0), (255, 170, 0), (255, 255, 0), (170, 255, 0), (85, 255, 0), (0, 255, 0), (0, 255, 85),
           (0, 255, 170), (0, 255, 255), (0, 170, 255), (0, 85, 255), (0, 0, 255), (85, 0, 255), (170, 0, 255),
           (255, 0, 255), (255, 0, 170), (255, 0, 85)]
BONES = [(0 if i % 4 == 0 else i, i + 1) for i in range(20)]  # wrist to each finger's root, then along the finger
DIM = np.array([int(v * 0.6) for v in range(256)], np.uint8)
SEEN = 0.3


def hue(index, count):
    """A fully saturated colour of the wheel, 0..1 floats (hsv_to_rgb of (index / count, 1, 1))."""
    h = index / count * 6
    i, f = int(h), h - int(h)
    return np.array([(1, f, 0), (1 - f, 1, 0), (0, 1, f), (0, 1 - f, 1), (f, 0, 1), (1, 0, 1 - f)][i % 6], float)


BONE_COLOURS = [hue(i, 20) for i in range(20)]


def from_wholebody(points, scores):
    """[133, 2] points in 0..1 and [133] scores -> body [18, 2], body scores, hands [2, 21, 2], their scores, face, its scores."""
    neck = points[5:7].mean(0)
    body = np.stack([neck if i < 0 else points[i] for i in BODY])
    seen = float(scores[5] > SEEN and scores[6] > SEEN)
    body_scores = np.array([seen if i < 0 else scores[i] for i in BODY])
    return (body, body_scores, points[91:133].reshape(2, 21, 2), scores[91:133].reshape(2, 21), points[23:91], scores[23:91])


def draw_pose(points, scores, width, height, short_side):
    """COCO-WholeBody points [133, 2] in 0..1 of the frame and scores [133] -> uint8 [height, width, 3]."""
    body, body_scores, hands, hand_scores, face, face_scores = from_wholebody(points, scores)
    grow = short_side / min(width, height)
    w, h = int(width * grow), int(height * grow)
    canvas = np.zeros((h, w, 3), np.uint8)
    for i, (a, b) in enumerate(LIMBS):
        if body_scores[a] < SEEN or body_scores[b] < SEEN:
            continue
        (xa, ya), (xb, yb) = body[a] * (w, h), body[b] * (w, h)
        length = math.hypot(ya - yb, xa - xb)
        angle = math.degrees(math.atan2(ya - yb, xa - xb))
        polygon = cv2.ellipse2Poly((int((xa + xb) / 2), int((ya + yb) / 2)), (int(length / 2), 4), int(angle), 0, 360, 1)
        strength = body_scores[a] * body_scores[b]
        cv2.fillConvexPoly(canvas, polygon, [int(v * strength) for v in COLOURS[i]])
    canvas = cv2.LUT(canvas, DIM)
    for i in range(18):
        if body_scores[i] > SEEN:
            at = (int(body[i, 0] * w), int(body[i, 1] * h))
            cv2.circle(canvas, at, 4, [int(v * body_scores[i]) for v in COLOURS[i]], thickness=-1)
    for peaks, strengths in zip(hands, hand_scores):
        at = [(int(x * w), int(y * h)) for x, y in peaks]
        for i, (a, b) in enumerate(BONES):
            if min(at[a] + at[b]) > 0:
                cv2.line(canvas, at[a], at[b], BONE_COLOURS[i] * int(strengths[a] * strengths[b] * 255), thickness=2)
        for i, p in enumerate(at):
            if min(p) > 0:
                cv2.circle(canvas, p, 4, (0, 0, int(strengths[i] * 255)), thickness=-1)
    for (x, y), strength in zip(face, face_scores):
        p = (int(x * w), int(y * h))
        if min(p) > 0:
            cv2.circle(canvas, p, 3, (int(strength * 255),) * 3, thickness=-1)
    return cv2.cvtColor(cv2.resize(canvas, (width, height)), cv2.COLOR_BGR2RGB)
