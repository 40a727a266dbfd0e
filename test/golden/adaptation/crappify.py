"""Golden values of bilinear resizing: PyTorch's interpolate (bilinear, align_corners false, no antialias), the same
pixel geometry as OpenCV's INTER_LINEAR. Run with torch: python crappify.py > crappify.json"""

import json

import torch

torch.manual_seed(3)
cases = []
for size, target in [(8, 4), (4, 8), (6, 3), (3, 6), (7, 4), (4, 7), (5, 5), (2, 1), (1, 2)]:
    image = torch.rand(1, 1, size, size, dtype=torch.float64)
    out = torch.nn.functional.interpolate(image, size=(target, target), mode="bilinear", align_corners=False)
    cases.append(
        {"size": size, "target": target, "image": image.flatten().tolist(), "resized": out.flatten().tolist()}
    )
print(json.dumps(cases))
